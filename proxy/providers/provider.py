"""What every provider type tells the pipeline, as a value. Holds no credential and opens no connection."""

from collections.abc import Callable
from dataclasses import dataclass

from core.secrets import Secret

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider type. ``dialects`` are the names of the wire formats it speaks without translation."""

    type: str
    dialects: frozenset[str]
    api_root: Callable[[str], str]
    """From the path of an account's base URL to the path that a route's ``upstream_path`` is added to."""
    credential_headers: Callable[[Secret | None], Headers]
    default_headers: tuple[tuple[bytes, bytes], ...] = ()
    """Sent unless the caller sent its own."""
    asks_for_usage: bool = False
    """Tells usage on a stream only when ``stream_options.include_usage`` asks for it."""


def bearer(credential: Secret | None) -> Headers:
    """Return the ``Authorization: Bearer`` header, or nothing for an endpoint without a key."""
    if not credential:
        return []
    return [(b"authorization", b"Bearer " + credential.reveal().encode("latin-1"))]
