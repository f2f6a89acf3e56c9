"""Decision time: one call decided, recorded and settled in-process, over and over, without a socket.

Everything is what a worker uses, filled once: the keyring with one resolved key, five limits with a
slice each, the spool on disk. Only the control plane is scripted. `python -m bench.decisions` prints JSON.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import jwt
import msgspec
import orjson
import trio

from bench.bodies import small
from bench.processes import UNDER_TEST_CORE
from bench.stats import quantile
from core.clock import to_ms, utcnow
from core.secrets import Secret, sealer_for
from core.settings import load
from proxy.bundle import BundleText
from proxy.bundle_cache import BundleCache
from proxy.control_plane import ControlPlane, ResolvedKey
from proxy.gateway import Gateway
from proxy.holds import Holds
from proxy.keyring import Keyring, KeyringTerms
from proxy.pipeline.decide import RawRequest, decide_once
from proxy.readiness import Readiness
from proxy.spool import Spool
from proxy.transport.upstream import UpstreamPool
from rules.estimates import OutputHistory
from rules.windows import Window, period

TIMES = 50_000
WARM_UP = 2_000
ACKNOWLEDGE_EVERY = 1_000
SPOOL_BYTES = 10**9
SLICE_NANOUSD = 10**15
KEY = "lw_vk_live_01JBENCHKEY00000000000000Z"
_SECRET = Secret("a secret of at least thirty-two bytes, for this run only")
_SCOPES = ("organization", "team", "project", "virtual_key", "principal")


@dataclass(frozen=True, slots=True)
class DecisionTime:
    """Microseconds a call, over `times` calls; `writing` is the part that puts two lines on disk."""

    p50_us: float
    p99_us: float
    writing_p50_us: float
    times: int

    @property
    def deciding_p50_us(self) -> float:
        """What is left when the disk is taken away."""
        return self.p50_us - self.writing_p50_us


class ScriptedControlPlane:
    """Resolves the one key."""

    def key_id(self) -> str:
        """The id of the key that is asked about."""
        return "vk_1"

    async def resolve_key(self, _presented: str) -> ResolvedKey:
        """The key's bundle with claims that agree with it."""
        bundle = _bundle(self.key_id())
        claims = {
            "iss": "langwatch-control-plane",
            "aud": "langwatch-gateway",
            "exp": time.time() + 900,
            **{
                name: getattr(bundle, name)
                for name in ("vk_id", "organization_id", "project_id", "team_id")
            },
            **{name: getattr(bundle, name) for name in ("principal_id", "personal", "revision")},
        }
        return ResolvedKey(jwt.encode(claims, _SECRET.reveal(), "HS256"), bundle)


def _bundle(key_id: str) -> BundleText:
    start, _ = period(Window.MONTH, utcnow(), None)
    budget = {
        "window": "month",
        "limit_nanousd": SLICE_NANOUSD * 10,
        "on_breach": "block",
        "on_unpriced": "flat",
        "on_outage": "block",
        "period_start_ms": to_ms(start),
    }
    sealed = sealer_for(_SECRET, "bundle").seal("sk-provider", "provider:prov_1")
    return msgspec.convert(
        {
            "vk_id": key_id,
            "revision": 1,
            "status": "active",
            "name": "load",
            "display_prefix": KEY[:17],
            "organization_id": "org_1",
            "project_id": "prj_1",
            "team_id": "team_1",
            "principal_id": "user_1",
            "providers": [
                {
                    "id": "prov_1",
                    "name": "mock",
                    "type": "openai",
                    "base_url": "http://127.0.0.1:9/v1",
                    "credential": sealed,
                    "allow_private": True,
                }
            ],
            "budgets": [
                {"id": f"bud_{scope}", "name": scope, "scope": scope, "scope_id": "1", **budget}
                for scope in _SCOPES
            ],
        },
        BundleText,
    )


def measure(folder: Path, times: int) -> DecisionTime:
    """The time from a parsed request to the bytes for the provider and a settled record."""
    gateway = trio.run(ready_gateway, folder)
    body = small(folder).read_bytes()
    headers = [
        (b"host", b"127.0.0.1:5563"),
        (b"content-type", b"application/json"),
        (b"authorization", f"Bearer {KEY}".encode()),
        (b"content-length", str(len(body)).encode()),
    ]
    request = RawRequest("/v1/chat/completions", headers, body)
    decide_once(gateway, request)
    lines = _written(gateway)

    def write() -> None:
        for line in lines:
            gateway.spool.append(line)

    deciding = _timed(gateway, lambda: decide_once(gateway, request), times)
    writing = _timed(gateway, write, times)
    gateway.spool.close()
    return DecisionTime(
        p50_us=quantile(deciding, 0.5) / 1000,
        p99_us=quantile(deciding, 0.99) / 1000,
        writing_p50_us=quantile(writing, 0.5) / 1000,
        times=times,
    )


def _timed(gateway: Gateway, act: Callable[[], object], times: int) -> list[int]:
    taken = []
    for number in range(WARM_UP + times):
        begun = time.perf_counter_ns()
        act()
        taken.append(time.perf_counter_ns() - begun)
        if number % ACKNOWLEDGE_EVERY == 0:
            acknowledge(gateway)
    return taken[WARM_UP:]


def _written(gateway: Gateway) -> list[bytes]:
    batch = gateway.spool.next_batch()
    assert batch is not None
    return gateway.spool.read(batch).splitlines()


async def ready_gateway(folder: Path) -> Gateway:
    """What a worker uses, with the one key resolved and five limits that have a slice each."""
    holds = Holds("bench")
    keyring = keyring_of(folder, ScriptedControlPlane(), holds)
    bundle = await keyring.resolve(KEY)
    now_s = time.time()
    holds.heard(now_s)
    for limit in bundle.limits:
        limit.turn(now_s)
        limit.current.available = SLICE_NANOUSD
        limit.current.told_s = now_s
    spool = Spool(folder / "spool", "bench", SPOOL_BYTES)
    readiness = Readiness(started=True)
    pool = UpstreamPool()
    return Gateway(load({}), keyring, holds, spool, pool, readiness, OutputHistory())


def keyring_of(folder: Path, plane: ScriptedControlPlane, holds: Holds | None = None) -> Keyring:
    """A keyring that asks a scripted control plane and keeps sealed copies in the folder."""
    terms = KeyringTerms(sealer_for(_SECRET, "bundle"), (_SECRET,), 3600)
    cache = BundleCache(folder / "bundles", sealer_for(_SECRET, "copies"), b"name", 3600)
    return Keyring(cast(ControlPlane, plane), holds or Holds("bench"), cache, terms)


def acknowledge(gateway: Gateway) -> None:
    """Do the shipper's part, outside the measured time."""
    while (batch := gateway.spool.next_batch()) is not None:
        gateway.spool.acknowledge(batch)
        gateway.holds.acknowledge(batch.costs)


def on_its_own_core(times: int = TIMES) -> DecisionTime:
    """The same in a process of its own on the measured core."""
    command = ["taskset", "-c", str(UNDER_TEST_CORE), sys.executable, "-m", "bench.decisions"]
    done = subprocess.run([*command, str(times)], capture_output=True, check=True)
    return DecisionTime(**orjson.loads(done.stdout))


def main() -> None:
    """Measure in a folder that is gone afterwards."""
    times = int(sys.argv[1]) if len(sys.argv) > 1 else TIMES
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        print(orjson.dumps(measure(Path(name), times)).decode())


if __name__ == "__main__":
    main()
