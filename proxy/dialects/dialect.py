"""What every wire format tells the pipeline, as values. Each format fills these in; none is parsed here."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)
"""What decoding raises for bytes that are not JSON; text that is not UTF-8 has an error of its own."""


class Ask(NamedTuple):
    """The few fields of a request that decisions need; all others pass unread."""

    model: str
    is_streamed: bool = False
    max_tokens: int | None = None
    asks_usage: bool | None = None
    """Whether the caller asked for usage on the stream; None when the request does not say."""


class Counts(NamedTuple):
    """Token counts as far as the provider told them: None is "not told", 0 is a measured zero.

    The classes never overlap. ``is_consistent`` is False when the provider's parts did not add up to
    its own total; the residue is then counted in the dearest class that may hold it.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    is_consistent: bool = True


@dataclass(slots=True)
class Reading:
    """What has been read of one answer so far."""

    usage: dict[str, Any] | None = None
    """The provider's own usage object; later fields have replaced earlier ones."""
    model: str = ""
    answer_id: str = ""
    visible_bytes: int = 0
    """UTF-8 bytes of generated text, thinking and tool arguments: what an estimate is made from."""
    is_terminal: bool = False
    """The dialect's terminal event has passed."""
    may_end: bool = False
    """A clean end of the body is a whole answer from here on."""
    error_code: str = ""
    """The provider broke off with an error event of its own."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """A wire format. ``read_event`` takes the data of one server-sent event, ``read_body`` a whole JSON answer."""

    name: str
    read_request: Callable[[bytes], Ask]
    read_event: Callable[[bytes, Reading], None]
    read_body: Callable[[bytes, Reading], None]
    counts: Callable[[dict[str, Any]], Counts]
    error_types: dict[int, str]
    """``error.type`` by status; a status that is not here uses the error code."""
    other_error_type: str = ""
    names_model_in_body: bool = True
    """The model is a field of the request body; otherwise it is part of the path."""


_LEAST_ABSURD = 1 << 53


def token_count(value: object) -> int | None:
    """Return a count that a provider may also send as a numeric text; None when it tells nothing."""
    if type(value) is int:
        return value if 0 <= value < _LEAST_ABSURD else None
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:18])
    return value if isinstance(value, int) and 0 <= value < _LEAST_ABSURD else None


def merged(old: dict[str, Any] | None, new: object) -> dict[str, Any] | None:
    """Return ``old`` with the fields of ``new`` that are not null laid over it, nested objects too."""
    if not isinstance(new, dict):
        return old
    if old is None:
        return dict(new)
    result = dict(old)
    for name, value in new.items():
        if isinstance(value, dict) and isinstance(result.get(name), dict):
            result[name] = merged(result[name], value)
        elif value is not None:
            result[name] = value
        else:
            result.setdefault(name, None)
    return result


def text_bytes(value: object) -> int:
    """Return the size of a text in UTF-8 bytes; anything but a text is 0."""
    if not isinstance(value, str):
        return 0
    return len(value) if value.isascii() else len(value.encode("utf-8", "replace"))
