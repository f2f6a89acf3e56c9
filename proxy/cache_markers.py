"""Takes prompt-cache markers out of a request body, or puts them in, and leaves every other byte alone."""

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec

from proxy.splice import members, value_end
from proxy.splice_at import Path, edited, with_member

MARKER = b'{"type":"ephemeral"}'
_NAME = b'"cache_control"'
_COLON = re.compile(rb"[ \t\r\n]*+:[ \t\r\n]*+")
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_ESCAPED_LETTER = re.compile(rb"\\u00[4-7][0-9a-fA-F]")
_BLANK = b" \t\r\n"
_SCHEMA_TYPES = frozenset(
    {"object", "string", "number", "integer", "boolean", "array", "null", "STRING", "OBJECT"}
)
_SCHEMA_WORDS = frozenset({"$ref", "anyOf", "oneOf", "allOf", "enum", "properties", "description"})
_THOUGHTS = ("thinking", "redacted_thinking")


class _Marker(NamedTuple):
    """A member ``cache_control``, as positions in the text."""

    start: int
    end: int


def _markers(body: bytes) -> Iterator[_Marker]:
    """Yield where markers stand, at any depth, none within another."""
    end = 0
    for start, after in _names(body):
        colon = _COLON.match(body, after)
        if start < end or colon is None:
            continue
        stop = value_end(body, colon.end())
        if _is_marker(body[colon.end() : stop]):
            yield _Marker(start, stop)
            end = stop


def _names(body: bytes) -> Iterator[tuple[int, int]]:
    """Yield where texts that are ``cache_control`` stand."""
    if _ESCAPED_LETTER.search(body) is not None:
        # A name may be spelled with escapes: every text is looked at.
        for match in _STRING.finditer(body):
            text = match.group()
            if text == _NAME or (b"\\u" in text and len(text) < 96 and _is_name(text)):
                yield match.span()
        return
    start = body.find(_NAME)
    while start >= 0:
        after = start + len(_NAME)
        if not _is_escaped(body, start):
            yield start, after
        start = body.find(_NAME, after)


def _is_name(text: bytes) -> bool:
    try:
        return bool(msgspec.json.decode(text) == "cache_control")
    except msgspec.DecodeError:
        return False


def _is_escaped(body: bytes, position: int) -> bool:
    backslashes = 0
    while position > backslashes and body[position - backslashes - 1] == 0x5C:
        backslashes += 1
    return backslashes % 2 == 1


def _is_marker(value: bytes) -> bool:
    """Say whether a value is a marker, and not a parameter of a tool that happens to have the name."""
    if value == b"null":
        return True
    if value[:1] != b"{":
        return False
    found: Any = msgspec.json.decode(value)
    kind = found.get("type")
    return (
        isinstance(kind, str | None)
        and kind not in _SCHEMA_TYPES
        and not _SCHEMA_WORDS & set(found)
    )


def without_markers(body: bytes) -> bytes:
    """Return a body without any ``cache_control`` marker, at whatever depth it stands."""
    pieces: list[bytes] = []
    kept = 0
    for start, end in _cuts(body, list(_markers(body))):
        pieces.append(body[kept:start])
        kept = end
    if not kept:
        return body
    pieces.append(body[kept:])
    return b"".join(pieces)


def _cuts(body: bytes, markers: list[_Marker]) -> Iterator[tuple[int, int]]:
    """Yield what to cut out: members with the comma that goes with them, neighbours together."""
    number = 0
    while number < len(markers):
        start, end = markers[number]
        number += 1
        while number < len(markers) and body[end : markers[number].start].strip(_BLANK) == b",":
            end = markers[number].end
            number += 1
        before = start
        while body[before - 1 : before] in (b" ", b"\t", b"\r", b"\n"):
            before -= 1
        if body[before - 1 : before] == b",":
            yield before - 1, end
            continue
        after = end
        while body[after : after + 1] in (b" ", b"\t", b"\r", b"\n", b","):
            after += 1
        yield start, after


def without_members(body: bytes, *names: str) -> bytes:
    """Return a body without some of its outermost members."""
    found = [_Marker(m.name_start, m.value_end) for m in members(body) if m.name in names]
    pieces: list[bytes] = []
    kept = 0
    for start, end in _cuts(body, found):
        pieces.append(body[kept:start])
        kept = end
    return b"".join((*pieces, body[kept:])) if kept else body


class _Prompt(msgspec.Struct, gc=False):
    system: Any = None
    messages: Any = None


_prompt = msgspec.json.Decoder(_Prompt)


def with_markers(body: bytes) -> bytes:
    """Return a body of Anthropic's messages with a marker at the end of the system prompt and of the last message.

    A body in which the caller has marked anything is returned as it is.
    """
    if next(_markers(body), None) is not None:
        return body
    try:
        prompt = _prompt.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return body
    edits: dict[Path, Callable[[bytes], bytes]] = {}
    _mark(edits, prompt.system, ("system",))
    messages = prompt.messages
    if isinstance(messages, list) and messages and isinstance(messages[-1], dict):
        _mark(edits, messages[-1].get("content"), ("messages", len(messages) - 1, "content"))
    return edited(body, edits) if edits else body


def _mark(edits: dict[Path, Callable[[bytes], bytes]], content: Any, path: Path) -> None:
    """Note the edit that marks the end of a text, or of a list of blocks: the last that can be marked."""
    if isinstance(content, str) and content.strip():
        edits[path] = _as_block
    elif isinstance(content, list):
        for place in range(len(content) - 1, -1, -1):
            if _can_be_marked(content[place]):
                edits[(*path, place)] = _marked
                return


def _can_be_marked(block: Any) -> bool:
    if not isinstance(block, dict) or block.get("type") in _THOUGHTS:
        return False
    return block.get("type") != "text" or bool(str(block.get("text") or "").strip())


def _as_block(text: bytes) -> bytes:
    return b'[{"type":"text","text":%b,"cache_control":%b}]' % (text, MARKER)


def _marked(block: bytes) -> bytes:
    return with_member(block, b"cache_control", MARKER)
