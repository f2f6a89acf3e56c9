"""Budgets on the whole stack: every scope and window blocks, warnings come first, and the SDKs understand both."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest

from core.clock import utcnow
from rules.catalogue import price_of
from rules.pricing import NANOUSD_PER_USD, cost_nanousd
from rules.usage import Usage
from rules.windows import Window
from tests.component.stack.traffic import MODEL, chat
from tests.provider.handle import FakeProvider
from tests.stack import Stack, StackOptions, running, wait_until
from tests.stack_config import CI_KEY, DEV_KEY, governance_file

COST = cost_nanousd(Usage(100, 1000), price_of("openai", MODEL, utcnow()))
TARGETS = {
    "organization": "",
    "team": "target: eng, ",
    "project": "target: coding, ",
    "virtual_key": "target: dev-cli, ",
    "principal": "target: dev@acme.test, ",
}
# A minute's or an hour's budget could turn between two calls of a test; what they share with the rest
# is proved where their periods are computed.
CASES = [
    ("organization", "total"),
    ("team", "month"),
    ("project", "week"),
    ("virtual_key", "month"),
    ("principal", "total"),
]


def budget(scope: str, window: str, calls: float, on_breach: str = "block") -> str:
    limit = f"{calls * COST / NANOUSD_PER_USD:.9f}"
    return (
        f"{{name: {scope}-{window}, scope: {scope}, {TARGETS[scope]}window: {window}, "
        f'limit_usd: "{limit}", on_breach: {on_breach}}}'
    )


def _refusals(stack: Stack) -> list[dict[str, Any]]:
    return [row for row in stack.ledger() if row["outcome"] == "refused"]


def is_settled(stack: Stack, count: int) -> bool:
    return len([row for row in stack.ledger() if row["outcome"] == "completed"]) >= count


def test_a_spent_budget_of_any_scope_refuses_the_next_call_in_words_both_sdks_read(
    tmp_path: Path, provider: FakeProvider
) -> None:
    provider.behave("prompt=100,completion=1000")
    roomy = {case: budget(*case, 1000) for case in CASES}
    with (
        running(tmp_path, provider, StackOptions(budgets=tuple(roomy.values()))) as stack,
        stack.client(DEV_KEY) as client,
    ):
        assert client.post("/v1/chat/completions", json=chat()).status_code == 200
        wait_until(lambda: is_settled(stack, 1), 20, "the first call in the ledger")
        blocked: list[str] = []
        for scope, window in CASES:
            _declare(stack, roomy | {(scope, window): budget(scope, window, 1)})
            blocked += _until_blocked_by(client, scope)
            _is_refused_to_both_sdks(stack, scope, window)
        _declare(stack, roomy)
        blocked += _until_blocked_by(client, "")
        # All refusals were final: the SDKs, told so, tried once each.
        refused = len([scope for scope in blocked if scope]) + 2 * len(CASES)
        wait_until(lambda: len(_refusals(stack)) >= refused, 20, "all refusals in the ledger")
        assert [row["cost_nanousd"] for row in _refusals(stack)] == [0] * refused


def _declare(stack: Stack, budgets: Mapping[tuple[str, str], str]) -> None:
    options = StackOptions(budgets=tuple(budgets.values()))
    stack.config.write_text(governance_file(stack.provider, options))
    done = stack.command("apply", "-f", str(stack.config))
    assert done.returncode == 0, done.stderr


def _until_blocked_by(client: httpx.Client, scope: str) -> list[str]:
    """Call until this scope's budget refuses it, or none; return the scope that refused each call, or "" of none."""
    seen: list[str] = []

    def calls() -> bool:
        answer = client.post("/v1/chat/completions", json=chat())
        seen.append(answer.headers.get("x-langwatch-budget-blocked-by", ""))
        return seen[-1] == scope

    wait_until(calls, 20, f"a call that is blocked by {scope or 'nothing'}")
    return seen


