"""One governed request through every part: gateway, ledger, lake, pages, rule, Slack, revocation, drain."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.authoring import virtual_keys
from core.authoring.actor import Actor
from core.clock import utcnow
from core.models import IngestionSource, VirtualKey
from core.models.bookkeeping import record
from tests.component.stack.traffic import chat, earlier_calls, message
from tests.provider.handle import FakeProvider
from tests.stack import Stack, StackOptions, running, wait_until
from tests.stack_config import (
    ANTHROPIC_UPSTREAM_KEY,
    CI_KEY,
    DEV_KEY,
    OPENAI_UPSTREAM_KEY,
    SOURCE_SECRET,
)

SETTLED_SECONDS = 5.0


def row_of(stack: Stack, call_id: str) -> dict[str, Any]:
    """The ledger row of a call, once it has an outcome."""

    def find() -> dict[str, Any] | None:
        return next((row for row in stack.ledger() if row["call_id"] == call_id), None)

    found = wait_until(find, 10, f"a ledger row for {call_id}")
    assert found is not None
    return found


def test_a_streamed_openai_call_is_relayed_metered_and_booked(stack: Stack) -> None:
    with (
        stack.client(DEV_KEY) as client,
        client.stream("POST", "/v1/chat/completions", json=chat(stream=True)) as answer,
    ):
        text = b"".join(answer.iter_raw()).decode()
    assert answer.status_code == 200
    assert text.rstrip().endswith("data: [DONE]")
    call = stack.provider.last_call()
    headers = {name.lower(): value for name, value in call["headers"]}
    assert headers["authorization"] == f"Bearer {OPENAI_UPSTREAM_KEY}"
    assert DEV_KEY not in json.dumps(call)
    row = row_of(stack, answer.headers["x-langwatch-request-id"])
    assert row["outcome"] == "completed" and row["cost_basis"] == "measured"
    assert (row["virtual_key"], row["principal"], row["project"]) == (
        "dev-cli",
        "dev@acme.test",
        "coding",
    )
    assert row["input_tokens"] > 0 and row["output_tokens"] > 0 and row["cost_nanousd"] > 0


def test_a_streamed_anthropic_call_is_relayed_metered_and_booked(stack: Stack) -> None:
    headers = {"x-api-key": CI_KEY, "anthropic-version": "2023-06-01", "Authorization": ""}
    body = message(stream=True)
    with httpx.Client(base_url=stack.gateway, timeout=30, trust_env=False) as client:
        del headers["Authorization"]
        with client.stream("POST", "/v1/messages", json=body, headers=headers) as answer:
            text = b"".join(answer.iter_raw()).decode()
    assert answer.status_code == 200 and "event: message_stop" in text
    call = stack.provider.last_call()
    assert {n.lower(): v for n, v in call["headers"]}["x-api-key"] == ANTHROPIC_UPSTREAM_KEY
    row = row_of(stack, answer.headers["x-langwatch-request-id"])
    assert (row["outcome"], row["provider"], row["principal"]) == (
        "completed",
        "anthropic-main",
        None,
    )


def test_the_lake_shows_the_call_soon_after(stack: Stack) -> None:
    with stack.client(DEV_KEY) as client:
        answer = client.post("/v1/chat/completions", json=chat())
    call_id = answer.headers["x-langwatch-request-id"]

    def found() -> list[tuple[Any, ...]]:
        events = (
            f"SELECT actor, target FROM lake.gateway_activity_events WHERE event_id = '{call_id}'"
        )
        return stack.lake(events)

    ((actor, _),) = wait_until(found, SETTLED_SECONDS, "the call in the lake")
    assert actor == "dev@acme.test"


def test_an_unknown_key_is_refused_and_leaves_no_row(stack: Stack) -> None:
    before = len(stack.ledger())
    with stack.client("lw_vk_live_01JZZZZZZZZZZZZZZZZZZZZZZZ") as client:
        answer = client.post("/v1/chat/completions", json=chat())
    assert answer.status_code == 401
    assert answer.headers["x-langwatch-request-id"]
    assert len(stack.ledger()) == before


def test_an_otlp_delivery_wakes_its_source(stack: Stack) -> None:
    page = "/settings/governance/ingestion-sources"
    with stack.database():
        source_id = IngestionSource.get(IngestionSource.name == "agents").id
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [_span()]}]}]}
    answer = httpx.post(
        f"{stack.web}/api/ingest/otel/{source_id}",
        json=body,
        headers={"Authorization": f"Bearer {SOURCE_SECRET}"},
        trust_env=False,
    )
    assert answer.status_code == 202, answer.text
    with stack.admin_session() as browser:
        wait_until(lambda: "Active" in browser.get(page).text, SETTLED_SECONDS, "an active source")


def _span() -> dict[str, Any]:
    return {
        "traceId": "5b8efff798038103d269b633813fc60c",
        "spanId": "eee19b7ec3c1b174",
        "name": "chat",
        "startTimeUnixNano": "1790000000000000000",
        "endTimeUnixNano": "1790000001000000000",
        "attributes": [
            {"key": "gen_ai.request.model", "value": {"stringValue": "gpt-4o-mini"}},
            {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "10"}},
        ],
    }


def test_applying_the_same_file_to_the_running_stack_changes_nothing(stack: Stack) -> None:
    result = stack.command("apply", "-f", str(stack.config), "--json")
    told = json.loads(result.stdout)
    assert told["created"] == told["changed"] == told["secrets"] == []
    assert "virtual key dev-cli" in told["unchanged"]


def test_a_revoked_key_is_refused_within_two_seconds(
    tmp_path: Path, provider: FakeProvider
) -> None:
    with running(tmp_path, provider) as stack, stack.client(CI_KEY) as client:
        assert client.post("/v1/chat/completions", json=chat()).status_code == 200
        with stack.database():
            key = VirtualKey.get(VirtualKey.name == "ci")
            virtual_keys.revoke(Actor(key.organization_id, "test", "api"), key.id, utcnow())

        def status() -> int:
            return client.post("/v1/chat/completions", json=chat()).status_code

        wait_until(lambda: status() in (401, 403), 2.0, "the refusal of a revoked key")


def test_a_drain_lets_a_running_stream_end(tmp_path: Path, provider: FakeProvider) -> None:
    provider.behave("chunks=30,delay_ms=50")
    with running(tmp_path, provider) as stack:
        with (
            stack.client(DEV_KEY) as client,
            client.stream("POST", "/v1/chat/completions", json=chat(stream=True)) as answer,
        ):
            chunks = answer.iter_raw()
            first = next(chunks)
            codes: list[int] = []
            stopping = threading.Thread(target=lambda: codes.append(stack.stop()))
            stopping.start()
            rest = b"".join(chunks)
        stopping.join(30)
        assert (first + rest).rstrip().endswith(b"data: [DONE]")
        assert codes == [0]
        (row,) = stack.ledger()
        assert row["outcome"] == "completed"


def test_the_same_story_on_postgresql(
    tmp_path: Path, provider: FakeProvider, postgres_url: str
) -> None:
    options = StackOptions(environ={"DATABASE_URL": postgres_url})
    with running(tmp_path, provider, options) as stack:
        with stack.client(DEV_KEY) as client:
            answer = client.post("/v1/chat/completions", json=chat())
        assert answer.status_code == 200
        row = row_of(stack, answer.headers["x-langwatch-request-id"])
        assert (row["outcome"], row["principal"]) == ("completed", "dev@acme.test")
        events = f"SELECT 1 FROM lake.gateway_activity_events WHERE event_id = '{row['call_id']}'"
        wait_until(lambda: stack.lake(events), SETTLED_SECONDS, "the call in the lake")
        told = json.loads(stack.command("apply", "-f", str(stack.config), "--json").stdout)
        assert told["created"] == told["changed"] == []


class Slack(BaseHTTPRequestHandler):
    """A local stand-in for Slack's incoming webhooks."""

    received: list[dict[str, Any]]

    def do_POST(self) -> None:
        length = int(self.headers["content-length"])
        self.received.append(json.loads(self.rfile.read(length)))
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def slack() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    received: list[dict[str, Any]] = []
    handler = type("Handler", (Slack,), {"received": received})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/services/T/B/x", received
    server.shutdown()
    server.server_close()
    thread.join(5)


def test_a_spend_spike_reaches_slack(
    tmp_path: Path, provider: FakeProvider, slack: tuple[str, list[dict[str, Any]]]
) -> None:
    url, received = slack
    options = StackOptions(slack_url=url)
    with running(tmp_path, provider, options) as stack:
        with stack.database():
            key = VirtualKey.get(VirtualKey.name == "dev-cli")
            record([*earlier_calls(key, 120)], utcnow())
        with stack.client(DEV_KEY) as client:
            for _ in range(20):
                assert client.post("/v1/chat/completions", json=chat("gpt-4o")).status_code == 200
        wait_until(lambda: received, 20, "an alert in Slack")
        with stack.admin_session() as browser:
            page = browser.get("/governance").text
    assert "spend doubled" in json.dumps(received[0])
    assert "spend doubled" in page
