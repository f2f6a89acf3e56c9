"""What every provider type tells the pipeline, as a value. Holds no credential and opens no connection."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from core.secrets import Secret
from proxy.bundle import ProviderBinding

Headers = list[tuple[bytes, bytes]]


class Wanted(NamedTuple):
    """What a call wants of a provider, as far as its address and body depend on it."""

    request_type: str
    upstream_path: str
    """The route's own path below an API root, where the provider keeps to it."""
    model: str
    """As the provider calls it."""
    is_streamed: bool


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider type. ``dialects`` are the names of the wire formats it speaks without translation."""

    type: str
    dialects: frozenset[str]
    address: Callable[[ProviderBinding, Wanted], str]
    """The path of a request, with a query where the provider needs one of its own. Asked once per model."""
    credential_headers: Callable[[ProviderBinding], Headers]
    """What proves the account in every request alike. Asked once per key."""
    default_headers: tuple[tuple[bytes, bytes], ...] = ()
    """Sent unless the caller sent its own."""
    asks_for_usage: bool = False
    """Tells usage on a stream only when ``stream_options.include_usage`` asks for it."""
    request_types: frozenset[str] | None = None
    """The request types it serves in those dialects; None is all of them."""
    edit: Callable[[bytes, Wanted], bytes] | None = None
    """Changes a body that the provider takes in a slightly different form, by splicing."""

    def serves(self, dialect: str, request_type: str) -> bool:
        """Say whether the provider takes such requests as they are."""
        is_served = self.request_types is None or request_type in self.request_types
        return dialect in self.dialects and is_served


def bearer(credential: Secret | None) -> Headers:
    """Return the ``Authorization: Bearer`` header, or nothing for an endpoint without a key."""
    if not credential:
        return []
    return [(b"authorization", b"Bearer " + credential.reveal().encode("latin-1"))]
