"""A chain of providers on the real programs: declared in a file, re-ordered while it serves, killed half-way."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.component.stack.traffic import MODEL, chat
from tests.provider.handle import FakeProvider
from tests.stack import Stack, running, wait_until

# One worker runs them all, so that one stack is started.
pytestmark = pytest.mark.xdist_group("routing")

CHAT = "/v1/chat/completions"
ROUTED = """\
providers:
  - {{name: spare, type: custom, base_url: "{url}/v1", api_key_env: UPSTREAM_OPENAI_KEY,
     settings: {{models: [{model}]}}}}
virtual_keys:
  - {{name: routed, project: coding, providers: [openai-main, spare], routing_mode: fallback_all}}
  - {{name: ordered, project: coding, providers: [openai-main, spare]}}
"""
POLICY = """\
routing_policies:
  - {name: spare first, scope: project, target: coding, providers: [spare, openai-main], default: true,
     model_aliases: {everyday: {spare: gpt-4o-mini, openai: gpt-4o-mini}}}
"""


def apply(stack: Stack, folder: Path, text: str) -> dict[str, Any]:
    path = folder / "more.yaml"
    path.write_text(text)
    done = stack.command("apply", "-f", str(path), "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def routed(
    tmp_path_factory: pytest.TempPathFactory, provider_process: FakeProvider
) -> Iterator[tuple[Stack, dict[str, str]]]:
    folder = tmp_path_factory.mktemp("routing")
    with running(folder, provider_process) as stack:
        told = apply(stack, folder, ROUTED.format(url=provider_process.url, model=MODEL))
        yield stack, {made["name"]: made["secret"] for made in told["secrets"]}


def rows(stack: Stack) -> list[dict[str, Any]]:
    return [row for row in stack.ledger() if row["virtual_key"] == "routed"]


def test_the_ledger_names_who_answered_and_has_one_row(
    routed: tuple[Stack, dict[str, str]], provider: FakeProvider
) -> None:
    stack, key = routed[0], routed[1]["routed"]
    before = len(rows(stack))
    provider.behave("status=503,retry_after=30", 1)
    with stack.client(key) as client:
        answer = client.post(CHAT, json=chat())
    assert answer.status_code == 200
    assert answer.headers["x-langwatch-fallback-count"] == "1"
    assert answer.headers["x-langwatch-provider"] == "custom"
    assert len(provider.calls()) == 2
    wait_until(lambda: len(rows(stack)) == before + 1, 10, "the row")
    row = rows(stack)[-1]
    assert (row["provider"], row["provider_type"]) == ("spare", "custom")
    assert (row["outcome"], row["cost_basis"]) == ("completed", "measured")


def test_a_worker_killed_during_a_fallback_leaves_one_row_and_one_charge(
    routed: tuple[Stack, dict[str, str]], provider: FakeProvider
) -> None:
    stack, key = routed[0], routed[1]["routed"]
    before = len(rows(stack))
    provider.behave("status=500", 1)
    provider.behave("hang_head", 1)

    def call() -> None:
        with stack.client(key) as client, pytest.raises(httpx.HTTPError):
            client.post(CHAT, json=chat())

    caller = threading.Thread(target=call)
    caller.start()
    provider.wait_for(lambda state: state["calls"] == 2 and state["open_calls"] == 1)
    stack.kill("gateway")
    caller.join(20)
    wait_until(lambda: len(rows(stack)) == before + 1, 20, "the row")
    row = rows(stack)[-1]
    assert row["outcome"] == "unsettled"
    assert row["cost_basis"] == "estimated"
    assert provider.state()["calls"] == 2


def test_a_policy_reaches_the_gateways_while_they_serve(
    routed: tuple[Stack, dict[str, str]], provider: FakeProvider, tmp_path: Path
) -> None:
    stack, key = routed[0], routed[1]["ordered"]
    with stack.client(key) as client:
        assert client.post(CHAT, json=chat()).headers["x-langwatch-provider"] == "openai"
        apply(stack, tmp_path, POLICY)

        def goes_to_the_spare() -> bool:
            answer = client.post(CHAT, json=chat("everyday"))
            return answer.headers.get("x-langwatch-provider") == "custom"

        wait_until(goes_to_the_spare, 2, "the policy")
