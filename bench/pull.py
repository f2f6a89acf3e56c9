"""How long a gateway takes to learn every key beforehand, from a web app that is a process of its own."""

from __future__ import annotations

import time
from pathlib import Path

import trio

from bench.decisions import ScriptedControlPlane, keyring_of
from core.database import database
from core.secrets import Pepper, Secret, key_id_of, lookup_key, sealer_for
from proxy.bootstrap import Bootstrap
from proxy.change_feed import ChangeFeed
from proxy.control_plane import ControlPlane
from tests.component.webapp.app.program import INTERNAL_SECRET, web_program


def pull_seconds(
    url: str, data_dir: Path, pepper: Secret | Pepper, folder: Path
) -> tuple[int, float]:
    """Return how many keys a gateway was told, and in which time; their look-up hashes are made up first."""
    with database.connection_context():
        name = key_id_of(lookup_key(pepper))
        database.execute_sql(f"UPDATE virtual_key SET lookup_hash = '{name}:' || secret_hash")
    with web_program(data_dir, url) as program:
        return trio.run(_pull, program.url, folder)


async def _pull(url: str, folder: Path) -> tuple[int, float]:
    keyring = keyring_of(folder, ScriptedControlPlane())
    async with ControlPlane(url, INTERNAL_SECRET, "bench") as control_plane:
        feed = ChangeFeed(control_plane, keyring)
        feed.followed.set()
        sealer = sealer_for(INTERNAL_SECRET, "bundle")
        bootstrap = Bootstrap(control_plane, keyring, feed, sealer)
        begun = time.perf_counter()
        await bootstrap.pull()
        return len(bootstrap.stock), time.perf_counter() - begun
