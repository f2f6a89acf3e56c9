"""Patterns of names: ``*`` is any text, ``?`` one character. Judges whole names, in linear time."""

import re
from collections.abc import Sequence

from rules.patterns import AnyOf

MAX_GLOB_CHARACTERS = 200
MAX_GLOBS = 200


def glob_error(glob: object) -> str:
    """Return what is wrong with a pattern of names, in a sentence, or an empty string."""
    if not isinstance(glob, str) or not glob.strip():
        return "A pattern of names is a text that is not empty."
    if len(glob) > MAX_GLOB_CHARACTERS or not glob.isprintable():
        return f"Keep a pattern of names to {MAX_GLOB_CHARACTERS} printable characters."
    return ""


class Globs:
    """Several patterns, asked together. Without any, no name matches."""

    __slots__ = ("_any",)

    def __init__(self, globs: Sequence[str]) -> None:
        """Compile the patterns; those with a mistake match nothing."""
        self._any = AnyOf([_expression(glob) for glob in globs if not glob_error(glob)])

    def match(self, *names: str) -> bool:
        """Say whether any of the names matches as a whole."""
        return self._any.first(names) is not None


def _expression(glob: str) -> str:
    parts = {"*": ".*", "?": "."}
    body = "".join(parts.get(character) or re.escape(character) for character in glob.strip())
    return rf"(?s)\A{body}\z"
