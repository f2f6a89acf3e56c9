"""What the SDK matrix is made of, and the page that shows it. Runs nothing.

A cell is one feature of one API, asked by one vendor's SDK through the gateway of one type of provider. Its
result is empty when it works, else why it can't be: in the words of the case, or the code of the refusal.
"""

import json
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "sdk-matrix.md"
NODE = ROOT / "tests" / "node" / "node_modules"

FEATURES = (
    *("plain", "streamed", "tools", "parallel tools"),
    *("images", "thinking", "errors", "cancel"),
)
GENERATES = FEATURES
ANSWERS = ("plain", "errors")


class Api(NamedTuple):
    """One API as one vendor's SDKs speak it."""

    sdk: str
    name: str
    features: tuple[str, ...]
    title: str
    kind: str = "text"
    """What of a provider's models is asked."""


APIS = (
    Api("openai", "chat", GENERATES, "OpenAI: chat completions"),
    Api("openai", "responses", GENERATES, "OpenAI: Responses"),
    Api("anthropic", "messages", GENERATES, "Anthropic: Messages"),
    Api("google-genai", "gemini", GENERATES, "Gemini: generateContent"),
    Api("openai", "completions", ("plain", "streamed", "errors", "cancel"), "OpenAI: completions"),
    Api("openai", "embeddings", ANSWERS, "OpenAI: embeddings", "vectors"),
    Api("openai", "images", ANSWERS, "OpenAI: image generation", "pictures"),
    Api("openai", "speech", ANSWERS, "OpenAI: speech", "sound"),
    Api("openai", "transcriptions", ANSWERS, "OpenAI: transcriptions", "sound"),
    Api("openai", "moderations", ANSWERS, "OpenAI: moderations", "verdicts"),
    Api("anthropic", "count_tokens", ANSWERS, "Anthropic: token counts"),
    Api("google-genai", "embed", ANSWERS, "Gemini: embeddings", "vectors"),
    Api("google-genai", "count", ANSWERS, "Gemini: token counts"),
)


class Behind(NamedTuple):
    """A provider behind the gateway, and the models that are asked of it."""

    provider: str
    """Its name in front of the slash."""
    title: str
    text: str
    others: str = "none"

    def model(self, api: Api) -> str:
        """The model as the caller names it."""
        return f"{self.provider}/{self.text if api.kind == 'text' else self.others}"


BEHIND = (
    Behind("openai-main", "openai", "gpt-5.1", "gpt-4o-mini-tts"),
    Behind("azure-main", "azure", "gpt-5.1", "gpt-4o-mini-tts"),
    Behind("custom-main", "custom", "qwen3", "bge-m3"),
    Behind("anthropic-main", "anthropic", "claude-haiku-4-5"),
    Behind("bedrock-main", "bedrock", "eu.anthropic.claude-haiku-4-5-20251001-v1:0"),
    Behind("vertex-main", "vertex, Claude", "claude-haiku-4-5"),
    Behind("vertex-main", "vertex, Gemini", "gemini-2.5-flash", "gemini-embedding-001"),
    Behind("gemini-main", "gemini", "gemini-2.5-flash", "gemini-embedding-001"),
)
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
LANGUAGES = ("Python", "Node")


class Cell(NamedTuple):
    """One question and where it is asked."""

    language: str
    api: str
    behind: str
    feature: str


Results = Mapping[Cell, str]
REFUSALS = {
    "model_provider_not_bound": "The provider has no API that says this; the gateway refuses with 400 "
    "`model_provider_not_bound`.",
    "unsupported_parameter": "The provider's API has no counterpart for a part of the request that must not be "
    "dropped; the gateway refuses with 400 `unsupported_parameter`.",
}
"""What a refusal of the gateway's own means on the page; any other code is a broken cell."""


def cells(language: str, sdk: str = "") -> Iterable[tuple[Cell, Api, Behind]]:
    """Every cell of a language, or of one SDK in it."""
    for api in APIS:
        for behind in BEHIND:
            for feature in api.features:
                if not sdk or api.sdk == sdk:
                    yield Cell(language, api.name, behind.title, feature), api, behind


def page(results: Results) -> str:
    """The page that shows these results."""
    notes: dict[str, int] = {}
    parts = [_head()]
    for api in APIS:
        parts += [f"## {api.title}", "", _table(api, results, notes), ""]
    parts += ["## Why a cell has a dash", ""]
    parts += [f"{number}. {words}" for words, number in notes.items()]
    return "\n".join(parts) + "\n"


def _head() -> str:
    python = ", ".join(
        f"`{name}` {version(name)}" for name in ("openai", "anthropic", "google-genai")
    )
    node = ", ".join(
        f"`{name}` {json.loads((NODE / name / 'package.json').read_text())['version']}"
        for name in ("openai", "@anthropic-ai/sdk", "@google/genai")
    )
    return f"""\
# SDKs, APIs and providers

Which feature of which vendor's SDK works through the gateway with which type of provider. Each cell is a call
that the test suite makes with the unmodified SDK over sockets; this page is written by that run, and the suite
fails when it no longer says what the run finds. The providers are a scripted program that speaks the vendors'
wire formats, so the page tells of formats, not of models.

Python: {python}. Node 24: {node}.

✓ works in both languages. A dash with a number has its reason [at the end of the page](#why-a-cell-has-a-dash);
**P** and **N** mark what differs between Python and Node.
"""


def _table(api: Api, results: Results, notes: dict[str, int]) -> str:
    lines = [f"| Provider | {' | '.join(api.features)} |", "|---" * (len(api.features) + 1) + "|"]
    for behind in BEHIND:
        shown = [_shown(api, behind, feature, results, notes) for feature in api.features]
        lines.append(f"| {behind.title} | {' | '.join(shown)} |")
    return "\n".join(lines)


def _shown(api: Api, behind: Behind, feature: str, results: Results, notes: dict[str, int]) -> str:
    found = [results[Cell(language, api.name, behind.title, feature)] for language in LANGUAGES]
    marks = [
        "—" + str(notes.setdefault(words, len(notes) + 1)).translate(_RAISED) if words else "✓"
        for words in found
    ]
    return marks[0] if marks[0] == marks[1] else f"**P** {marks[0]} **N** {marks[1]}"
