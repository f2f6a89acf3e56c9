"""Many open streams at a steady token rate: the provider's side and the client's in one loop.

One process plays both ends, so each event carries the moment it was written and the delay through
a proxy is read off one clock. Plain epoll instead of an async library: at 60,000 events a second
the instrument has to be lighter than what it measures; how late it wrote is reported too.
"""

import heapq
import os
import re
import select
import socket
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urlsplit

from bench.peers import Relay
from bench.processes import cpu_seconds, resident_bytes

READ_BYTES = 65536
WRITES_PER_TURN = 32
LATE_END_SECONDS = 20  # how long after the last due event a stream may still be under way
_STAMP = re.compile(rb'"content":" (\d{19})"')
_EVENT = (
    b'data: {"id":"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT","object":"chat.completion.chunk",'
    b'"created":1795219200,"model":"gpt-4o-mini-2024-07-18","system_fingerprint":"fp_3f8c2a917b",'
    b'"choices":[{"index":0,"delta":{"content":" %019d"},"logprobs":null,"finish_reason":null}]}'
    b"\n\n"
)
_LAST = (
    b'data: {"id":"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT","object":"chat.completion.chunk",'
    b'"created":1795219200,"model":"gpt-4o-mini-2024-07-18","choices":[],"usage":{"prompt_tokens":'
    b'19,"completion_tokens":%d,"total_tokens":%d}}\n\ndata: [DONE]\n\n'
)
_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"x-accel-buffering: no\r\ntransfer-encoding: chunked\r\n\r\n"
)
_BODY = (
    b'{"model":"gpt-4o-mini","stream":true,"stream_options":{"include_usage":true},'
    b'"max_tokens":4096,"messages":[{"role":"user","content":"Tell me a long story."}]}'
)


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """How many streams, opened evenly over `ramp_seconds`, each so long and so fast."""

    streams: int
    ramp_seconds: float
    stream_seconds: float
    tokens_per_second: int = 60

    @property
    def events(self) -> int:
        """Tokens of one stream."""
        return max(1, round(self.stream_seconds * self.tokens_per_second))


@dataclass(slots=True)
class Observed:
    """What the client saw; times in nanoseconds."""

    first_byte: array = field(default_factory=lambda: array("q"))
    delay: array = field(default_factory=lambda: array("q"))
    uneven: array = field(default_factory=lambda: array("q"))  # |gap between events - the ideal|
    late_writes: array = field(default_factory=lambda: array("q"))
    reads: int = 0
    whole: int = 0
    broken: int = 0
    seconds: float = 0
    cpu_seconds: float = 0
    resident_before_bytes: int = 0
    resident_peak_bytes: int = 0


@dataclass(slots=True)
class _Source:
    """The provider's side of one connection."""

    sock: socket.socket
    received: bytes = b""
    unsent: bytes = b""
    started_ns: int = 0
    told: int = 0


@dataclass(slots=True)
class _Reader:
    """The client's side of one stream."""

    sock: socket.socket
    asked_ns: int
    tail: bytes = b""
    last_ns: int = 0


