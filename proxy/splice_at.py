"""Edits values deep inside a JSON text, by path, and takes markers out, without touching a byte around them.

The companion of ``splice``, which edits the outermost members.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from proxy.splice import members, value_end

Path = tuple[str | int, ...]
"""Names of members and indexes of elements, from the outermost value inwards."""
_BLANK = b" \t\r\n"


class Span(NamedTuple):
    """Where a value stands in a text."""

    start: int
    end: int


def elements(text: bytes, start: int) -> Iterator[Span]:
    """Yield where the elements of the array at ``start`` stand."""
    position = _past_blanks(text, start + 1)
    while position < len(text) and text[position] != 0x5D:
        end = value_end(text, position)
        yield Span(position, end)
        position = _past_blanks(text, end)
        if text[position : position + 1] == b",":
            position = _past_blanks(text, position + 1)


def _past_blanks(text: bytes, position: int) -> int:
    while text[position : position + 1] in (b" ", b"\t", b"\r", b"\n"):
        position += 1
    return position


class _Tree(dict[str | int, "_Tree"]):
    """Paths that share their beginnings; ``edit`` is what happens to the value a path ends at."""

    edit: Callable[[bytes], bytes] | None = None


def edited(text: bytes, edits: Mapping[Path, Callable[[bytes], bytes]], start: int = 0) -> bytes:
    """Return the text with the value at each path replaced by what its edit makes of it.

    ``start`` is where the outermost value stands. A member that is there twice is edited twice, because
    readers differ on which counts. A path that is not there changes nothing; none may lead into another.
    """
    tree = _Tree()
    for path, edit in edits.items():
        node = tree
        for step in path:
            node = node.setdefault(step, _Tree())
        node.edit = edit
    pieces: list[bytes] = []
    kept = 0
    for span, edit in _found(text, _past_blanks(text, start), tree):
        pieces += (text[kept : span.start], edit(text[span.start : span.end]))
        kept = span.end
    pieces.append(text[kept:])
    return b"".join(pieces)


def _found(text: bytes, start: int, tree: _Tree) -> Iterator[tuple[Span, Callable[[bytes], bytes]]]:
    children: Iterator[tuple[str | int, Span]]
    if text[start : start + 1] == b"{":
        children = ((m.name, Span(m.value_start, m.value_end)) for m in members(text, start))
    elif text[start : start + 1] == b"[":
        children = iter(enumerate(elements(text, start)))
    else:
        return
    for step, span in children:
        node = tree.get(step)
        if node is None:
            continue
        if node.edit is not None:
            yield span, node.edit
        else:
            yield from _found(text, span.start, node)


def becoming(value: bytes) -> Callable[[bytes], bytes]:
    """Return the edit that puts a JSON value in the place of whatever stands there."""
    return lambda _: value


def with_member(value: bytes, name: bytes, member: bytes) -> bytes:
    """Return a JSON object with one more member at its end."""
    end = value.rindex(b"}")
    comma = b"," if value[1:end].strip(_BLANK) else b""
    return b'%b%b"%b":%b%b' % (value[:end], comma, name, member, value[end:])
