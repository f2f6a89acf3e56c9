"""How a piece of an answer is read into a ``Reading``, and what is made of one that can't be. Keeps nothing."""

import re
from collections.abc import Callable
from typing import Any

import msgspec

from proxy.dialects.dialect import UNREADABLE, Dialect, Reading, merged
from proxy.dialects.event_stream import Skipped, data_of
from proxy.splice import value_end


class _Chunk(msgspec.Struct, gc=False):
    choices: Any = None
    usage: Any = None


_HALF, _STAND_IN = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}"), rb"\\ufffd"
_chunk = msgspec.json.Decoder(_Chunk)


def is_usage_only(event: bytes) -> bool:
    """Say whether an OpenAI chunk holds usage and no choice: the one that ``include_usage`` adds."""
    try:
        chunk = _chunk.decode(data_of(event) or b"")
    except UNREADABLE:
        return False
    return chunk.choices == [] and isinstance(chunk.usage, dict)


def problem_in(read: Callable[[bytes, Reading], None], event: bytes, reading: Reading) -> str:
    """Read one event into ``reading``; return what is wrong with it, or nothing."""
    data = data_of(event)
    if data is None or not data.strip():
        return ""
    return problem_with(read, data, reading)


def problem_with(read: Callable[[bytes, Reading], None], data: bytes, reading: Reading) -> str:
    """Read the data of one event into ``reading``; return what is wrong with it, or nothing."""
    try:
        read(data, reading)
    except msgspec.ValidationError:
        # JSON, but not of the expected form: a vendor's extra, which is the client's to judge.
        return ""
    except UNREADABLE as error:
        whole = without_halves(data)
        return str(error) if whole == data else problem_with(read, whole, reading)
    return ""


def without_halves(data: bytes) -> bytes:
    """Return JSON without halves of characters, which are sent by whoever cuts a text between two UTF-16 units."""
    return _HALF.sub(_STAND_IN, data)


def note_skipped(dialect: Dialect, skipped: list[Skipped], reading: Reading) -> None:
    """Read what is left of events that were too long, and forget them."""
    if dialect.read_skipped is not None:
        for head, end in skipped:
            dialect.read_skipped(head, reading)
            reading.usage = merged(reading.usage, usage_at_end(end, dialect.usage_member))
    skipped.clear()


def usage_at_end(tail: bytes, member: bytes) -> dict[str, Any] | None:
    """Return the usage object that stands last in the end of a JSON text, or None.

    Within a text the closing quote of the name would be escaped, so no content can pass for it.
    """
    start = tail.rfind(member + b":")
    brace = tail.find(b"{", start + len(member)) if start >= 0 else -1
    if brace < 0 or tail[start + len(member) + 1 : brace].strip():
        return None
    try:
        found = msgspec.json.decode(tail[brace : value_end(tail, brace)])
    except (msgspec.DecodeError, ValueError):
        return None
    return found if isinstance(found, dict) else None
