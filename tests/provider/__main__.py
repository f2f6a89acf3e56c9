"""Starts the fake provider: `python -m tests.provider --port 0 [--journal FILE]`."""

import argparse
import signal
from pathlib import Path

import trio

from tests.provider.server import run


async def _until_told(host: str, port: int, journal: Path | None) -> None:
    async with trio.open_nursery() as nursery:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            nursery.start_soon(run, host, port, journal)
            async for _ in signals:
                nursery.cancel_scope.cancel()
                break


def main() -> None:
    """Read the options and serve until SIGTERM."""
    options = argparse.ArgumentParser(prog="python -m tests.provider", description=__doc__)
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--port", type=int, default=0)
    options.add_argument("--journal", type=Path, help="append one line per accepted, ended call")
    chosen = options.parse_args()
    trio.run(_until_told, chosen.host, chosen.port, chosen.journal)


if __name__ == "__main__":
    main()
