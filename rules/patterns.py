"""Patterns that tenants write: RE2, so that none of them can take more than linear time. Judges nothing.

A combined pattern answers "does any of these match" in one search; a set object would do that too, but
it answers "no" when it runs out of memory, and here a "no" lets something pass.
"""

from collections.abc import Sequence
from typing import Any

import re2

MAX_PATTERN_CHARACTERS = 500
MAX_PATTERNS = 200
_OPTIONS = re2.Options()
_OPTIONS.log_errors = False
_OPTIONS.never_capture = True
_UNSUPPORTED = {
    "(?=": "look-ahead",
    "(?!": "look-ahead",
    "(?<=": "look-behind",
    "(?<!": "look-behind",
}


class BadPattern(ValueError):
    """A pattern that RE2 does not take; the text says why in words for whoever wrote it."""


def compiled(pattern: str) -> Any:
    """Return a compiled pattern, which has ``search`` and ``finditer``. Raises BadPattern."""
    if not isinstance(pattern, str) or not pattern:
        raise BadPattern("A pattern is a text that is not empty.")
    if len(pattern) > MAX_PATTERN_CHARACTERS:
        raise BadPattern(f"Keep a pattern to {MAX_PATTERN_CHARACTERS} characters.")
    try:
        return re2.compile(pattern, _OPTIONS)
    except re2.error as error:
        raise BadPattern(f"`{pattern}` is not a pattern: {_reason(pattern, error)}.") from None
    except UnicodeEncodeError:
        raise BadPattern("The pattern holds half of a character.") from None


def pattern_error(pattern: object) -> str:
    """Return what is wrong with a pattern, in a sentence, or an empty string."""
    try:
        compiled(pattern)  # type: ignore[arg-type]
    except BadPattern as error:
        return str(error)
    return ""


def _reason(pattern: str, error: Exception) -> str:
    for sign, name in _UNSUPPORTED.items():
        if sign in pattern:
            return f"{name} is not supported"
    told = error.args[0] if error.args else ""
    return told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told)


class AnyOf:
    """Several patterns, asked together."""

    __slots__ = ("_combined", "_each")

    def __init__(self, patterns: Sequence[str]) -> None:
        """Compile the patterns. Raises BadPattern."""
        self._each = [(pattern, compiled(pattern)) for pattern in patterns]
        self._combined = _combined(patterns)

    def __bool__(self) -> bool:
        return bool(self._each)

    def first(self, values: Sequence[str]) -> str | None:
        """Return the first pattern, as written, that matches anywhere in any of the values; None without."""
        combined = self._combined
        for value in values:
            if combined is not None and combined.search(value) is None:
                continue
            for pattern, one in self._each:
                if one.search(value) is not None:
                    return pattern
        return None


def _combined(patterns: Sequence[str]) -> Any:
    """Return one pattern for all, or None where they can't be put into one."""
    if not patterns or any("\\Q" in pattern for pattern in patterns):
        # An open quotation would swallow the bracket behind it.
        return None
    try:
        return re2.compile("|".join(f"(?:{pattern})" for pattern in patterns), _OPTIONS)
    except re2.error:
        return None


def searchable(value: str) -> str:
    """Return a value without halves of characters, which no pattern can be asked about."""
    return value if value.isascii() else value.encode("utf-8", "replace").decode()
