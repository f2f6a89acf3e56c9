"""What a run is expected to show of the gateway. The numbers come from a prototype of its data path."""

from collections.abc import Mapping

from bench.decisions import DecisionTime
from bench.gateway import NAME
from bench.load import LoadResult
from bench.parts import DIRECT, RequestResults, StreamResults
from bench.report import Expectation

LEAST_OF_ENVOY = 0.5
LEAST_OF_HYPERCORN = 15.0
MOST_FIRST_BYTE_US = 1000.0
MOST_DECISION_US = 11.0


def judged(requests: RequestResults, streams: StreamResults) -> list[Expectation]:
    """Each expectation about the gateway with what was measured."""
    calm = streams.calm
    added = calm[NAME].first_byte_p50_us.median - calm[DIRECT].first_byte_p50_us.median
    crowd = streams.crowded[NAME]
    return [
        _at_least(requests.small, "Envoy", LEAST_OF_ENVOY),
        _at_least(requests.small, "Hypercorn + httpx", LEAST_OF_HYPERCORN),
        Expectation(
            "added time to first byte p50 below 1 ms",
            f"{added:.0f} us",
            added < MOST_FIRST_BYTE_US,
        ),
        Expectation(
            "every one of the crowded streams arrives whole",
            f"{crowd.broken} broken",
            crowd.broken == 0,
        ),
    ]


def decision(seen: DecisionTime) -> Expectation:
    """The expectation about deciding alone; the disk is named apart."""
    return Expectation(
        f"decision time p50 at most {MOST_DECISION_US:.0f} us, and two lines on disk",
        f"{seen.deciding_p50_us:.1f} us, and {seen.writing_p50_us:.1f} us",
        seen.deciding_p50_us <= MOST_DECISION_US,
    )


def _at_least(small: Mapping[str, LoadResult], peer: str, least: float) -> Expectation:
    """The ratio by CPU time stands beside it: it holds on a machine that does other work too."""
    ours, theirs = small[NAME], small[peer]
    ratio = ours.requests_per_second.over(theirs.requests_per_second)
    by_cpu = theirs.cpu_us_per_request.over(ours.cpu_us_per_request)
    return Expectation(
        f"requests/s at least {least:g} x {peer}",
        f"{ratio:.2f} (by CPU time {by_cpu:.2f})",
        ratio >= least,
    )
