"""Splits texts into the words by which things are found: lower case, without accents, letters and digits only."""

from __future__ import annotations

import re
import unicodedata

WORD_BYTES = 64
"""A longer word is found by its beginning."""
_WORD = re.compile(r"[^\W_]+")


def words_of(*texts: str) -> list[bytes]:
    """Return the words of some texts, each once, in order."""
    plain = unicodedata.normalize("NFKD", " ".join(texts)).casefold()
    bare = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return sorted({word.encode()[:WORD_BYTES] for word in _WORD.findall(bare)})


def beginning_with(word: bytes) -> tuple[bytes, bytes]:
    """Return the bounds between which all words stand that begin with one; the second is no word itself."""
    # No text holds this byte: it is none of UTF-8.
    return word, word + b"\xff"
