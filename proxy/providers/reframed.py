"""Answers that are turned into another form while they are read: event streams into server-sent events, bodies whole.

To the relay they look like any other answer; they are cut when what they read is cut.
"""

from collections.abc import Callable

from proxy.providers.aws_event_stream import BadEventStream, EventDecoder, EventMessage
from proxy.providers.provider import Headers, Upstream
from proxy.transport.faults import Stage, UpstreamLost

MAX_BODY_BYTES = 1024 * 1024
"""Bodies that are turned are refusals and counts; a longer one passes as it is."""


def with_headers(headers: Headers, *changed: tuple[bytes, bytes]) -> Headers:
    """Return headers with some of them set, and without the length of a body that is turned into another."""
    names = {name for name, _ in changed} | {b"content-length"}
    return [header for header in headers if header[0] not in names] + list(changed)


class EventStreamAnswer:
    """An AWS event stream as server-sent events. ``write`` turns one message into the bytes of one event."""

    def __init__(
        self, upstream: Upstream, headers: Headers, write: Callable[[EventMessage], bytes]
    ) -> None:
        self.status = upstream.status
        self.headers = headers
        self._upstream = upstream
        self._write = write
        self._decoder = EventDecoder()

    @property
    def is_whole(self) -> bool:
        """The last piece has been handed out."""
        return self._upstream.is_whole and self._decoder.is_empty

    async def next_chunks(self) -> list[bytes] | None:
        """Return the events that have arrived, waiting for at least one, or None after the last.

        Raises UpstreamLost when the stream is cut or damaged.
        """
        while (pieces := await self._upstream.next_chunks()) is not None:
            try:
                messages = self._decoder.feed(b"".join(pieces))
            except BadEventStream as error:
                self._upstream.abort()
                raise UpstreamLost(Stage.BODY, f"malformed event stream: {error}") from None
            events = [event for message in messages if (event := self._write(message))]
            if events or self.is_whole:
                return events
        if not self._decoder.is_empty:
            raise UpstreamLost(Stage.BODY, "closed in the middle of an event")
        return None

    def abort(self) -> None:
        """Stop at once."""
        self._upstream.abort()


class WholeAnswer:
    """A short answer that is read to its end and then turned into another body."""

    def __init__(
        self, upstream: Upstream, headers: Headers, write: Callable[[bytes], bytes]
    ) -> None:
        self.status = upstream.status
        self.headers = headers
        self._upstream = upstream
        self._write = write
        self._is_done = False
        self._passes = False

    @property
    def is_whole(self) -> bool:
        """The last piece has been handed out."""
        return self._is_done

    async def next_chunks(self) -> list[bytes] | None:
        """Return the whole body, or None after it. Raises UpstreamLost when it is cut."""
        if self._is_done:
            return None
        pieces: list[bytes] = []
        size = 0
        while (chunks := await self._upstream.next_chunks()) is not None:
            pieces += chunks
            size += sum(map(len, chunks))
            if self._passes or size > MAX_BODY_BYTES:
                self._passes = True
                self._is_done = self._upstream.is_whole
                return pieces
        self._is_done = True
        return None if self._passes else [self._write(b"".join(pieces))]

    def abort(self) -> None:
        """Stop at once."""
        self._upstream.abort()
