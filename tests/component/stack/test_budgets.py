"""Budgets on the whole stack: every scope and window blocks, warnings come first, and the SDKs understand both."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import anthropic
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
from tests.stack_config import CI_KEY, DEV_KEY

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


def is_settled(stack: Stack, count: int) -> bool:
    return len([row for row in stack.ledger() if row["outcome"] == "completed"]) >= count


@pytest.mark.parametrize(("scope", "window"), CASES)
def test_a_spent_budget_of_any_scope_refuses_the_next_call_in_words_both_sdks_read(
    scope: str, window: str, tmp_path: Path, provider: FakeProvider
) -> None:
    provider.behave("prompt=100,completion=1000")
    with running(tmp_path, provider, StackOptions(budgets=(budget(scope, window, 1),))) as stack:
        client = openai.OpenAI(api_key=DEV_KEY, base_url=f"{stack.gateway}/v1", max_retries=2)
        client.chat.completions.create(**chat())
        wait_until(lambda: is_settled(stack, 1), 20, "the first call in the ledger")
        with pytest.raises(openai.APIStatusError) as refused:
            client.chat.completions.create(**chat())
        answer = refused.value.response
        assert (answer.status_code, refused.value.code) == (402, "budget_exceeded")
        error = answer.json()["error"]
        assert (error["meta"]["budget_scope"], error["meta"]["budget_window"]) == (scope, window)
        assert f"{scope}:{window}" in error["message"] and error["tips"]
        assert answer.headers["x-should-retry"] == "false"
        assert answer.headers["x-langwatch-budget-blocked-by"] == scope
        other = anthropic.Anthropic(api_key=DEV_KEY, base_url=stack.gateway, max_retries=2)
        with pytest.raises(anthropic.APIStatusError) as also:
            other.messages.create(
                model="claude-haiku-4-5",
                max_tokens=10,
                messages=[{"role": "user", "content": "Hello"}],
            )
        assert also.value.response.json()["error"]["code"] == "budget_exceeded"
        # Both refusals were final: the SDKs, told so, tried once each, and the provider saw one call.
        assert provider.state()["calls"] == 1
        refusals = [row for row in stack.ledger() if row["outcome"] == "refused"]
        assert [row["cost_nanousd"] for row in refusals] == [0, 0]
        client.close()
        other.close()


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
