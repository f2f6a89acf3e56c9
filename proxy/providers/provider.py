"""What every provider type tells the pipeline, as a value. Holds no credential and opens no connection."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

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


class Outgoing(NamedTuple):
    """A request as it is about to be sent, for those who must prove the account over all of it."""

    method: bytes
    target: bytes
    """Path and query."""
    host: bytes
    body: bytes
    now_s: float
    """Unix seconds."""


class Upstream(Protocol):
    """An answer that is being read: a provider's, or one made from it."""

    status: int
    headers: list[tuple[bytes, bytes]]

    @property
    def is_whole(self) -> bool:
        """The last piece has been handed out, once ``next_chunks`` has returned it."""

    async def next_chunks(self) -> list[bytes] | None:
        """Return the next pieces, or None after the last."""

    def abort(self) -> None:
        """Stop at once."""


@dataclass(frozen=True, slots=True)
class TokenNeed:
    """A token that a provider must be shown, and how it is had; ``account`` is what it is kept under."""

    account: str
    issuer: str
    """Whose token endpoint it is: a row of ``tokens.ISSUERS``."""
    scope: str


Signer = Callable[[Outgoing], Headers]
"""Returns what proves the account over one request. Sync, and never waits."""


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
    edit: Callable[[bytes, Wanted, Headers], bytes] | None = None
    """Changes a body that the provider takes in a slightly different form; the headers are the caller's."""
    face: "Callable[[ProviderBinding, str], Provider] | None" = None
    """Says as what the provider serves a model, where that depends on the model; None is always alike."""
    headers: Callable[[Headers], Headers] | None = None
    """Returns what the provider gets of the caller's headers; None passes all of them."""
    query: Callable[[bytes], bytes] | None = None
    """Returns what the provider gets of the caller's query; None passes all of it."""
    token: Callable[[ProviderBinding], TokenNeed | None] | None = None
    """Says which token must be shown. Asked once per key; the token itself is had and kept by others."""
    signer: Callable[[ProviderBinding], Signer | None] | None = None
    """Returns what signs requests. Asked once per key."""
    socket_headers: Callable[[ProviderBinding], Headers | None] | None = None
    """What proves the account when a WebSocket of the responses API is opened, beside a token; None, or None
    returned, where an account opens none."""
    told_cost: Callable[[dict[str, Any]], int | None] | None = None
    """Returns what a usage says that the call cost, in nano-USD, where the provider tells what it charges."""
    read: Callable[[Upstream, Wanted], Upstream] | None = None
    """Turns an answer into one of the dialect, where the provider frames it in its own way."""

    def serves(self, dialect: str, request_type: str) -> bool:
        """Say whether the provider takes such requests as they are."""
        is_served = self.request_types is None or request_type in self.request_types
        return dialect in self.dialects and is_served


def bearer(credential: Secret | None) -> Headers:
    """Return the ``Authorization: Bearer`` header, or nothing for an endpoint without a key."""
    if not credential:
        return []
    return [(b"authorization", b"Bearer " + credential.reveal().encode("latin-1"))]


def no_headers(_: ProviderBinding) -> Headers:
    """Return nothing: the account is proven otherwise, or not at all."""
    return []


def no_query(_: bytes) -> bytes:
    """Return an empty query: the provider refuses what it does not know."""
    return b""
