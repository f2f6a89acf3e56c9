"""The types of guardrail: which settings each takes, and how its settings become a search. Calls no evaluator."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol
from urllib.parse import urlsplit

import re2

from rules.guardrails.injection import DEFAULT_THRESHOLD, find_injection
from rules.guardrails.language import LANGUAGES, language_of
from rules.guardrails.matches import Match, merged, spans
from rules.guardrails.personal_data import KINDS, find_personal_data
from rules.guardrails.secret_patterns import find_secrets
from rules.patterns import MAX_PATTERNS, BadPattern, compiled

REQUEST, RESPONSE, STREAM_CHUNK = "request", "response", "stream_chunk"
DIRECTIONS = (REQUEST, RESPONSE, STREAM_CHUNK)
ACTIONS = ("block", "redact")
ON_FAILURE = ("fail_closed", "fail_open")
EVALUATOR = "evaluator"
DEFAULT_WINDOW_CHARACTERS, DEFAULT_OVERLAP_CHARACTERS = 1024, 256
DEFAULT_STEP_CHARACTERS = 64
"""How much new text is judged at once where that costs microseconds: the less, the sooner it goes on."""
MOST_WINDOW_CHARACTERS = 16_384
DEFAULT_TIMEOUT_MS, MOST_TIMEOUT_MS = 2_000, 10_000
_WORD_CHARACTERS = 200

Find = Callable[[str, int], Iterable[Match]]
"""Takes a text and how many characters of it went before; returns what it finds."""


@dataclass(frozen=True, slots=True)
class Type:
    """A type of guardrail. ``check`` says what is wrong with its settings, in one sentence, or nothing."""

    title: str
    settings: tuple[str, ...]
    check: Callable[[Mapping[str, Any]], str]
    build: Callable[[Mapping[str, Any]], Find] | None
    can_redact: bool = True


def settings_error(type_: str, settings: object) -> str:
    """Return what is wrong with the settings of a known type, in one sentence, or an empty string."""
    if not isinstance(settings, Mapping):
        return "Settings are an object."
    known = (*TYPES[type_].settings, "window_characters", "overlap_characters")
    for name in settings:
        if name not in known:
            return f"There is no setting {name}; there are: {', '.join(known)}."
    return TYPES[type_].check(settings) or _window_error(type_, settings)


def window_of(type_: str, settings: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return window and overlap. An evaluator is asked seldom; what runs here is asked often."""
    overlap = settings.get("overlap_characters", DEFAULT_OVERLAP_CHARACTERS)
    default = DEFAULT_WINDOW_CHARACTERS
    if type_ != EVALUATOR and type(overlap) is int:
        default = overlap + DEFAULT_STEP_CHARACTERS
    return settings.get("window_characters", default), overlap


def _window_error(type_: str, settings: Mapping[str, Any]) -> str:
    window, overlap = window_of(type_, settings)
    is_window = type(window) is int and 1 <= window <= MOST_WINDOW_CHARACTERS
    if not is_window or type(overlap) is not int or not 1 <= overlap <= window:
        most = MOST_WINDOW_CHARACTERS
        return f"The window has 1 to {most} characters, the overlap no more than the window."
    return ""


def _number_error(value: object, name: str, least: int, most: int) -> str:
    if type(value) is int and least <= value <= most:
        return ""
    return f"{name} is a whole number from {least} to {most}."


def _nothing(_: Mapping[str, Any]) -> str:
    return ""


def _secrets(_: Mapping[str, Any]) -> Find:
    return lambda text, _: find_secrets(text)


def _check_kinds(settings: Mapping[str, Any]) -> str:
    kinds = settings.get("kinds", KINDS)
    if isinstance(kinds, list | tuple) and kinds and all(kind in KINDS for kind in kinds):
        return ""
    return f"kinds is a list of some of {', '.join(KINDS)}."


