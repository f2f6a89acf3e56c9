"""The upstream side: a pool of keep-alive connections per target, and the answers read from them.

It follows no redirect, retries nothing but a stale pooled connection, and leaves hop-by-hop headers
(``answer.CONNECTION_HEADERS``) to its caller.
"""

import time
from collections import deque
from collections.abc import Iterable

import trio

from proxy.transport.answer import header_block
from proxy.transport.dial import Dialer, Target
from proxy.transport.faults import Stage, UpstreamLost
from proxy.transport.limits import PoolLimits
from proxy.transport.link import Link, Stale
from proxy.transport.request import Headers

RequestLine = tuple[bytes, bytes, Iterable[tuple[bytes, bytes]]]
"""Method, target and headers of a request."""

_PEEK_AFTER_SECONDS = 0.01
"""A connection idle for longer is looked at before reuse: an answer nobody asked for (a late 408, or
one planted by the peer) must not be taken for the answer to the next request."""
_PRUNE_SECONDS = 5.0
_BODY_METHODS = frozenset({b"POST", b"PUT", b"PATCH"})


class UpstreamResponse:
    """An answer whose head has arrived. Read it to its end, or ``abort`` it.

    ``headers`` are in the order received, with names lowered; ``reused`` tells whether the
    connection had carried an exchange before.
    """

    __slots__ = ("_link", "_pieces", "_pool", "_target", "headers", "is_whole", "reused", "status")

    def __init__(self, pool: "UpstreamPool", target: Target, link: Link) -> None:
        self._pool = pool
        self._target = target
        self._link: Link | None = link
        self._pieces: list[bytes] = []
        self.status = link.reader.status
        self.headers: Headers = link.reader.headers
        self.reused = link.reused
        self.is_whole = False
        """The last byte has arrived; ``next_chunks`` will not wait. Stays False when the response was cut."""
        if link.reader.complete:
            self._finish(link)

    async def next_chunks(self) -> list[bytes] | None:
        """Return the pieces that have arrived, waiting for at least one, or None after the last.

        Each piece is one HTTP chunk, or the part of it that has arrived. Raises UpstreamLost when
        the response was cut; then, and when cancelled, the connection is closed.
        """
        while (link := self._link) is not None:
            if link.reader.pieces:
                return link.reader.take()
            try:
                await link.wait()
                link.read_now(Stage.BODY)
            except BaseException:
                self.abort()
                raise
            if link.reader.complete:
                self._finish(link)
        if not self.is_whole:
            raise UpstreamLost(Stage.BODY, "aborted")
        pieces, self._pieces = self._pieces, []
        return pieces or None

    def abort(self) -> None:
        """Close the connection at once. Does nothing when the response is whole or aborted."""
        if self._link is not None:
            self._pool.discard(self._link)
            self._link = None

    def _finish(self, link: Link) -> None:
        # Taken before the connection goes back: its next exchange starts with an empty reader.
        self._pieces = link.reader.take()
        self._link = None
        self.is_whole = True
        self._pool.give_back(self._target, link)


