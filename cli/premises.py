"""What one machine has only one of: the listening ports and the lock on the data directory."""

import fcntl
import os
import socket
import time
from pathlib import Path

from cli.problems import Stopped
from core.process import listen_socket
from core.settings import Settings

LOCK_NAME = "up.lock"
# Programs whose supervisor was killed notice it and drain; a new start waits for them this long.
LEFTOVER_SECONDS = 45.0
_POLL_SECONDS = 0.1


ELSEWHERE = "Stop it first, or give this one a directory of its own with --data-dir."


def lock_data_dir(
    data_dir: Path, wait_seconds: float = LEFTOVER_SECONDS, advice: str = ELSEWHERE
) -> int:
    """Return a descriptor whose lock says that this data directory is in use.

    The children inherit it, so that it outlives a supervisor that was killed for as long as any of them
    does: the lake has one writer. Raises Stopped when another supervisor holds it.
    """
    descriptor = os.open(data_dir / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + wait_seconds
    while not _locked(descriptor):
        holder = os.pread(descriptor, 32, 0).decode().strip()
        if _lives(holder) or time.monotonic() > deadline:
            os.close(descriptor)
            raise Stopped(
                f"Another `langwatch up` (process {holder or 'unknown'}) runs on {data_dir}. {advice}"
            )
        _pause()
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor


def open_listeners(settings: Settings) -> tuple[socket.socket, list[socket.socket]]:
    """Return the web app's socket and one for each gateway worker, all listening.

    Raises Stopped when an address is taken or can't be bound.
    """
    host, port = settings.gateway_address
    web = _listen(settings.web_host, settings.web_port, "web app", "--web-port")
    gateways = [_listen(host, port, "gateway", "--gateway-port")]
    shared_port = gateways[0].getsockname()[1]
    for _ in range(1, max(settings.gateway_workers, 1)):
        gateways.append(listen_socket(host, shared_port))
    return web, gateways


def _listen(host: str, port: int, what: str, option: str) -> socket.socket:
    try:
        if port:
            _refuse_shared(host, port)
        return listen_socket(host, port)
    except OSError as error:
        raise Stopped(
            f"The {what} can't listen on {host}:{port}: {error.strerror}. "
            f"Choose another port with {option}; 0 takes a free one."
        ) from error


def _refuse_shared(host: str, port: int) -> None:
    """Raise OSError when anybody listens there.

    SO_REUSEPORT would let a second control plane share the port silently, and take half of the calls.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lives(holder: str) -> bool:
    try:
        os.kill(int(holder), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True


def _pause() -> None:
    time.sleep(_POLL_SECONDS)  # noqa: TID251 - nothing to wait on: flock has no deadline of its own
