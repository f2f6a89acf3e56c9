"""What checks cost: ten policy rules a dimension on a 200 kB body, guardrails on it, and a stream held back.

The stream runs in its own time: tokens arrive as a model makes them, and what is noted is how much later than
that each of them may go. Nothing sleeps. `python -m bench.checks` prints JSON.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import trio

from bench.bodies import agent
from bench.decisions import KEY, acknowledge, ready_gateway
from bench.processes import UNDER_TEST_CORE
from bench.stats import quantile
from proxy.bundle import GuardrailBinding
from proxy.checks import Check
from proxy.gateway import Gateway
from proxy.guarding.answers import StreamGuard
from proxy.guarding.events import reader_for
from proxy.guarding.judge import Judge
from proxy.pipeline.decide import RawRequest, decide_once
from rules.guardrails.types import STREAM_CHUNK, guard_of

TIMES = 400
WARM_UP = 20
RULES_A_DIMENSION = 10
TOKENS = 2_000
TOKENS_PER_SECOND = 60
_WORDS = ("the ", "model ", "says ", "a ", "word ", "after ", "another ", "and ", "goes ", "on ")
_GUARDRAILS = ("secrets", "pii")


@dataclass(frozen=True, slots=True)
class CheckCost:
    """Microseconds for a 200 kB body, and what holding a stream back adds to its tokens."""

    plain_us: float
    policy_us: float
    """With ten rules a dimension."""
    guarded_us: float
    """With guardrails for credentials and personal data."""
    held_p50_ms: float
    held_p99_ms: float
    first_text_ms: float
    stream_us_per_token: float
    """CPU time of judging and holding back."""

    @property
    def policy_added_us(self) -> float:
        """What the rules add to a call."""
        return self.policy_us - self.plain_us

    @property
    def guardrails_added_us(self) -> float:
        """What the guardrails add to a call's request."""
        return self.guarded_us - self.plain_us


def measure(folder: Path, times: int) -> CheckCost:
    """Decide the same call without checks, with policy rules, and with guardrails; then hold a stream back."""
    body = agent(folder).read_bytes()
    plain = _decided(folder / "plain", body, times, lambda _: None)
    policy = _decided(folder / "policy", body, times, _with_rules)
    guarded = _decided(folder / "guarded", body, times, _with_guardrails)
    delays, first, cpu_us = _held_back()
    return CheckCost(
        plain,
        policy,
        guarded,
        quantile(delays, 0.5),
        quantile(delays, 0.99),
        first,
        cpu_us,
    )


def _decided(folder: Path, body: bytes, times: int, equip: Callable[[Any], None]) -> float:
    folder.mkdir()
    gateway: Gateway = trio.run(ready_gateway, folder)
    equip(gateway.keyring.known(KEY))
    headers = [(b"host", b"bench"), (b"authorization", f"Bearer {KEY}".encode())]
    request = RawRequest("/v1/chat/completions", headers, body)
    taken = []
    for number in range(WARM_UP + times):
        begun = time.perf_counter_ns()
        decide_once(gateway, request)
        taken.append(time.perf_counter_ns() - begun)
        if number % 100 == 0:
            acknowledge(gateway)
    gateway.spool.close()
    return quantile(taken[WARM_UP:], 0.5) / 1000


def _with_rules(bundle: Any) -> None:
    patterns = [f"^(forbidden|unwanted)_{number}(\\.|_).*$" for number in range(RULES_A_DIMENSION)]
    rule = {"deny": patterns, "allow": None}
    rules = dict.fromkeys(("tools", "mcp", "urls", "models"), rule)
    bundle.policies = ({"id": "policy_1", "name": "bench", "rules": rules},)


def _row(type_: str) -> dict[str, Any]:
    return {
        "id": f"guardrail_{type_}",
        "name": type_,
        "type": type_,
        "settings": {},
        "action": "redact",
        "directions": ["request"],
        "on_failure": "fail_closed",
        "is_automatic": True,
        "allow_private": False,
    }


def _with_guardrails(bundle: Any) -> None:
    bundle.guardrails = tuple(GuardrailBinding(_row(name)) for name in _GUARDRAILS)


def _held_back() -> tuple[list[float], float, float]:
    """Milliseconds that each token waits, those until the first text goes, and CPU time a token."""
    checks = [Check(guard_of(_row(name))) for name in _GUARDRAILS]
    no_pool: Any = None
    guard = StreamGuard(Judge(STREAM_CHUNK, checks, no_pool, {}), reader_for("openai_chat"))
    events = [_event(number) for number in range(TOKENS)]
    waits: list[float] = []
    gone = 0
    begun = time.process_time_ns()
    for number, event in enumerate(events):
        out = b"".join(guard.take([event])).count(b"\n\n")
        waits += [(number - token) * 1000 / TOKENS_PER_SECOND for token in range(gone, gone + out)]
        gone += out
    spent_us = (time.process_time_ns() - begun) / 1000
    return waits, waits[0], spent_us / TOKENS


def _event(number: int) -> bytes:
    delta = {"content": _WORDS[number % len(_WORDS)]}
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [choice]}
    return b"data: %b\n\n" % orjson.dumps(chunk)


def on_its_own_core(times: int = TIMES) -> CheckCost:
    """The same in a process of its own on the measured core."""
    command = ["taskset", "-c", str(UNDER_TEST_CORE), sys.executable, "-m", "bench.checks"]
    done = subprocess.run([*command, str(times)], capture_output=True, check=True)
    return CheckCost(**orjson.loads(done.stdout))


def main() -> None:
    """Measure in a folder that is gone afterwards."""
    times = int(sys.argv[1]) if len(sys.argv) > 1 else TIMES
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        print(orjson.dumps(measure(Path(name), times)).decode())


if __name__ == "__main__":
    main()
