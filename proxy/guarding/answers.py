"""Converters that let an answer pass only as far as its guardrails have judged it: streams and whole bodies."""

import re

from core.fault import Refused
from proxy.dialects.event_stream import EventSplitter, data_of
from proxy.guarding.events import Reader
from proxy.guarding.holding import NOT_READABLE, Holding
from proxy.guarding.judge import Judge
from proxy.guarding.texts import with_texts
from proxy.splice_at import Path
from rules.guardrails.hold_back import Released
from rules.guardrails.texts import Text, Unreadable, answer_texts, parsed

_DATA = re.compile(rb"(?:\A(?:\xef\xbb\xbf)?|(?<=[\r\n]))data:")
"""Where a line of data begins; other lines may hold the word as well."""
MAX_EVENT_BYTES = 4 * 1024 * 1024
MAX_BODY_BYTES = 32 * 1024 * 1024


class StreamGuard:
    """Holds the events of a stream back until their texts are judged; passes whole events only.

    With an evaluator among the guardrails ``take`` and ``finish`` only collect, and ``ask`` judges.
    """

    at_boundary = True

    def __init__(self, judge: Judge, read: Reader) -> None:
        self._judge = judge
        self._splitter = EventSplitter(MAX_EVENT_BYTES)
        self._held = Holding(judge, read)

    @property
    def has_ended(self) -> bool:
        """What ends the client's dialect has been let go."""
        return self._held.has_ended

    def take(self, pieces: list[bytes]) -> list[bytes]:
        """Return what may go of what has come. Raises Refused."""
        for piece in pieces:
            for event in self._splitter.feed(piece):
                self._held.add(event, data_of(event))
            if self._splitter.skipped_bytes:
                # What was too long to be kept can't be passed on either, whatever fails open.
                raise self._judge.too_large()
        return [] if self._held.asks else _shown(self._held.let_go())

    def finish(self) -> list[bytes]:
        """Return the rest. Raises Refused."""
        tail = self._splitter.tail
        if tail:
            self._held.add(tail, data_of(tail))
        self._held.end()
        return [] if self._held.asks else _shown(self._held.let_go())

    async def ask(self) -> list[bytes]:
        """Judge what has come, asking evaluators, and return what may go. Raises Refused."""
        return _shown(await self._held.ask())


def _shown(released: list[Released[Path]]) -> list[bytes]:
    shown = b"".join(map(rewritten, released))
    return [shown] if shown else []


def rewritten(released: Released[Path]) -> bytes:
    """Return an event with its texts replaced where they are to be, and no other byte of its data."""
    event = released.event
    if not released.changes:
        return event
    starts = [found.end() for found in _DATA.finditer(event)]
    if len(starts) == 1:
        return with_texts(event, released.changes, starts[0])
    # Data over several lines becomes one line; between lines JSON has nothing but blanks.
    lines = [line for line in event.splitlines() if line and not line.startswith(b"data:")]
    data = (data_of(event) or b"").replace(b"\n", b" ")
    lines.append(b"data: " + with_texts(data, released.changes))
    return b"\n".join(lines) + b"\n\n"


class BodyGuard:
    """Keeps a whole answer until it is judged."""

    at_boundary = False

    def __init__(self, judge: Judge, is_plain: bool = False) -> None:
        """``is_plain`` is for an answer that is a text and not JSON."""
        self._judge = judge
        self._is_plain = is_plain
        self._pieces: list[bytes] = []
        self._size_bytes = 0
        self._is_whole = False
        self.has_ended = False

    def take(self, pieces: list[bytes]) -> list[bytes]:
        """Keep the pieces. Raises Refused when there are too many."""
        self._pieces += pieces
        self._size_bytes += sum(map(len, pieces))
        if self._size_bytes > MAX_BODY_BYTES:
            raise self._judge.too_large()
        return []

    def finish(self) -> list[bytes]:
        """Return the answer as judged. Raises Refused."""
        self._is_whole = True
        if self._judge.asks:
            return []
        body, texts = self._texts()
        return self._changed(body, texts, self._judge.texts(texts))

    async def ask(self) -> list[bytes]:
        """Judge the answer once it is whole, asking evaluators, and return it. Raises Refused."""
        if not self._is_whole or self.has_ended:
            return []
        body, texts = self._texts()
        changed = self._judge.texts(texts)
        await self._judge.texts_asked(texts, changed)
        return self._changed(body, texts, changed)

    def _texts(self) -> tuple[bytes, list[Text]]:
        body = b"".join(self._pieces)
        self._pieces.clear()
        try:
            if self._is_plain:
                return body, [Text((), body.decode())]
            return body, answer_texts(parsed(body))
        except (Unreadable, UnicodeDecodeError):
            self._judge.unreadable(NOT_READABLE)
            return body, []

    def _changed(self, body: bytes, texts: list[Text], changed: dict[int, str]) -> list[bytes]:
        self.has_ended = True
        self._judge.conclude()
        if changed and self._is_plain:
            body = changed[0].encode()
        elif changed:
            body = with_texts(body, {texts[place].path: text for place, text in changed.items()})
        return [body] if body else []


class Withheld:
    """Lets nothing pass of an answer that can't be read, and refuses it at its end, when its cost is known."""

    at_boundary = True
    has_ended = False

    def __init__(self, refused: Refused) -> None:
        self._refused = refused

    def take(self, _: list[bytes]) -> list[bytes]:
        """Return nothing."""
        return []

    def finish(self) -> list[bytes]:
        """Raise the refusal."""
        raise self._refused
