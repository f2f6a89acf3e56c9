"""Writes one answer to one connection, with the pauses, cuts and broken frames it was told.

Decides nothing about content; answers come from `answers.py`.
"""

import contextlib
import gzip
import hashlib
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import httptools
import trio

from tests.provider.answers import Answer
from tests.provider.behaviour import Behaviour
from tests.provider.record import KEPT_WRITES, Call
from tests.provider.wire import ClientLeftError, Connection

LAST_CHUNK = b"0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Write:
    """One write: its bytes, how many events are complete after it, and what to wait before."""

    payload: bytes
    events_done: int
    new_event: bool  # whether the pause between events, not the gap within one, comes before


@dataclass(slots=True)
class Delivery:
    """An answer on its way."""

    connection: Connection
    answer: Answer
    behaviour: Behaviour
    call: Call
    accepts_gzip: bool
    steps: trio.Semaphore
    told_all: bool = False  # every event of an unbroken stream is written, if not the last chunk

    async def run(self) -> tuple[str, bool]:
        """Write it all. Returns the outcome and whether the connection stays usable."""
        if not self._needs_watching:
            return await self._plain()
        ending: list[tuple[str, bool]] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch, nursery.cancel_scope)
            with contextlib.suppress(ClientLeftError):
                ending.append(await self._timed())
            nursery.cancel_scope.cancel()
        if ending:
            return ending[0]
        # A client that leaves after the last event, as Codex does, had its whole answer.
        return ("completed" if self.told_all else "client_closed"), False

    @property
    def _needs_watching(self) -> bool:
        b = self.behaviour
        return self.answer.events is not None or b.ttft_ms > 0 or b.hang_head or b.breaks_off

    async def _watch(self, scope: trio.CancelScope) -> None:
        try:
            while True:
                await self.connection.read()
        except (ClientLeftError, httptools.HttpParserError):
            scope.cancel()

    async def _timed(self) -> tuple[str, bool]:
        b = self.behaviour
        if b.hang_head:
            await trio.sleep_forever()
        if b.ttft_ms:
            await trio.sleep(b.ttft_ms / 1000)
        return await (self._plain() if self.answer.events is None else self._stream())

    # An answer with a body.
    async def _plain(self) -> tuple[str, bool]:
        b = self.behaviour
        broken = self._break_before_head()
        if broken:
            return broken
        body, head = self.answer.body, self.answer.head
        self._hash(body)
        if self._gzipped:
            body, head = gzip.compress(body, mtime=0), head + b"content-encoding: gzip\r\n"
        head, body = self._framed(head, body)
        if b.breaks_off:
            await self.connection.send(head + body[: len(body) // 2])
            return await self._break_off()
        await self.connection.send(head + body)
        if b.short:
            return "short", False
        return "completed", not b.close and b.framing != "close"

    def _framed(self, head: bytes, body: bytes) -> tuple[bytes, bytes]:
        b = self.behaviour
        if b.close or b.framing == "close":
            head += b"connection: close\r\n"
        if b.framing == "close":
            return head + b"\r\n", body
        if b.framing == "chunked":
            return head + b"transfer-encoding: chunked\r\n\r\n", _chunk(body) + LAST_CHUNK
        promised = len(body) + (64 if b.short else 0)
        return head + b"content-length: %d\r\n\r\n" % promised, body

    async def _break_off(self) -> tuple[str, bool]:
        if self.behaviour.hang_after >= 0:
            await trio.sleep_forever()
        if self.behaviour.reset_after >= 0:
            self.connection.reset()
            return "reset", False
        return "cut", False

    def _break_before_head(self) -> tuple[str, bool] | None:
        if self.behaviour.reset_head:
            self.connection.reset()
            return "reset_head", False
        return ("close_head", False) if self.behaviour.close_head else None

    # An answer of events.
    async def _stream(self) -> tuple[str, bool]:
        broken = self._break_before_head()
        if broken:
            return broken
        b = self.behaviour
        head = self.answer.head + b"transfer-encoding: chunked\r\n"
        squeeze = zlib.compressobj(wbits=31) if self._gzipped else None
        if squeeze:
            head += b"content-encoding: gzip\r\n"
        if b.close:
            head += b"connection: close\r\n"
        await self.connection.send(head + b"\r\n")
        events, stop_at = scripted(self.answer.events or [], b)
        await self._events(events, squeeze)
        self.told_all = not stop_at
        return await self._finish(stop_at, squeeze)

    async def _events(self, events: list[bytes], squeeze: "zlib._Compress | None") -> None:
        b, call = self.behaviour, self.call
        digest, clock = hashlib.sha256(), trio.current_time()
        paced = 0
        for write in plan(events, b):
            if b.step:
                await self.steps.acquire()
            elif write.new_event and b.delay_ms and paced:
                await trio.sleep_until(clock + paced * b.delay_ms / 1000)
            elif not write.new_event:
                await trio.sleep(b.gap_ms / 1000)
            paced += write.new_event
            payload = write.payload
            if squeeze:
                payload = squeeze.compress(payload) + squeeze.flush(zlib.Z_SYNC_FLUSH)
            if len(call.writes) < KEPT_WRITES:
                call.writes.append([time.monotonic_ns(), len(write.payload)])
            await self.connection.send(_chunk(payload))
            digest.update(write.payload)
            call.answer_bytes += len(write.payload)
            call.answer_sha256 = digest.hexdigest()
            call.events_sent = write.events_done

    async def _finish(self, stop: str, squeeze: "zlib._Compress | None") -> tuple[str, bool]:
        if stop == "hang":
            await trio.sleep_forever()
        if stop == "reset":
            self.connection.reset()
            return "reset", False
        if stop == "cut":
            return "cut", False
        if stop == "bad_framing":
            await self.connection.send(b"ZZ\r\nnot a chunk\r\n")
            return "bad_framing", False
        tail = squeeze.flush() if squeeze else b""
        if stop == "error":
            tail = self.answer.error_event
        await self.connection.send((_chunk(tail) if tail else b"") + LAST_CHUNK)
        return stop or "completed", not self.behaviour.close

    @property
    def _gzipped(self) -> bool:
        wanted = self.behaviour.gzip
        return wanted == "force" or bool(wanted and self.accepts_gzip)

    def _hash(self, body: bytes) -> None:
        self.call.answer_sha256 = hashlib.sha256(body).hexdigest()
        self.call.answer_bytes = len(body)


def scripted(events: list[bytes], behaviour: Behaviour) -> tuple[list[bytes], str]:
    """The events to send after the script's damage, and how to stop ("" is the normal end)."""
    events = list(events)
    if 0 <= behaviour.bad_json_at < len(events):
        events[behaviour.bad_json_at] = b'data: {"id":"x","choices":[{"index":0,"del\n\n'
    if 0 <= behaviour.oversize_at < len(events):
        filler = b"x" * behaviour.oversize_bytes
        events[behaviour.oversize_at] = (
            b'data: {"type":"ping","choices":[],"pad":"' + filler + b'"}\n\n'
        )
    stops = {
        "hang": behaviour.hang_after,
        "reset": behaviour.reset_after,
        "cut": behaviour.cut_after,
        "ended_early": behaviour.end_after,
        "error": behaviour.error_after,
        "bad_framing": behaviour.bad_framing_at,
    }
    for stop, after in stops.items():
        if after >= 0:
            return events[:after], stop
    return events, ""


def plan(events: list[bytes], behaviour: Behaviour) -> Iterator[Write]:
    """How the events are spread over writes."""
    if behaviour.split_every:
        yield from _cut_evenly(events, behaviour.split_every)
        return
    for first in range(0, len(events), behaviour.merge):
        group = events[first : first + behaviour.merge]
        payload, done = b"".join(group), first + len(group)
        places = [at for at in behaviour.split if 0 < at < len(payload)]
        for start, end in zip([0, *places], [*places, len(payload)], strict=True):
            yield Write(payload[start:end], done if end == len(payload) else first, start == 0)


def _cut_evenly(events: list[bytes], size: int) -> Iterator[Write]:
    whole = b"".join(events)
    ends, total = [], 0
    for event in events:
        total += len(event)
        ends.append(total)
    done = 0
    for start in range(0, len(whole), size):
        while done < len(ends) and ends[done] <= start + size:
            done += 1
        yield Write(whole[start : start + size], done, True)


def _chunk(payload: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(payload), payload)
