"""What must hold when it gets rough: budgets under concurrency, clients that leave, programs that die."""

import os
import random
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from core.clock import utcnow
from core.models import Lease, LimitPeriod
from rules.catalogue import price_of
from rules.pricing import NANOUSD_PER_USD, cost_nanousd
from rules.usage import Usage
from tests.component.stack.traffic import MODEL, Load, at_once, chat
from tests.provider.handle import FakeProvider
from tests.stack import Stack, StackOptions, running, wait_until
from tests.stack_config import CI_KEY, DEV_KEY

CONCURRENT = 200
ROOM = 10
CANCELLATIONS = 1000
# Raise it for a longer siege: STACK_KILLS=200 STACK_SEED=7 pytest tests/component/stack/test_promises.py
KILLS = int(os.environ.get("STACK_KILLS", "8"))
SEED = int(os.environ.get("STACK_SEED", "20261121"))
OUTPUT_TOKENS = 1000


def test_of_200_calls_at_once_over_two_workers_at_most_10_pass_a_budget_for_10(
    tmp_path: Path, provider: FakeProvider
) -> None:
    provider.behave(f"prompt=10,completion={OUTPUT_TOKENS},delay_ms=5")
    cost = cost_nanousd(Usage(10, OUTPUT_TOKENS), price_of("openai", MODEL, utcnow()))
    limit = f"{ROOM * cost / NANOUSD_PER_USD:.9f}"
    budget = f'{{name: tight, scope: project, target: coding, window: month, limit_usd: "{limit}"}}'
    with running(tmp_path, provider, StackOptions(workers=2, budgets=(budget,))) as stack:

        def call(_: int) -> int:
            with stack.client(CI_KEY) as client:
                body = chat(max_tokens=OUTPUT_TOKENS)
                return client.post("/v1/chat/completions", json=body).status_code

        answers = Counter(at_once(CONCURRENT, call))
        assert set(answers) <= {200, 402}, answers
        assert 1 <= answers[200] <= ROOM, answers
        rows = wait_until(lambda: whole(stack, CONCURRENT), 20, "a row for each call")
        outcomes = Counter(row["outcome"] for row in rows)
        assert outcomes == {"completed": answers[200], "refused": answers[402]}
        assert sum(row["cost_nanousd"] for row in rows) <= ROOM * cost
        assert provider.state()["calls"] == answers[200]


def whole(stack: Stack, count: int) -> list[dict[str, Any]]:
    """All rows of the ledger, once there are ``count``."""
    rows = stack.ledger()
    return rows if len(rows) >= count else []


def test_a_thousand_clients_that_leave_mid_stream_leak_nothing(
    tmp_path: Path, provider: FakeProvider
) -> None:
    provider.behave("chunks=1000,delay_ms=20")
    with running(tmp_path, provider) as stack:
        (gateway,) = stack.pids()["gateway"]
        leave(stack, 16)
        provider.wait_for(lambda state: state["open_streams"] == 0)
        before = len(list(Path(f"/proc/{gateway}/fd").iterdir()))
        leave(stack, CANCELLATIONS - 16)
        provider.wait_for(lambda state: state["open_streams"] == state["open_calls"] == 0, 3)
        after = len(list(Path(f"/proc/{gateway}/fd").iterdir()))
        assert after <= before + 4
        rows = wait_until(lambda: whole(stack, CANCELLATIONS), 20, "a row for each call")
        assert Counter(row["outcome"] for row in rows) == {"cancelled": CANCELLATIONS}
        with stack.database():
            wait_until(lambda: no_lease_is_left(), 30, "every hold and lease given back")


def leave(stack: Stack, count: int) -> None:
    """Open streams, read their first bytes, and close the connection."""
    left = iter(range(count))
    lock = threading.Lock()

    def run() -> None:
        with stack.client(DEV_KEY) as client:
            while True:
                with lock:
                    if next(left, None) is None:
                        return
                # Leaving the block in mid-stream closes the connection; the next one is a new one.
                with client.stream(
                    "POST", "/v1/chat/completions", json=chat(stream=True)
                ) as answer:
                    assert answer.status_code == 200
                    next(answer.iter_raw())

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)


def no_lease_is_left() -> bool:
    """Say whether no worker holds any part of a budget."""
    leased = sum(row.leased for row in LimitPeriod.select())
    return leased == 0 or not Lease.select().where(Lease.remaining > 0).exists()


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_no_call_is_lost_or_booked_twice_when_programs_are_killed(
    tmp_path: Path, provider: FakeProvider, kind: str, request: pytest.FixtureRequest
) -> None:
    environ = {}
    if kind == "postgres":
        environ["DATABASE_URL"] = str(request.getfixturevalue("postgres_url"))
    chance = random.Random(SEED)
    provider.behave("chunks=6,delay_ms=4")
    with running(tmp_path, provider, StackOptions(workers=2, environ=environ)) as stack:
        with Load(stack.gateway, DEV_KEY, SEED) as load:
            for _ in range(KILLS):
                seen = load.total()
                pause(load, seen + chance.randrange(5, 60))
                program = chance.choice(["gateway", "gateway", "web", "streamer"])
                stack.kill(program, chance.randrange(2) if program == "gateway" else 0)
        assert stack.stop() == 0
        stack.start()
        rows = check_ledger(stack, provider)
        assert len(rows) >= 5 * KILLS, "too little load to prove anything"
        print(Counter(row["outcome"] for row in rows), load.statuses, f"{KILLS} kills, seed {SEED}")
        check_budgets(stack, rows)
        check_lake(stack, rows)


def pause(load: Load, calls: int) -> None:
    """Let the load go on until so many calls were answered, or for as long as nothing can be."""
    threading.Event().wait(0.05)
    try:
        wait_until(lambda: load.total() >= calls, 10)
    except AssertionError:
        assert load.total() >= 0


def check_ledger(stack: Stack, provider: FakeProvider) -> list[dict[str, Any]]:
    """Each call that the provider counted has exactly one row."""
    counted = {mark_of(call) for call in provider.calls()}
    rows = stack.ledger()
    booked = Counter(row["trace_id"] for row in rows)
    assert counted - set(booked) == set(), "calls without a row"
    assert max(booked.values()) == 1, "calls with two rows"
    assert len({row["call_id"] for row in rows}) == len(rows)
    return rows


def mark_of(call: dict[str, Any]) -> str:
    """The trace id with which our client marked a call."""
    body: str = call["body"]
    return body.partition("mark:")[2][:32]


def check_budgets(stack: Stack, rows: list[dict[str, Any]]) -> None:
    """What the budgets have settled is what the ledger says was spent."""
    spent = sum(row["cost_nanousd"] for row in rows)
    with stack.database():
        settled = {row.limit_id: row.settled for row in LimitPeriod.select()}
    assert settled and all(amount <= spent for amount in settled.values())
    assert max(settled.values()) == spent


def check_lake(stack: Stack, rows: list[dict[str, Any]]) -> None:
    """The lake holds the ledger's calls, each once, at the same cost."""
    expected = {row["call_id"]: row["cost_nanousd"] for row in rows}

    def same() -> bool:
        events = stack.lake("SELECT event_id, cost_nanousd FROM lake.gateway_activity_events")
        return len(events) == len(expected) and dict(events) == expected

    wait_until(same, 20, "a lake that equals the ledger")
