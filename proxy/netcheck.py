"""Checks at start that named hosts can be reached: a name that resolves and a TCP connection. Sends nothing."""

import logging
from collections.abc import Sequence

import trio

LOG = logging.getLogger(__name__)
CHECK_SECONDS = 2.0
RETRY_SECONDS = 1.0


async def until_reachable(hosts: Sequence[str]) -> None:
    """Return once every ``host:port`` took a connection within two seconds; logs what does not."""
    missing = list(hosts)
    while missing:
        missing = [host for host in missing if not await is_reachable(host)]
        if missing:
            LOG.warning("netcheck_failed", extra={"hosts": ", ".join(missing)})
            await trio.sleep(RETRY_SECONDS)


async def is_reachable(address: str) -> bool:
    """Say whether ``host:port`` resolves and takes a connection in time."""
    host, _, port = address.rpartition(":")
    with trio.move_on_after(CHECK_SECONDS):
        try:
            stream = await trio.open_tcp_stream(host.strip("[]"), int(port))
        except (OSError, ValueError):
            return False
        await stream.aclose()
        return True
    return False
