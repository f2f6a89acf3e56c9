"""Calls addresses that somebody entered: resolved, checked and connected to the checked address, nothing else.

Redirects are not followed and no proxy of the environment is used, so the check holds for what is really contacted.
"""

import socket
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from urllib.parse import urlsplit

import httpx

from core.settings import Network
from rules.addresses import refusal


class AddressRefused(Exception):
    """The address may not be contacted; the message says why."""


class NameUnknown(httpx.ConnectError):
    """The name can't be resolved."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Where an address may lie, and how long a call may take. Operators may point at private networks, tenants at
    those listed."""

    is_operator: bool
    allowed_networks: Sequence[Network] = ()
    seconds: float = 5.0
    ca_file: str = ""
    """Certificates that servers are checked against in place of the system's."""
    answer_bytes: int = 200
    """How much of an answer is read and kept."""
    user_agent: str = "LangWatch"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the other side said: its status, the start of its body, and how long it asks us to wait."""

    status: int
    text: str
    retry_after_seconds: float | None
    start: bytes = b""
    """The same start as bytes."""
    headers: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def _client(reach: Reach) -> Iterator[httpx.Client]:
    """Open a client that is closed under a call that takes too long in all: a timeout of httpx bounds each
    read alone, so an answer of one byte now and then would hold every other call."""
    client = httpx.Client(
        verify=_tls(reach.ca_file),
        timeout=reach.seconds,
        follow_redirects=False,
        trust_env=False,
        headers={"User-Agent": reach.user_agent},
    )
    watch = threading.Timer(2 * reach.seconds, client.close)
    watch.start()
    try:
        yield client
    finally:
        watch.cancel()
        client.close()


@cache
def _tls(ca_file: str) -> ssl.SSLContext:
    if ca_file:
        return ssl.create_default_context(cafile=ca_file)
    return httpx.create_ssl_context(trust_env=False)


def exchange(
    method: str, url: str, headers: Mapping[str, str], body: bytes | None, reach: Reach
) -> Answer:
    """Send a request and return the answer, whatever its status.

    Raises AddressRefused, NameUnknown, and httpx.TransportError when no answer came in time.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or not host:
        raise AddressRefused("not an http or https address")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    last: httpx.ConnectError | None = None
    for address in _checked(host, port, reach):
        shown = f"[{address}]" if ":" in address else address
        request = httpx.Request(
            method,
            parts._replace(netloc=f"{shown}:{port}").geturl(),
            content=body,
            headers={**headers, "Host": parts.netloc.rpartition("@")[2]},
            # The certificate is checked against the name that was entered, not the address.
            extensions={"sni_hostname": host},
        )
        try:
            with _client(reach) as client:
                return _answer(client, request, reach.answer_bytes)
        except httpx.ConnectError as error:
            last = error
    raise last or httpx.ConnectError("the name has no address")


def _checked(host: str, port: int, reach: Reach) -> list[str]:
    """Return the addresses of a host, each allowed. One that is not refuses the whole host."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NameUnknown(f"the name can't be resolved: {error}") from None
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    for address in addresses:
        reason = refusal(address, reach.is_operator, reach.allowed_networks)
        if reason:
            raise AddressRefused(f"{host} is a {reason}, which may not be contacted")
    return addresses


def _answer(client: httpx.Client, request: httpx.Request, most_bytes: int) -> Answer:
    response = client.send(request, stream=True)
    try:
        # Only the start is kept, and only the start is read.
        start = next(response.iter_bytes(most_bytes), b"")
    finally:
        response.close()
    after = response.headers.get("retry-after", "")
    seconds = float(after) if after.isdigit() and len(after) < 8 else None
    text = start.decode(errors="replace")
    return Answer(response.status_code, text, seconds, start, dict(response.headers))