class StreamRun:
    """One run of a plan against one target; `listener` is the address the target calls."""

    def __init__(self, target: Relay, plan: StreamPlan, listener: socket.socket) -> None:
        self.target, self.plan, self.listener = target, plan, listener
        self.seen = Observed()
        self._interval_ns = 1_000_000_000 // plan.tokens_per_second
        self._epoll = select.epoll()
        self._handlers: dict[int, Callable[[], None]] = {}
        self._due: list[tuple[int, int, Callable[[int], None]]] = []
        self._order = 0
        self._open = plan.streams
        self._sources: list[_Source] = []

    def run(self) -> Observed:
        """Open, carry and close all streams. Those under way too long count as broken."""
        self.listener.setblocking(False)
        self._watch(self.listener, self._accept)
        start = time.monotonic_ns()
        step = int(self.plan.ramp_seconds * 1e9 / self.plan.streams)
        for number in range(self.plan.streams):
            self._at(start + number * step, self._ask)
        busy_ns = int((self.plan.ramp_seconds + self.plan.stream_seconds) * 1e9)
        self.seen.resident_before_bytes = resident_bytes(self.target.pids)
        for share in (4, 6, 8):
            self._at(start + busy_ns * share // 10, self._weigh)
        cpu = cpu_seconds(self.target.pids)
        self._turn_until(start + busy_ns + LATE_END_SECONDS * 1_000_000_000)
        self.seen.cpu_seconds = cpu_seconds(self.target.pids) - cpu
        self.seen.seconds = (time.monotonic_ns() - start) / 1e9
        self.seen.broken += self._open
        self._close()
        return self.seen

    def _turn_until(self, deadline_ns: int) -> None:
        while self._open:
            now = time.monotonic_ns()
            if now > deadline_ns:
                return
            for _ in range(WRITES_PER_TURN):
                if not self._due or self._due[0][0] > now:
                    break
                due, _, act = heapq.heappop(self._due)
                act(due)
            wait = (self._due[0][0] - time.monotonic_ns()) / 1e9 if self._due else 0.1
            for descriptor, _ in self._epoll.poll(max(0.0, wait), 256):
                handler = self._handlers.get(descriptor)
                if handler:
                    handler()

    def _at(self, due_ns: int, act: Callable[[int], None]) -> None:
        self._order += 1
        heapq.heappush(self._due, (due_ns, self._order, act))

    def _watch(self, sock: socket.socket, handler: Callable[[], None]) -> None:
        self._handlers[sock.fileno()] = handler
        self._epoll.register(sock.fileno(), select.EPOLLIN)

    def _forget(self, sock: socket.socket) -> None:
        self._handlers.pop(sock.fileno(), None)
        sock.close()

    def _weigh(self, _due: int) -> None:
        now = resident_bytes(self.target.pids)
        self.seen.resident_peak_bytes = max(self.seen.resident_peak_bytes, now)

    def _close(self) -> None:
        self._epoll.unregister(self.listener.fileno())
        for source in self._sources:
            source.sock.close()
        self._epoll.close()

    # The provider's side.
    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except BlockingIOError:
                return
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            source = _Source(sock)
            self._sources.append(source)
            self._watch(sock, partial(self._requested, source))

    def _requested(self, source: _Source) -> None:
        data = _received(source.sock)
        if not data:
            if data is not None:
                self._forget(source.sock)
            return
        source.received += data
        if _BODY not in source.received:
            return
        source.received, source.told = b"", 0
        source.started_ns = time.monotonic_ns()
        self._send(source, _HEAD)
        self._tell(source, source.started_ns)

    def _tell(self, source: _Source, due_ns: int) -> None:
        now = time.monotonic_ns()
        self.seen.late_writes.append(now - due_ns)
        if source.told < self.plan.events:
            self._send(source, _chunk(_EVENT % now))
            source.told += 1
            due = source.started_ns + source.told * self._interval_ns
            self._at(due, partial(self._tell, source))
        elif self._send(source, _chunk(_LAST % (source.told, source.told + 19)) + b"0\r\n\r\n"):
            self._flush_later(source)

    def _send(self, source: _Source, data: bytes) -> bool:
        """Whether something stayed unsent because the other side does not read."""
        data = source.unsent + data
        try:
            source.unsent = data[source.sock.send(data) :]
        except BlockingIOError:
            source.unsent = data
        except OSError:
            source.told, source.unsent = self.plan.events, b""
        return bool(source.unsent)

    def _flush_later(self, source: _Source) -> None:
        def flush(_due: int) -> None:
            if self._send(source, b""):
                self._flush_later(source)

        self._at(time.monotonic_ns() + self._interval_ns, flush)

    # The client's side.
    def _ask(self, _due: int) -> None:
        address = urlsplit(self.target.url)
        sock = socket.create_connection((address.hostname or "", address.port or 80), 5)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: {address.netloc}\r\n"
            f"Authorization: Bearer {self.target.key}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(_BODY)}\r\n\r\n"
        )
        reader = _Reader(sock, time.monotonic_ns())
        sock.send(head.encode() + _BODY)
        self._watch(sock, partial(self._arrived, reader))

    def _arrived(self, reader: _Reader) -> None:
        data = _received(reader.sock)
        now = time.monotonic_ns()
        if data is None:
            return
        if not data:
            self.seen.broken += 1
            self._done(reader)
            return
        self.seen.reads += 1
        data = reader.tail + data
        end = 0
        for found in _STAMP.finditer(data):
            self._note(reader, now, now - int(found[1]))
            end = found.end()
        reader.tail = data[max(end, len(data) - 64) :]
        if data.endswith(b"0\r\n\r\n") and b"[DONE]" in data:
            self.seen.whole += 1
            self._done(reader)

    def _note(self, reader: _Reader, now: int, delay: int) -> None:
        seen = self.seen
        seen.delay.append(delay)
        if not reader.last_ns:
            seen.first_byte.append(now - reader.asked_ns)
        else:
            seen.uneven.append(abs(now - reader.last_ns - self._interval_ns))
        reader.last_ns = now

    def _done(self, reader: _Reader) -> None:
        self._open -= 1
        self._forget(reader.sock)


def _received(sock: socket.socket) -> bytes | None:
    """What has come; nothing at the end; None when an event was meant for an older descriptor."""
    try:
        return sock.recv(READ_BYTES)
    except BlockingIOError:
        return None
    except OSError:
        return b""


def _chunk(payload: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(payload), payload)


def stream_listener() -> socket.socket:
    """The address of the streaming mock; a target is started with its port as upstream."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    os.set_inheritable(listener.fileno(), False)
    return listener
