"""Finds fields in a ``multipart/form-data`` body (RFC 7578) without copying it. Changes nothing.

Strict on purpose: where two readers could see different fields in one body, the body is refused, so that
the model that is judged is the model that the provider will read.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from core.fault import Fault, Refused

_MAX_PARTS = 64
_MAX_HEAD_BYTES = 8 * 1024
_MEDIA = re.compile(
    rb'multipart/form-data(?:[ \t]*;[ \t]*boundary=(?:"([^"\\\r\n]{1,70})"|([^\s;"]{1,70})))[ \t]*',
    re.IGNORECASE,
)
_PARAMETER = re.compile(rb'[ \t]*;[ \t]*([\w-]+\*?)=(?:"((?:[^"\\\r\n]|\\.)*)"|([^\s;"]+))')
_FORM_DATA = re.compile(rb"content-disposition:[ \t]*form-data", re.IGNORECASE)


class Part(NamedTuple):
    """One field: its name, and where its value stands in the body."""

    name: bytes
    start: int
    end: int


def fields(
    body: bytes, content_type: bytes, repeated: frozenset[bytes] = frozenset()
) -> dict[bytes, Part]:
    """Return the fields of a body by name; of those that may be repeated, the first.

    Raises Refused when it is not a form, or names another field twice.
    """
    found: dict[bytes, Part] = {}
    for part in _parts(body, _boundary(content_type)):
        if part.name in found:
            if part.name in repeated:
                continue
            raise _bad(f"it has two fields `{part.name.decode('utf-8', 'replace')[:40]}`")
        found[part.name] = part
    return found


def replaced_at(body: bytes, span: tuple[int, int], value: bytes) -> bytes:
    """Return the body with another value in one place."""
    return b"".join((body[: span[0]], value, body[span[1] :]))


def _boundary(content_type: bytes) -> bytes:
    found = _MEDIA.fullmatch(content_type.strip())
    if found is None:
        raise _bad("the header `Content-Type` must be multipart/form-data with a boundary")
    return found[1] or found[2]


def _parts(body: bytes, boundary: bytes) -> Iterator[Part]:
    opening, delimiter = b"--" + boundary, b"\r\n--" + boundary
    if not body.startswith(opening):
        raise _bad("it does not begin with its boundary")
    position = len(opening)
    for _ in range(_MAX_PARTS):
        after = body[position : position + 2]
        if after == b"--":
            return
        if after != b"\r\n":
            raise _bad("a boundary is not followed by a line end")
        head_end = body.find(b"\r\n\r\n", position, position + _MAX_HEAD_BYTES)
        if head_end < 0:
            raise _bad("the head of a part does not end")
        start = head_end + 4
        end = body.find(delimiter, start - 2)
        if end < 0:
            raise _bad("its last boundary is missing")
        yield Part(_name(body[position + 2 : head_end]), start, max(start, end))
        position = end + len(delimiter)
    raise _bad(f"it has more than {_MAX_PARTS} parts")


def _name(head: bytes) -> bytes:
    lines = [
        line for line in head.split(b"\r\n") if line.lower().startswith(b"content-disposition")
    ]
    opening = _FORM_DATA.match(lines[0]) if len(lines) == 1 else None
    if opening is None:
        raise _bad("a part does not say once that it is form data")
    line, position = lines[0], opening.end()
    names = []
    while (found := _PARAMETER.match(line, position)) is not None:
        position = found.end()
        key = found[1].lower()
        if key == b"name":
            names.append(found[3] if found[2] is None else found[2])
        elif key == b"name*":
            raise _bad("a field's name is given in an extended form")
    if line[position:].strip() or len(names) != 1 or b"\\" in names[0]:
        raise _bad("a part does not name its field once and plainly")
    return names[0]


def _bad(detail: str) -> Refused:
    return Refused(Fault.BAD_REQUEST, f"The request body is not a form that can be read: {detail}.")