def _personal_data(settings: Mapping[str, Any]) -> Find:
    kinds = tuple(settings.get("kinds", KINDS))
    return lambda text, _: find_personal_data(text, kinds)


def _check_keywords(settings: Mapping[str, Any]) -> str:
    words = settings.get("keywords")
    is_list = isinstance(words, list) and 0 < len(words) <= 10 * MAX_PATTERNS
    if not is_list or not all(map(_is_word, words or ())):
        return f"keywords is a list of words or phrases of at most {_WORD_CHARACTERS} characters."
    for name in ("case_sensitive", "whole_words"):
        if not isinstance(settings.get(name, False), bool):
            return f"{name} is true or false."
    return ""


def _is_word(word: object) -> bool:
    return isinstance(word, str) and bool(word.strip()) and len(word) <= _WORD_CHARACTERS


def _keywords(settings: Mapping[str, Any]) -> Find:
    options = re2.Options()
    options.never_capture = True
    options.case_sensitive = settings.get("case_sensitive", False)
    edge = r"\b" if settings.get("whole_words", True) else ""
    words = sorted(settings["keywords"], key=len, reverse=True)
    pattern = re2.compile("|".join(_edged(word, edge) for word in words), options)
    return lambda text, _: (Match(*span, "KEYWORD") for span in spans(pattern, text))


def _edged(word: str, edge: str) -> str:
    # An edge of a word only exists beside a letter or digit.
    before = edge if word[:1].isalnum() and word.isascii() else ""
    after = edge if word[-1:].isalnum() and word.isascii() else ""
    return f"{before}{re2.escape(word)}{after}"


def _check_patterns(settings: Mapping[str, Any]) -> str:
    patterns = settings.get("patterns")
    if not isinstance(patterns, list) or not 0 < len(patterns) <= MAX_PATTERNS:
        return f"patterns is a list of at most {MAX_PATTERNS} regular expressions."
    for pattern in patterns:
        try:
            compiled(pattern)
        except BadPattern as error:
            return str(error)
    label = settings.get("label", "PATTERN")
    is_label = isinstance(label, str) and label.isidentifier() and len(label) <= 32
    return "" if is_label else "label is a word of letters, digits and underscores."


def _patterns(settings: Mapping[str, Any]) -> Find:
    label = settings.get("label", "PATTERN")
    patterns = [compiled(pattern) for pattern in settings["patterns"]]
    return lambda text, _: (
        Match(start, end, label) for pattern in patterns for start, end in spans(pattern, text)
    )


def _check_threshold(settings: Mapping[str, Any]) -> str:
    value = settings.get("threshold", DEFAULT_THRESHOLD)
    is_share = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1
    return "" if is_share else "threshold is a number above 0 and at most 1."


def _injection(settings: Mapping[str, Any]) -> Find:
    threshold = settings.get("threshold", DEFAULT_THRESHOLD)
    return lambda text, _: find_injection(text, threshold)


def _check_length(settings: Mapping[str, Any]) -> str:
    return _number_error(settings.get("max_characters"), "max_characters", 1, 10**8)


def _length(settings: Mapping[str, Any]) -> Find:
    most = settings["max_characters"]

    def find(text: str, before: int) -> Iterator[Match]:
        if before + len(text) > most:
            yield Match(max(most - before, 0), len(text), "TOO_LONG")

    return find


def _check_languages(settings: Mapping[str, Any]) -> str:
    allowed = settings.get("allowed")
    if isinstance(allowed, list) and allowed and all(code in LANGUAGES for code in allowed):
        return ""
    return f"allowed is a list of some of {', '.join(LANGUAGES)}."


def _language(settings: Mapping[str, Any]) -> Find:
    allowed = frozenset(settings["allowed"])

    def find(text: str, _: int) -> Iterator[Match]:
        code = language_of(text)
        if code is not None and code not in allowed:
            yield Match(0, len(text), f"LANGUAGE_{code.upper()}")

    return find