def _is_refused_to_both_sdks(stack: Stack, scope: str, window: str) -> None:
    before = stack.provider.state()["calls"]
    with (
        openai.OpenAI(api_key=DEV_KEY, base_url=f"{stack.gateway}/v1", max_retries=2) as one,
        anthropic.Anthropic(api_key=DEV_KEY, base_url=stack.gateway, max_retries=2) as other,
    ):
        with pytest.raises(openai.APIStatusError) as refused:
            one.chat.completions.create(**chat())
        with pytest.raises(anthropic.APIStatusError) as also:
            other.messages.create(
                model="claude-haiku-4-5",
                max_tokens=10,
                messages=[{"role": "user", "content": "Hello"}],
            )
    answer = refused.value.response
    assert (answer.status_code, refused.value.code) == (402, "budget_exceeded")
    error = answer.json()["error"]
    assert (error["meta"]["budget_scope"], error["meta"]["budget_window"]) == (scope, window)
    assert f"{scope}:{window}" in error["message"] and error["tips"]
    assert answer.headers["x-should-retry"] == "false"
    assert answer.headers["x-langwatch-budget-blocked-by"] == scope
    assert also.value.response.json()["error"]["code"] == "budget_exceeded"
    assert stack.provider.state()["calls"] == before


def test_another_persons_and_anothers_keys_budget_does_not_stand_in_the_way(
    tmp_path: Path, provider: FakeProvider
) -> None:
    provider.behave("prompt=100,completion=1000")
    budgets = (budget("principal", "total", 1), budget("virtual_key", "total", 1))
    with (
        running(tmp_path, provider, StackOptions(budgets=budgets)) as stack,
        stack.client(DEV_KEY) as dev,
        stack.client(CI_KEY) as service,
    ):
        assert dev.post("/v1/chat/completions", json=chat()).status_code == 200
        wait_until(lambda: is_settled(stack, 1), 20, "the first call in the ledger")
        refused = dev.post("/v1/chat/completions", json=chat())
        assert refused.status_code == 402
        _leads_to_an_increase(stack, refused.json()["error"])
        assert service.post("/v1/chat/completions", json=chat()).status_code == 200


def _leads_to_an_increase(stack: Stack, error: dict[str, Any]) -> None:
    """The refusal's own link, and the command line with nothing but the key, open the same page."""
    address = error["meta"]["request_increase_url"]
    assert address in error["tips"][1]
    with stack.browser() as stranger:
        page = stranger.get(address)
        assert page.status_code == 200 and error["meta"]["budget_name"] in page.text
        environ = stack.environ() | {"LANGWATCH_VIRTUAL_KEY": DEV_KEY}
        command = [sys.executable, "-m", "cli.main", "request-increase", "--browser", "none"]
        done = subprocess.run(
            [*command, "--url", stack.web], env=environ, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        opened = done.stdout.split("Opening ")[1].strip()
        assert stranger.get(opened).status_code == 200


def test_a_warning_budget_passes_every_call_and_says_how_full_it_is(
    tmp_path: Path, provider: FakeProvider
) -> None:
    provider.behave("prompt=100,completion=1000")
    budgets = (budget("project", "month", 1, "warn"), budget("team", "total", 100))
    with running(tmp_path, provider, StackOptions(budgets=budgets)) as stack:
        with stack.client(DEV_KEY) as client:
            first = client.post("/v1/chat/completions", json=chat())
            assert "x-langwatch-budget-warning" not in first.headers
            wait_until(lambda: is_settled(stack, 1), 20, "the first call in the ledger")
            second = client.post("/v1/chat/completions", json=chat())
        assert second.status_code == 200
        assert second.headers["x-langwatch-budget-warning"] == "project:100"


def test_every_window_is_declared_and_shown_by_its_name(
    tmp_path: Path, provider: FakeProvider
) -> None:
    budgets = tuple(budget("project", window, 1000) for window in Window)
    with running(tmp_path, provider, StackOptions(budgets=budgets)) as stack:
        with stack.client(DEV_KEY) as client:
            assert client.post("/v1/chat/completions", json=chat()).status_code == 200
        applied = next(event for event in stack.events() if event["event"] == "applied")
        assert {f"budget project-{window}" for window in Window} <= set(applied["created"])
