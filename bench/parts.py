"""The parts of one benchmark run, each a function from started targets to measurements."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.load import Load, LoadResult, measure
from bench.peers import Relay, Starter
from bench.stats import Spread, quantile, spread
from bench.streams import Observed, StreamPlan, StreamRun, stream_listener
from bench.upstream import mock_upstream

DIRECT = "direct"


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to measure."""

    rounds: int
    round_seconds: int
    stream_rounds: int
    stream_seconds: float
    streams: int = 1000
    tokens_per_second: int = 60
    connections: int = 32


THOROUGH = Effort(rounds=7, round_seconds=4, stream_rounds=5, stream_seconds=10)
QUICK = Effort(rounds=3, round_seconds=2, stream_rounds=3, stream_seconds=4)


@dataclass(frozen=True, slots=True)
class RequestResults:
    """By target name."""

    small: dict[str, LoadResult]
    agent: dict[str, LoadResult]
    alone: dict[str, LoadResult]  # small, one connection: latency without queueing
    agent_alone: dict[str, LoadResult]


def requests(
    folder: Path, starters: Mapping[str, Starter], effort: Effort, bodies: tuple[Path, Path]
) -> RequestResults:
    """Small and 200 kB requests through every target, and straight to the mock."""
    small, agent = bodies
    with mock_upstream(folder / "mock") as port, _started(folder, starters, port) as targets:
        targets.insert(0, Relay(DIRECT, f"http://127.0.0.1:{port}", ()))

        def loaded(body: Path, connections: int) -> dict[str, LoadResult]:
            return measure(targets, Load(body, connections, effort.round_seconds, effort.rounds))

        return RequestResults(
            small=loaded(small, effort.connections),
            agent=loaded(agent, 8),
            alone=loaded(small, 1),
            agent_alone=loaded(agent, 1),
        )


@dataclass(frozen=True, slots=True)
class CalmStreams:
    """Few streams at a time: what a proxy adds to each event. Microseconds over rounds."""

    first_byte_p50_us: Spread
    first_byte_p99_us: Spread
    delay_p50_us: Spread
    delay_p99_us: Spread
    uneven_p99_us: Spread


@dataclass(frozen=True, slots=True)
class CrowdedStreams:
    """All streams at once: what it costs and whether it keeps up."""

    whole: int
    broken: int
    tokens: int
    behind_seconds: float  # how long after the last event was due the last stream ended
    events_per_read: float
    delay_p50_ms: float
    delay_p99_ms: float
    late_write_p99_ms: float
    cpu_ms_per_1k_tokens: float
    resident_before_mib: float
    resident_peak_mib: float


@dataclass(slots=True)
class StreamResults:
    """By target name."""

    calm: dict[str, CalmStreams] = field(default_factory=dict)
    crowded: dict[str, CrowdedStreams] = field(default_factory=dict)


def streams(
    folder: Path, starters: Mapping[str, Starter], effort: Effort, too_slow: tuple[str, ...]
) -> StreamResults:
    """Calm and crowded streams; targets of `too_slow` are spared the crowd."""
    results = StreamResults()
    with stream_listener() as listener:
        port = listener.getsockname()[1]
        with _started(folder, starters, port) as targets:
            targets.insert(0, Relay(DIRECT, f"http://127.0.0.1:{port}", ()))
            calm = StreamPlan(streams=200, ramp_seconds=4, stream_seconds=0.2)
            rounds: dict[str, list[Observed]] = {target.name: [] for target in targets}
            for _ in range(effort.stream_rounds):
                for target in targets:
                    rounds[target.name].append(StreamRun(target, calm, listener).run())
            results.calm = {name: _calm(seen) for name, seen in rounds.items()}
            crowd = StreamPlan(effort.streams, 2, effort.stream_seconds, effort.tokens_per_second)
            for target in targets:
                if target.name not in too_slow:
                    seen = StreamRun(target, crowd, listener).run()
                    results.crowded[target.name] = _crowded(seen, crowd)
    return results


@contextmanager
def _started(folder: Path, starters: Mapping[str, Starter], port: int) -> Iterator[list[Relay]]:
    with ExitStack() as stack:
        yield [
            stack.enter_context(start(folder / f"{port}-{number}", port))
            for number, start in enumerate(starters.values())
        ]


def _calm(rounds: list[Observed]) -> CalmStreams:
    broken = sum(seen.broken for seen in rounds)
    if broken:
        raise RuntimeError(f"{broken} streams broke although the target was nearly idle")

    def over(name: str, share: float) -> Spread:
        return spread([quantile(getattr(seen, name), share) / 1000 for seen in rounds])

    return CalmStreams(
        first_byte_p50_us=over("first_byte", 0.5),
        first_byte_p99_us=over("first_byte", 0.99),
        delay_p50_us=over("delay", 0.5),
        delay_p99_us=over("delay", 0.99),
        uneven_p99_us=over("uneven", 0.99),
    )


def _crowded(seen: Observed, plan: StreamPlan) -> CrowdedStreams:
    tokens = max(1, len(seen.delay))
    return CrowdedStreams(
        whole=seen.whole,
        broken=seen.broken,
        tokens=len(seen.delay),
        behind_seconds=seen.seconds - plan.ramp_seconds - plan.stream_seconds,
        events_per_read=tokens / max(1, seen.reads),
        delay_p50_ms=quantile(seen.delay, 0.5) / 1e6,
        delay_p99_ms=quantile(seen.delay, 0.99) / 1e6,
        late_write_p99_ms=quantile(seen.late_writes, 0.99) / 1e6,
        cpu_ms_per_1k_tokens=seen.cpu_seconds / tokens * 1e6,
        resident_before_mib=seen.resident_before_bytes / 2**20,
        resident_peak_mib=seen.resident_peak_bytes / 2**20,
    )
