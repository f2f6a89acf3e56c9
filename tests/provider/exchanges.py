"""Reads the exchange files: one HTTP response each, with `{{names}}` where an answer differs.

A file opens with `#` lines (provider, API version, date, how it was obtained), then the response
head, an empty line and the body exactly as the provider writes it. Knows no dialect.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2] / "fixtures" / "exchanges"
_NAME = re.compile(rb"\{\{(\w+)\}\}")
_USAGE = re.compile(rb"<<usage>>(.*?)<</usage>>", re.DOTALL)
_TOOL = re.compile(rb"<<tool>>(.*?)<</tool>>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Template:
    """Bytes with named gaps: literals at even positions, names at odd ones."""

    parts: tuple[bytes, ...]

    @classmethod
    def of(cls, text: bytes) -> "Template":
        """The template written as `text`."""
        return cls(tuple(_NAME.split(text)))

    def render(self, values: Mapping[bytes, bytes]) -> bytes:
        """The bytes with every gap filled. Raises KeyError for a name without a value."""
        parts = list(self.parts)
        for place in range(1, len(parts), 2):
            parts[place] = values[parts[place]]
        return b"".join(parts)

    def asks_for(self, name: bytes) -> bool:
        """Whether there is a gap of this name."""
        return name in self.parts[1::2]


@dataclass(frozen=True, slots=True)
class Exchange:
    """One response: its head as bytes up to (not including) the framing, its body and events."""

    origin: Mapping[str, str]
    head: Template
    body: Template
    events: tuple[Template, ...]


@dataclass(frozen=True, slots=True)
class Variant:
    """Which form of a file: how many tool calls (their first index), and with usage or not."""

    tools: int = 0
    first_index: int = 0
    usage: bool = True


@lru_cache(maxsize=512)
def read(provider: str, name: str, variant: Variant) -> Exchange:
    """The exchange in `fixtures/exchanges/<provider>/<name>.http`, in the given form."""
    raw = (ROOT / provider / f"{name}.http").read_bytes()
    origin: dict[str, str] = {}
    while raw.startswith(b"# "):
        line, _, raw = raw.partition(b"\n")
        key, _, value = line[2:].decode().partition(": ")
        origin[key] = value
    head, _, body = raw.partition(b"\n\n")
    body = _USAGE.sub(rb"\1" if variant.usage else b"", body)
    body = _TOOL.sub(lambda found: _repeat(found[1], variant), body)
    return Exchange(
        origin=origin,
        head=Template.of(head.replace(b"\n", b"\r\n") + b"\r\n"),
        body=Template.of(body),
        events=tuple(map(Template.of, _events(body, variant))),
    )


def _repeat(block: bytes, variant: Variant) -> bytes:
    return b",".join(_numbered(block, number, variant) for number in range(variant.tools))


def _numbered(block: bytes, number: int, variant: Variant) -> bytes:
    index = b"%d" % (variant.first_index + number)
    block = block.replace(b"{{index}}", index)
    for name in (b"call_id", b"tool_name"):
        block = block.replace(b"{{%b}}" % name, b"{{%b_%d}}" % (name, number))
    return block


def _events(body: bytes, variant: Variant) -> list[bytes]:
    events = [event + b"\n\n" for event in body.split(b"\n\n") if event]
    indexed = [event for event in events if b"{{index}}" in event]
    if not indexed:
        return events
    first = events.index(indexed[0])
    calls = [_numbered(e, number, variant) for number in range(variant.tools) for e in indexed]
    return events[:first] + calls + events[first + len(indexed) :]
