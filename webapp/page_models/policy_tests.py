"""What a test of a request or a pattern shows: steps with a verdict each, and what was matched. Judges nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rules.apis import Api
from rules.patterns import AnyOf, BadPattern, searchable
from webapp.page_models.policy_rules import HERE
from webapp.page_models.settings_pages import Field, FormPage

TEST = f"{HERE}/test"
PATTERN = f"{TEST}/pattern"
MOST_BODY_CHARACTERS = 1_000_000
MOST_SAMPLES = 100
APIS: Mapping[Api, str] = {
    Api.CHAT: "OpenAI chat completions",
    Api.RESPONSES: "OpenAI responses",
    Api.MESSAGES: "Anthropic messages",
    Api.GEMINI: "Gemini generateContent",
}
SAMPLE = """{
  "model": "gpt-5-mini",
  "messages": [{"role": "user", "content": "Write to jane@example.com what the tests say."}],
  "tools": [{"type": "function", "function": {"name": "shell.exec", "parameters": {"type": "object"}}}]
}"""
PASSES, BLOCKED, REPORTED, SILENT = "positive", "critical", "warning", ""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a request is held against: what it came to, in a word and in sentences."""

    title: str
    tone: str
    word: str
    lines: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Tested:
    """All steps of a test, in the order in which a gateway takes them."""

    steps: Sequence[Step]
    about: str
    """Whose call it would be."""

    @property
    def blocking(self) -> Step | None:
        """The step that ends the call, if any: the first that blocks."""
        return next((step for step in self.steps if step.tone == BLOCKED), None)


@dataclass(frozen=True, slots=True)
class Sample:
    """A value, and whether a pattern matches anywhere in it."""

    value: str
    is_match: bool


@dataclass(frozen=True, slots=True)
class PatternTested:
    """What a pattern does with values, or why it is none."""

    error: str = ""
    samples: Sequence[Sample] = ()


@dataclass(frozen=True, slots=True)
class TesterPage:
    """The page of the two tests: each form as it was sent, and what came of it."""

    request: FormPage
    pattern: FormPage
    known_keys: Sequence[tuple[str, str]] = ()
    tested: Tested | None = None
    pattern_tested: PatternTested | None = None


def request_fields(has_keys: bool) -> list[Field]:
    """Return the controls of the test of a request; without keys it is tested for everybody."""
    off = {"autocomplete": "off", "spellcheck": "false"}
    key = Field(
        "key",
        "Virtual key",
        help="Its name, its id or how it starts. Empty tests what holds for every key.",
        required=False,
        attrs={**off, "list": "known-keys"},
    )
    return [
        *([key] if has_keys else []),
        Field("api", "API", "select", options=[(api.value, text) for api, text in APIS.items()]),
        Field(
            "model",
            "Model",
            help="For Gemini, whose requests name it in the path. Elsewhere it stands in the body.",
            required=False,
            attrs=off,
        ),
        Field("body", "Body of the request", "lines", attrs=off),
    ]


def pattern_fields() -> list[Field]:
    """Return the controls of the test of a pattern."""
    off = {"autocomplete": "off", "spellcheck": "false"}
    return [
        Field("pattern", "Pattern", attrs=off),
        Field("samples", "Values", "lines", "One a line.", required=False),
    ]


def pattern_tested(pattern: str, values: Sequence[str]) -> PatternTested:
    """Return what a pattern does with each value, by the code that applies policy rules."""
    try:
        known = AnyOf([pattern])
    except BadPattern as error:
        return PatternTested(str(error))
    found = [known.first((searchable(value),)) is not None for value in values]
    return PatternTested(
        "", [Sample(v, is_match) for v, is_match in zip(values, found, strict=True)]
    )
