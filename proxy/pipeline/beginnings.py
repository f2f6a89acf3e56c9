"""How an answer begins: whether another provider may still be asked in its place. Asks nobody."""

from proxy.dialects.dialect import Dialect
from proxy.dialects.meters import StreamMeter
from proxy.providers.provider import Upstream

SERVER_ERROR = "retryable_5xx"
NOT_FOUND = "not_found"
RATE_LIMIT = "rate_limit"

_ERROR_IN_BYTES = 256
"""Within this much of a stream an error event says that it is one, if the stream begins with it."""
_STREAM_ERRORS = {
    **dict.fromkeys(("overloaded_error", "api_error", "timeout_error"), SERVER_ERROR),
    **dict.fromkeys(("server_error", "internal_error", "provider_error"), SERVER_ERROR),
    **dict.fromkeys(("UNAVAILABLE", "INTERNAL", "DEADLINE_EXCEEDED"), SERVER_ERROR),
    **dict.fromkeys(("rate_limit_error", "rate_limit_exceeded", "RESOURCE_EXHAUSTED"), RATE_LIMIT),
}
"""What vendors call, within a stream, what would be a status of 500 or more, or 429, before it."""


class Begun:
    """An answer of which the first pieces were read before anything of it was promised to the client."""

    def __init__(self, inner: Upstream, first: list[bytes]) -> None:
        self.status = inner.status
        self.headers = inner.headers
        self._inner = inner
        self._first: list[bytes] | None = first

    @property
    def is_whole(self) -> bool:
        """The last piece has been handed out."""
        return self._first is None and self._inner.is_whole

    async def next_chunks(self) -> list[bytes] | None:
        """Return the pieces that were read first, then the next ones, or None after the last."""
        first, self._first = self._first, None
        return await self._inner.next_chunks() if first is None else first

    def abort(self) -> None:
        """Stop at once."""
        self._first = None
        self._inner.abort()


def status_outcome(status: int) -> str:
    """Return the outcome of an attempt that another may follow because of its status, empty for any other."""
    if status >= 500:
        return SERVER_ERROR
    return {429: RATE_LIMIT, 404: NOT_FOUND}.get(status, "")


def error_outcome(wire: Dialect, pieces: list[bytes]) -> str:
    """Return the outcome of a stream that begins with an error event of the provider's, empty for any other."""
    if not pieces or b"error" not in pieces[0][:_ERROR_IN_BYTES]:
        return ""
    meter = StreamMeter(wire)
    meter.take(pieces)
    return _STREAM_ERRORS.get(meter.reading.error_code, "")
