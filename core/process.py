"""How a program finds what its supervisor handed it: sockets, the readiness pipe, the parent's pulse."""

import os
import socket
from contextlib import suppress

LISTEN_FD = "LANGWATCH_LISTEN_FD"
READY_FD = "LANGWATCH_READY_FD"
PARENT_FD = "LANGWATCH_PARENT_FD"
WORKER_INDEX = "LANGWATCH_WORKER_INDEX"
BACKLOG = 2048


def listen_socket(host: str, port: int) -> socket.socket:
    """Return a non-blocking socket listening on ``host:port``; several may share the port.

    Raises OSError when the address can't be bound.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def inherited_socket() -> socket.socket | None:
    """Return the listening socket that the supervisor opened for this process, if any."""
    descriptor = os.environ.get(LISTEN_FD)
    if descriptor is None:
        return None
    listener = socket.socket(fileno=int(descriptor))
    listener.setblocking(False)
    return listener


def announce_ready() -> None:
    """Tell the supervisor that this program answers now. Does nothing when nobody waits for it."""
    descriptor = os.environ.get(READY_FD)
    if descriptor is not None:
        with suppress(OSError):
            os.write(int(descriptor), b"1")
            os.close(int(descriptor))


def parent_fd() -> int | None:
    """Return the descriptor that reaches its end when the supervisor dies, if there is one."""
    descriptor = os.environ.get(PARENT_FD)
    return None if descriptor is None else int(descriptor)


def worker_index() -> int:
    """Return which of several equal workers this process is, from 0."""
    return int(os.environ.get(WORKER_INDEX, "0"))
