"""How many tokens a request probably has, rather too many than too few: a client that counts too few finds out too
late that its conversation has become too long. Pure; knows no model's own way of cutting a text.
"""

from typing import Any

import msgspec

_LETTERS_PER_TOKEN = 3
"""Of plain letters; models put four or more into a token of English, three into one of code."""
_TOKENS_PER_OTHER = 1.5
"""Of signs beyond ASCII."""
_TOKENS_PER_MEMBER = 2
_TOKENS_PER_MEDIUM = 1600
"""Of a picture; its bytes say nothing of it."""
_LEAST_MEDIUM = 1024
_TURN = 8


def counted(body: bytes) -> int:
    """Return how many tokens a JSON request has. Raises msgspec.DecodeError, UnicodeDecodeError, RecursionError."""
    return _TURN + round(_of(msgspec.json.decode(body)))


def _of(value: Any) -> float:
    if isinstance(value, str):
        return _of_text(value)
    if isinstance(value, dict):
        return sum(_TOKENS_PER_MEMBER + _of_text(name) + _of(one) for name, one in value.items())
    if isinstance(value, list):
        return sum(map(_of, value))
    return 1


def _of_text(text: str) -> float:
    if len(text) >= _LEAST_MEDIUM and _is_medium(text):
        return _TOKENS_PER_MEDIUM
    if text.isascii():
        return len(text) / _LETTERS_PER_TOKEN
    plain = sum(map(str.isascii, text))
    return plain / _LETTERS_PER_TOKEN + (len(text) - plain) * _TOKENS_PER_OTHER


def _is_medium(text: str) -> bool:
    """Say whether a text is a picture or a sound: an address that holds its data, or one long word of base64."""
    return text.startswith("data:") or (text.isascii() and not any(c in text for c in " \n.,{<"))
