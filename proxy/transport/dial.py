"""Opens upstream connections: resolve, check the address, connect to the checked address, TLS."""

import errno
import ipaddress
import os
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import trio

from proxy.transport.faults import Stage, UpstreamLost
from proxy.transport.hub import Slot, current_hub, limited
from rules.addresses import Network, refusal


class Target(NamedTuple):
    """Where to connect, and the key of the pool. ``host`` is a name or an address literal, without brackets."""

    scheme: str
    host: str
    port: int
    allow_private: bool = False


@dataclass(frozen=True, slots=True)
class Dialer:
    """How to connect: which private networks are allowed and whose certificates are trusted."""

    allowed_networks: Sequence[Network] = ()
    ca_file: str | None = None
    connect_seconds: float = 10.0
    context: ssl.SSLContext = field(init=False)

    def __post_init__(self) -> None:
        context = ssl.create_default_context(cafile=self.ca_file)
        context.set_alpn_protocols(["http/1.1"])
        object.__setattr__(self, "context", context)

    async def connect(self, target: Target) -> tuple[socket.socket, Slot]:
        """Return a connected non-blocking socket, an SSLSocket for https, and its slot. Raises UpstreamLost."""
        with limited(self.connect_seconds):
            try:
                return await self._connect(target)
            except (OSError, UnicodeError) as error:
                raise UpstreamLost(Stage.CONNECT, _reason(error)) from None
        raise UpstreamLost(Stage.CONNECT, "timed out")

    async def _connect(self, target: Target) -> tuple[socket.socket, Slot]:
        detail = "the name has no address"
        addresses = await _resolve(target)
        for family, address in addresses:
            why = refusal(address[0].partition("%")[0], target.allow_private, self.allowed_networks)
            if why is not None:
                detail = f"refused: {why}"
                continue
            # A share of the time each, so that one dead address does not use it all up.
            with trio.move_on_after(self.connect_seconds / len(addresses)):
                try:
                    return await self._open(target, family, address)
                except OSError as error:
                    detail = _reason(error)
                    continue
            detail = "timed out"
        raise UpstreamLost(Stage.CONNECT, detail)

    async def _open(
        self, target: Target, family: socket.AddressFamily, address: tuple[str, int]
    ) -> tuple[socket.socket, Slot]:
        sock = socket.socket(family, socket.SOCK_STREAM)
        slot: Slot | None = None
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            error = sock.connect_ex(address)
            slot = current_hub().open(sock, None)
            while error in (errno.EINPROGRESS, errno.EALREADY, errno.EINTR):
                await slot.wait_writable()
                error = sock.connect_ex(address)
            if error not in (0, errno.EISCONN):
                raise OSError(error, os.strerror(error))
            if target.scheme == "https":
                sock = self.context.wrap_socket(
                    sock,
                    server_hostname=target.host,
                    do_handshake_on_connect=False,
                    # A cut must not look like an end.
                    suppress_ragged_eofs=False,
                )
                await _shake_hands(sock, slot)
        except BaseException:
            if slot is not None:
                slot.close()
            sock.close()
            raise
        return sock, slot


async def _shake_hands(sock: ssl.SSLSocket, slot: Slot) -> None:
    while True:
        try:
            return sock.do_handshake()
        except ssl.SSLWantReadError:
            await slot.wait_readable()
        except ssl.SSLWantWriteError:
            await slot.wait_writable()


async def _resolve(
    target: Target,
) -> list[tuple[socket.AddressFamily, tuple[str, int]]]:
    try:
        literal = ipaddress.ip_address(target.host)
    except ValueError:
        found = await trio.socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
        return [(family, (str(address[0]), target.port)) for family, _, _, _, address in found]
    family = socket.AF_INET if literal.version == 4 else socket.AF_INET6
    return [(family, (target.host, target.port))]


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate not trusted: {error.verify_message}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__
