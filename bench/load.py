"""Request load with wrk: rounds that visit every target in turn, so that all share the weather.

Measures requests per second, latency and CPU per request. Streams are `streams.py`'s business.
"""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.peers import Relay
from bench.processes import LOAD_CORE, cpu_seconds
from bench.stats import Spread, spread

PATH = "/v1/chat/completions"
SCRIPT = Path(__file__).with_name("requests.lua")
WARM_UP_SECONDS = 1


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk sends: a body in a file, over so many connections, for so long a round."""

    body: Path
    connections: int
    round_seconds: int
    rounds: int


@dataclass(frozen=True, slots=True)
class LoadResult:
    """Of one target, over all rounds."""

    requests_per_second: Spread
    p50_us: Spread
    p99_us: Spread
    cpu_us_per_request: Spread
    busy_share: Spread  # CPU seconds of the target per second; near 1 when it was the bottleneck


def measure(targets: Sequence[Relay], load: Load) -> dict[str, LoadResult]:
    """Results by target name. Raises RuntimeError when any request failed."""
    rounds: dict[str, list[dict[str, float]]] = {target.name: [] for target in targets}
    for target in targets:
        _wrk(target, load, WARM_UP_SECONDS)
    for _ in range(load.rounds):
        for target in targets:
            rounds[target.name].append(_round(target, load))
    return {name: _result(seen) for name, seen in rounds.items()}


def _round(target: Relay, load: Load) -> dict[str, float]:
    before = cpu_seconds(target.pids)
    seen = _wrk(target, load, load.round_seconds)
    used = cpu_seconds(target.pids) - before
    seconds = seen["duration_us"] / 1e6
    return {
        **seen,
        "rps": seen["requests"] / seconds,
        "cpu_us": used / seen["requests"] * 1e6,
        "busy": used / seconds,
    }


def _wrk(target: Relay, load: Load, seconds: int) -> dict[str, float]:
    command = ["taskset", "-c", str(LOAD_CORE), "wrk", "-t1", f"-c{load.connections}"]
    command += [f"-d{seconds}s", "--timeout", "30s", "-s", str(SCRIPT), target.url + PATH]
    environment = {**os.environ, "BENCH_KEY": target.key, "BENCH_BODY": str(load.body)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    seen: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    if seen["errors"] or not seen["requests"]:
        raise RuntimeError(f"{target.name}: {done.stdout}")
    return seen


def _result(seen: Sequence[Mapping[str, float]]) -> LoadResult:
    return LoadResult(
        requests_per_second=spread([one["rps"] for one in seen]),
        p50_us=spread([one["p50_us"] for one in seen]),
        p99_us=spread([one["p99_us"] for one in seen]),
        cpu_us_per_request=spread([one["cpu_us"] for one in seen]),
        busy_share=spread([one["busy"] for one in seen]),
    )