class UpstreamPool:
    """Keep-alive connections per target, newest first. Needs no lock: it never awaits while it changes."""

    def __init__(self, dialer: Dialer | None = None, limits: PoolLimits | None = None) -> None:
        self._limits = limits or PoolLimits()
        self.dialer = dialer or Dialer()
        self._idle: dict[Target, deque[Link]] = {}
        self._open: set[Link] = set()
        self._closed = False

    def __repr__(self) -> str:
        return f"<UpstreamPool open={self.open_count} idle={self.idle_count}>"

    @property
    def open_count(self) -> int:
        """Connections that exist, idle or in use."""
        return len(self._open)

    @property
    def idle_count(self) -> int:
        """Connections that wait for a request."""
        return sum(map(len, self._idle.values()))

    async def send(
        self, target: Target, head: bytes | RequestLine, body: bytes = b""
    ) -> UpstreamResponse:
        """Return the answer to a request, once its head has arrived.

        ``head`` is the whole head as bytes, framing included, or the parts of one: then ``host`` and
        ``content-length`` are added where missing. Raises UpstreamLost. Cancelling closes the
        connection. There is no time limit but the one on connecting: the caller's leash has it.
        """
        encoded = head if isinstance(head, bytes) else encode_head(target, head, len(body))
        is_head_request = encoded.startswith(b"HEAD ")
        link = self._take(target)
        while True:
            if link is None:
                link = Link(*await self.dialer.connect(target), self._limits)
                self._open.add(link)
            reader = link.reader
            try:
                rest = link.start(encoded, body, is_head_request)
                if rest:
                    await link.write_rest(rest)
                while not reader.head_complete:
                    await link.wait()
                    link.read_now(Stage.HEAD)
            except Stale:
                # Only a reused connection can be stale, so the fresh one ends the loop.
                self.discard(link)
                link = None
            except BaseException:
                self.discard(link)
                raise
            else:
                return UpstreamResponse(self, target, link)

    def _take(self, target: Target) -> Link | None:
        idle = self._idle.get(target)
        now = time.monotonic()
        while idle:
            link = idle.pop()
            idle_seconds = now - link.idle_since
            if idle_seconds < _PEEK_AFTER_SECONDS or (
                idle_seconds < self._limits.max_idle_seconds and link.is_quiet()
            ):
                return link
            self.discard(link)
        return None

    def give_back(self, target: Target, link: Link) -> None:
        """Keep a connection whose exchange is over, or close it if it cannot be used again."""
        if not link.reader.reusable or self._closed:
            self.discard(link)
            return
        link.reused = True
        link.idle_since = time.monotonic()
        idle = self._idle.get(target)
        if idle is None:
            idle = self._idle[target] = deque()
        idle.append(link)
        if len(idle) > self._limits.max_idle_per_target:
            self.discard(idle.popleft())

    def discard(self, link: Link) -> None:
        """Close a connection."""
        self._open.discard(link)
        link.close()

    def prune(self, now: float) -> None:
        """Close what has been idle for too long at ``now`` (monotonic seconds) or was closed by its peer."""
        for target, idle in list(self._idle.items()):
            for link in list(idle):
                if now - link.idle_since > self._limits.max_idle_seconds or not link.is_quiet():
                    idle.remove(link)
                    self.discard(link)
            if not idle:
                del self._idle[target]

    async def run(self) -> None:
        """Prune for ever; closes all idle connections when cancelled."""
        try:
            while True:
                await trio.sleep(_PRUNE_SECONDS)
                self.prune(time.monotonic())
        finally:
            self.close()

    def close(self) -> None:
        """Close the idle connections; those in use close as their exchanges end."""
        self._closed = True
        for idle in self._idle.values():
            while idle:
                self.discard(idle.pop())
        self._idle.clear()


def encode_head(target: Target, head: RequestLine, body_bytes: int) -> bytes:
    """Return a request head as bytes. Raises BadAnswer when a part would break out of its line."""
    method, path, headers = head
    fields = list(headers)
    names = {name.lower() for name, _ in fields}
    if b"host" not in names:
        fields.insert(0, (b"host", host_header(target)))
    if b"content-length" not in names and (body_bytes or method in _BODY_METHODS):
        fields.append((b"content-length", b"%d" % body_bytes))
    if any(char in path + method for char in b" \r\n\0"):
        raise UpstreamLost(Stage.SEND, "the request line holds a space or a line break")
    return b"%b %b HTTP/1.1\r\n%b\r\n" % (method, path, header_block(fields))


def host_header(target: Target) -> bytes:
    """Return the Host value: the name, in brackets if it is an IPv6 literal, with a port that is not the default."""
    host = f"[{target.host}]" if ":" in target.host else target.host
    is_default = target.port == (443 if target.scheme == "https" else 80)
    return (host if is_default else f"{host}:{target.port}").encode(
        "idna" if host.isascii() is False else "ascii"
    )
