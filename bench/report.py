"""Prints one run as tables of ratios and writes it as JSON. Measures nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from bench.checks import CheckCost
from bench.load import LoadResult
from bench.parts import DIRECT, RequestResults, StreamResults
from bench.stats import Spread

FULL_CORE = 0.85
RESULTS = Path(__file__).with_name("results")


@dataclass(frozen=True, slots=True)
class Expectation:
    """Something the run should show, what it showed, and whether that is enough."""

    sentence: str
    measured: str
    is_met: bool


def tables(requests: RequestResults, streams: StreamResults) -> str:
    """The whole run as text."""
    return "\n\n".join(
        [
            _load_table("Small request, 32 connections", requests.small),
            _load_table("200 kB agent body, 8 connections", requests.agent),
            _latency_table("One request at a time: what is added", requests),
            _calm_table(streams),
            _crowded_table(streams),
        ]
    )


def _load_table(title: str, results: Mapping[str, LoadResult]) -> str:
    peers = [name for name in results if name != DIRECT]
    rows = [["", "requests/s", "quartiles", *(f"x {p}" for p in peers), "CPU us/req", "busy"]]
    for name, result in results.items():
        rate = result.requests_per_second
        ratios = [f"{rate.over(results[peer].requests_per_second):.2f}" for peer in peers]
        rows.append(
            [
                name,
                f"{rate.median:,.0f}",
                f"{rate.lower:,.0f}-{rate.upper:,.0f}",
                *ratios,
                f"{result.cpu_us_per_request.median:.1f}",
                f"{result.busy_share.median:.0%}",
            ]
        )
    return _table(title, rows)


def shared_core(results: Mapping[str, LoadResult]) -> str:
    """A warning when a target did not have its core to itself; empty when each did."""
    starved = [
        f"{name} {result.busy_share.median:.0%}"
        for name, result in results.items()
        if name != DIRECT and result.busy_share.median < FULL_CORE
    ]
    if not starved:
        return ""
    return (
        f"Not the bottleneck, or not alone on its core: {', '.join(starved)}. "
        "Compare CPU us/req rather than requests/s."
    )


def _latency_table(title: str, requests: RequestResults) -> str:
    rows = [["", "small p50 us", "small p99 us", "200 kB p50 us", "200 kB p99 us"]]
    for name, small in requests.alone.items():
        agent = requests.agent_alone[name]
        cells = [
            _added(small.p50_us, requests.alone[DIRECT].p50_us),
            _added(small.p99_us, requests.alone[DIRECT].p99_us),
            _added(agent.p50_us, requests.agent_alone[DIRECT].p50_us),
            _added(agent.p99_us, requests.agent_alone[DIRECT].p99_us),
        ]
        rows.append([name, *(_signed(name, cell, cell) for cell in cells)])
    rows[1] = [DIRECT, *_direct_latencies(requests)]
    return _table(title, rows)


def _direct_latencies(requests: RequestResults) -> list[str]:
    alone, agent = requests.alone[DIRECT], requests.agent_alone[DIRECT]
    seen = (alone.p50_us, alone.p99_us, agent.p50_us, agent.p99_us)
    return [f"{value.median:,.0f}" for value in seen]


def _calm_table(streams: StreamResults) -> str:
    rows = [["", "first byte p50", "p99", "event delay p50", "p99", "unevenness p99"]]
    direct = streams.calm[DIRECT]
    for name, calm in streams.calm.items():
        pairs = (
            (calm.first_byte_p50_us, direct.first_byte_p50_us),
            (calm.first_byte_p99_us, direct.first_byte_p99_us),
            (calm.delay_p50_us, direct.delay_p50_us),
            (calm.delay_p99_us, direct.delay_p99_us),
            (calm.uneven_p99_us, direct.uneven_p99_us),
        )
        rows.append(
            [name, *(_signed(name, seen.median, _added(seen, base)) for seen, base in pairs)]
        )
    return _table("Few streams at a time, microseconds added to direct", rows)


def _crowded_table(streams: StreamResults) -> str:
    rows = [["", "whole", "broken", "tokens", "behind s", "events/read", "delay p50 ms", "p99 ms"]]
    rows[0] += ["CPU ms/1k tokens", "MiB before", "MiB peak", "source late p99 ms"]
    for name, crowd in streams.crowded.items():
        rows.append(
            [
                name,
                f"{crowd.whole}",
                f"{crowd.broken}",
                f"{crowd.tokens:,}",
                f"{crowd.behind_seconds:.1f}",
                f"{crowd.events_per_read:.2f}",
                f"{crowd.delay_p50_ms:.2f}",
                f"{crowd.delay_p99_ms:.2f}",
                f"{crowd.cpu_ms_per_1k_tokens:.1f}",
                f"{crowd.resident_before_mib:.0f}",
                f"{crowd.resident_peak_mib:.0f}",
                f"{crowd.late_write_p99_ms:.1f}",
            ]
        )
    return _table("All streams open at once", rows)


def checks_table(cost: CheckCost) -> str:
    """What checks add to a call with a 200 kB body, and holding back to the tokens of a stream."""
    rows = [
        ["", "added"],
        ["ten policy rules a dimension, 200 kB body", f"{cost.policy_added_us:+,.0f} us"],
        ["two guardrails on the request, 200 kB body", f"{cost.guardrails_added_us:+,.0f} us"],
        ["a token held back by two guardrails, p50", f"{cost.held_p50_ms:+,.0f} ms"],
        ["a token held back by two guardrails, p99", f"{cost.held_p99_ms:+,.0f} ms"],
        ["the first text of a held-back stream", f"{cost.first_text_ms:+,.0f} ms"],
        ["CPU time a token of judging a stream", f"{cost.stream_us_per_token:+,.1f} us"],
    ]
    return _table("Checks, at 60 tokens/s where it matters", rows)


def expectations_table(expected: Sequence[Expectation]) -> str:
    """What the run should show beside what it did."""
    rows = [["", "measured", "met"]]
    rows += [[e.sentence, e.measured, "yes" if e.is_met else "NO"] for e in expected]
    return _table("Expected", rows)


def write(machine: Mapping[str, object], measured: Mapping[str, Any]) -> Path:
    """Keep the run as JSON; returns the file."""
    RESULTS.mkdir(exist_ok=True)
    stamp = str(machine["at"]).replace(":", "").replace("+0000", "Z")
    path = RESULTS / f"{stamp}.json"
    content = {"machine": machine} | {name: _plain(part) for name, part in measured.items()}
    path.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))
    return path


def _plain(part: Any) -> Any:
    if isinstance(part, list):
        return [_plain(item) for item in part]
    return asdict(part) if hasattr(part, "__dataclass_fields__") else part


def _added(seen: Spread, base: Spread) -> float:
    return seen.median - base.median


def _signed(name: str, absolute: float, added: float) -> str:
    return f"{absolute:,.0f}" if name == DIRECT else f"{added:+,.0f}"


def _table(title: str, rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    rule = "-" * max(map(len, lines))
    return "\n".join([title, rule, lines[0], rule, *lines[1:]])