def _check_evaluator(settings: Mapping[str, Any]) -> str:
    url = settings.get("url")
    parts = urlsplit(url) if isinstance(url, str) and len(url) <= 2000 else None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        return "url is the evaluator's address, starting with https:// or http://."
    timeout = settings.get("timeout_ms", DEFAULT_TIMEOUT_MS)
    return _number_error(timeout, "timeout_ms", 10, MOST_TIMEOUT_MS)


TYPES: Mapping[str, Type] = {
    "secrets": Type("Credentials", (), _nothing, _secrets),
    "pii": Type("Personal data", ("kinds",), _check_kinds, _personal_data),
    "keywords": Type(
        "Words", ("keywords", "case_sensitive", "whole_words"), _check_keywords, _keywords
    ),
    "regex": Type("Regular expressions", ("patterns", "label"), _check_patterns, _patterns),
    "injection": Type("Prompt injection", ("threshold",), _check_threshold, _injection, False),
    "length": Type("Length", ("max_characters",), _check_length, _length, False),
    "language": Type("Language", ("allowed",), _check_languages, _language, False),
    EVALUATOR: Type("HTTP evaluator", ("url", "timeout_ms"), _check_evaluator, None),
}


@dataclass(frozen=True, slots=True, eq=False)
class Guard:
    """A guardrail ready to be used. ``find`` is None for an evaluator, which is asked elsewhere."""

    id: str
    name: str
    type: str
    action: str
    fails_open: bool
    find: Find | None
    window_characters: int
    overlap_characters: int

    def search(self, text: str, before: int = 0) -> list[Match]:
        """Return what this guardrail finds in a text, in order and without overlaps."""
        return [] if self.find is None else merged(self.find(text, before))


def guard_of(row: Mapping[str, Any]) -> Guard:
    """Return a guardrail as stored (``id, name, type, settings, action, on_failure``), ready to be used.

    Raises ValueError when its settings are not right: then it must be taken for one that can't be asked.
    """
    type_, settings = row["type"], row["settings"]
    if type_ not in TYPES:
        raise ValueError(f"there is no guardrail type {type_}")
    error = settings_error(type_, settings)
    if error:
        raise ValueError(error)
    build = TYPES[type_].build
    return Guard(
        row["id"],
        row["name"],
        type_,
        row["action"],
        row["on_failure"] == "fail_open",
        None if build is None else build(settings),
        *window_of(type_, settings),
    )


class Attached(Protocol):
    """A guardrail as far as it matters where it looks."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def directions(self) -> Sequence[str]:
        """What it can look at."""

    @property
    def is_automatic(self) -> bool:
        """It applies without being named by a key."""


def wanted_in(
    direction: str, guardrails: Sequence[Attached], named: Mapping[str, Sequence[str]]
) -> list[str]:
    """Return the ids of those that look at a direction, in order: the automatic ones, then those a key names."""
    known = {one.id for one in guardrails}
    wanted = [one.id for one in guardrails if one.is_automatic and direction in one.directions]
    wanted += [each for each in named.get(direction, ()) if each in known]
    return list(dict.fromkeys(wanted))


def difference(before: str, after: str) -> list[Match]:
    """Return what an evaluator changed in a text, as the one match that spans all of it; nothing if nothing."""
    if before == after:
        return []
    most = min(len(before), len(after))
    start = _common(before, after, most)
    end = _common(before[start:][::-1], after[start:][::-1], most - start)
    return [Match(start, len(before) - end, "MODIFIED", after[start : len(after) - end])]


def _common(one: str, other: str, most: int) -> int:
    """Return how many characters two texts begin with alike."""
    is_equal = partial(_is_equal_at, one, other)
    return next((place for place in range(most) if not is_equal(place)), most)


def _is_equal_at(one: str, other: str, place: int) -> bool:
    return one[place] == other[place]
