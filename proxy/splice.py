"""Changes single values in a JSON text without touching a byte around them. Never parses and dumps.

Prompt caches and signed thinking blocks depend on the exact bytes a client sent, so an edit cuts out
one value and puts another in its place.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

# Strings first, so that nothing inside one is taken for structure. Possessive, so that a long
# string without an end costs one pass and not a quadratic number of them.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[{}\[\]]', re.DOTALL)
_COLON = re.compile(rb"[ \t\r\n]*+:[ \t\r\n]*+")
_SCALAR = re.compile(rb"[^\s,\]}\"\[{]++")
_BLANK = b" \t\r\n"


class Member(NamedTuple):
    """One member of the outermost object, as positions in the text."""

    name: str
    name_start: int
    value_start: int
    value_end: int


def members(text: bytes, start: int = 0) -> Iterator[Member]:
    """Yield the members of the outermost object of a valid JSON text, in order, duplicates too."""
    depth = 0
    position = start
    while (token := _TOKEN.search(text, position)) is not None:
        position = token.end()
        first = text[token.start()]
        if first in b"{[":
            depth += 1
        elif first in b"}]":
            depth -= 1
            if depth == 0:
                return
        elif depth == 1 and (colon := _COLON.match(text, position)) is not None:
            position = value_end(text, colon.end())
            yield Member(_name(token.group()), token.start(), colon.end(), position)


def _name(token: bytes) -> str:
    try:
        return msgspec.json.decode(token, type=str)
    except (msgspec.DecodeError, UnicodeError):
        return ""


def value_end(text: bytes, start: int) -> int:
    """Return where the JSON value that begins at ``start`` ends. Raises ValueError when it doesn't."""
    if (scalar := _SCALAR.match(text, start)) is not None:
        return scalar.end()
    depth = 0
    position = start
    while (token := _TOKEN.search(text, position)) is not None:
        position = token.end()
        first = text[token.start()]
        if first in b"{[":
            depth += 1
        elif first in b"}]":
            depth -= 1
        if depth == 0:
            return position
    raise ValueError("the text is not valid JSON")


def replaced(text: bytes, name: str, value: bytes) -> bytes:
    """Return the text with every outermost member ``name`` set to the JSON ``value``.

    Every one, because readers differ on which of two equal names counts.
    """
    pieces: list[bytes] = []
    kept = 0
    for member in members(text):
        if member.name == name:
            pieces += (text[kept : member.value_start], value)
            kept = member.value_end
    pieces.append(text[kept:])
    return b"".join(pieces)


def renamed_model(body: bytes, model: str) -> bytes:
    """Return a request body that names another model."""
    return replaced(body, "model", msgspec.json.encode(model))


def with_usage_asked(body: bytes) -> bytes:
    """Return a chat request body with ``stream_options.include_usage`` set to true.

    For a body that does not set it: absent, null, or an object without it.
    """
    present = [m for m in members(body) if m.name == "stream_options"] if _may_have(body) else []
    if not present:
        end = body.rindex(b"}")
        return b'%b,"stream_options":{"include_usage":true}%b' % (body[:end], body[end:])
    options = body[present[-1].value_start : present[-1].value_end]
    if options[:1] != b"{":
        return replaced(body, "stream_options", b'{"include_usage":true}')
    if any(member.name == "include_usage" for member in members(options)):
        options = replaced(options, "include_usage", b"true")
    else:
        comma = b"," if options[1:-1].strip(_BLANK) else b""
        options = b'{"include_usage":true%b%b' % (comma, options[1:])
    return replaced(body, "stream_options", options)


def _may_have(body: bytes) -> bool:
    # A name may be spelled with escapes; a backslash-u that makes a letter is rare enough to look.
    return b"stream_options" in body or b"\\u00" in body


def without_null_usage(event: bytes) -> bytes:
    """Return a server-sent event whose JSON object no longer has a member ``usage`` that is null."""
    start = event.find(b"{")
    if start < 0:
        return event
    try:
        found = [m for m in members(event, start) if m.name == "usage"]
    except ValueError:
        # A brace in a comment or in a field of another name: nothing that a client reads as usage.
        return event
    for member in reversed(found):
        if event[member.value_start : member.value_end] == b"null":
            event = _without(event, start, member)
    return event


def _without(text: bytes, start: int, member: Member) -> bytes:
    before = text[: member.name_start].rstrip(_BLANK)
    if before.endswith(b","):
        return before[:-1] + text[member.value_end :]
    after = text[member.value_end :].lstrip(_BLANK)
    return text[: member.name_start] + after.removeprefix(b",").lstrip(_BLANK)
