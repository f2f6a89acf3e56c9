"""What a run is expected to show of the gateway. The numbers come from a prototype of its data path."""

from bench.decisions import DecisionTime
from bench.gateway import NAME
from bench.parts import DIRECT, RequestResults, StreamResults
from bench.report import Expectation

LEAST_OF_ENVOY = 0.5
LEAST_OF_HYPERCORN = 15.0
MOST_FIRST_BYTE_US = 1000.0
MOST_DECISION_US = 11.0


def judged(requests: RequestResults, streams: StreamResults) -> list[Expectation]:
    """Each expectation about the gateway with what was measured."""
    small = {name: result.requests_per_second for name, result in requests.small.items()}
    ours = small[NAME]
    envoy, hypercorn = ours.over(small["Envoy"]), ours.over(small["Hypercorn + httpx"])
    calm = streams.calm
    added = calm[NAME].first_byte_p50_us.median - calm[DIRECT].first_byte_p50_us.median
    crowd = streams.crowded[NAME]
    return [
        _at_least(f"requests/s at least {LEAST_OF_ENVOY} x Envoy", envoy, LEAST_OF_ENVOY),
        _at_least(
            f"requests/s at least {LEAST_OF_HYPERCORN:.0f} x Hypercorn + httpx",
            hypercorn,
            LEAST_OF_HYPERCORN,
        ),
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


def _at_least(sentence: str, ratio: float, least: float) -> Expectation:
    return Expectation(sentence, f"{ratio:.2f}", ratio >= least)
