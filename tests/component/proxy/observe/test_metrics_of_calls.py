"""What calls leave in the metrics and in the log, over real sockets; who may read the metrics."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from proxy.access_log import MAX_WAITING, AccessLog, Entry
from tests.component.proxy.pipeline.site import KEY, ask, chat, message, settings_for, site
from tests.component.proxy.transport.peers import until

pytestmark = pytest.mark.trio
CANARY = "canary-in-the-prompt-3141592653"


def value(text: str, name: str, **labels: str) -> float | None:
    """The sample of a metric that has these labels, among others."""
    for line in text.splitlines():
        head, _, number = line.rpartition(" ")
        is_named = head == name or head.startswith(name + "{")
        if is_named and all(f'{k}="{v}"' in head for k, v in labels.items()):
            return float(number)
    return None


async def scrape(here: Any) -> str:
    got = await ask(here, "GET", "/metrics")
    assert got.status == 200
    assert got.headers["content-type"].startswith("text/plain; version=0.0.4")
    return got.body.decode()


async def test_calls_of_every_ending_are_counted_by_route_status_provider_and_model() -> None:
    async with site() as here:
        await (await here.post("/v1/chat/completions", chat())).read()
        await (await here.post("/v1/chat/completions", chat(stream=True))).read()
        await (await here.post("/v1/messages", message())).read()
        await (await here.post("/v1/chat/completions", {"messages": []})).read()
        await (await here.post("/v1/chat/completions", chat(), authorization="")).read()
        await here.at_rest()
        text = await scrape(here)
    requests = "gateway_http_requests_total"
    chats = {"route": "/v1/chat/completions", "provider": "openai", "model": "gpt-4o-mini"}
    assert value(text, requests, status="200", **chats) == 2
    assert value(text, requests, route="/v1/messages", status="200", provider="anthropic") == 1
    assert value(text, requests, status="400", model="unknown") == 1
    assert value(text, requests, status="401") == 1
    seconds = "gateway_http_request_duration_seconds_count"
    assert value(text, seconds, route="/v1/chat/completions", provider="openai") == 2
    provider_seconds = "gateway_provider_duration_seconds_count"
    assert value(text, provider_seconds, provider="openai", model="gpt-4o-mini") == 2
    attempts = "gateway_provider_attempts_total"
    assert value(text, attempts, credential_id="prov_openai", outcome="success") == 2
    assert value(text, "gateway_client_rejects_total", code="missing_model", vk_id="vk_1") == 1
    assert value(text, "gateway_client_rejects_total", code="missing_api_key") is None
    assert value(text, "gateway_in_flight_requests") == 0
    assert value(text, "gateway_streaming_active") == 0
    assert value(text, "gateway_spend_spool_appended_total") == 7


async def test_an_invented_model_makes_no_series_of_its_own() -> None:
    async with site() as here:
        for number in range(3):
            body = chat(model=f"nosuch{number}/model")
            sent = await here.post("/v1/chat/completions", body, x_fake_behaviour="status=404")
            assert (await sent.read()).status == 404
        text = await scrape(here)
    assert "nosuch" not in text


async def test_a_call_under_way_shows_in_the_gauges() -> None:
    async with site() as here:
        here.keyring.is_cold = True
        here.keyring.opened = trio.Event()
        sent = await here.post("/v1/chat/completions", chat())
        await until(lambda: here.gateway.metrics.in_flight == 1)
        assert value(await scrape(here), "gateway_in_flight_requests") == 1
        here.keyring.opened.set()
        await sent.read()
        await until(lambda: here.gateway.metrics.in_flight == 0)


async def test_a_refused_budget_is_counted_by_its_scope() -> None:
    async with site(limit_nanousd=10**9, leased_nanousd=0) as here:
        here.limit.current.settled = 10**9
        got = await (await here.post("/v1/chat/completions", chat())).read()
        assert got.status == 402
        text = await scrape(here)
    assert value(text, "gateway_budget_blocks_total", scope="project") == 1
    assert value(text, "gateway_client_rejects_total", code="budget_exceeded", vk_id="vk_1") == 1


async def test_metrics_are_for_the_token_where_one_is_set() -> None:
    async with site(settings_for(LW_GATEWAY_METRICS_TOKEN="a-scraper-token")) as here:
        for header in ({}, {"authorization": "Bearer other"}, {"authorization": f"Bearer {KEY}"}):
            got = await ask(here, "GET", "/metrics", **header)
            assert (got.status, got.json["error"]["code"]) == (401, "unauthenticated")
        got = await ask(here, "GET", "/metrics", authorization="Bearer a-scraper-token")
        assert got.status == 200
        assert "a-scraper-token" not in got.body.decode()


@pytest.mark.parametrize("header", ["x_forwarded_for", "forwarded", "via", "x_real_ip"])
async def test_without_a_token_nobody_is_answered_by_way_of_a_proxy(header) -> None:
    async with site() as here:
        got = await ask(here, "GET", "/metrics", **{header: "203.0.113.9"})
        assert (got.status, got.json["error"]["code"]) == (403, "permission_denied")


@contextmanager
def log_of(here: Any, path: Path, is_json: bool = True) -> Iterator[Any]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    access = AccessLog(here.gateway.access.level, is_json, descriptor)
    object.__setattr__(here.gateway, "access", access)
    try:
        yield lambda: path.read_text().splitlines()
    finally:
        os.close(descriptor)


async def test_each_request_leaves_one_line_and_no_line_holds_prompt_or_key(tmp_path) -> None:
    async with site() as here, trio.open_nursery() as nursery:
        with log_of(here, tmp_path / "log") as lines:
            nursery.start_soon(here.gateway.access.run)
            said = [{"role": "user", "content": CANARY}]
            key = "sk-ant-" + "a" * 40
            await (await here.post("/v1/chat/completions", chat(messages=said))).read()
            await (await here.post("/v1/chat/completions", chat(model=f"gemini/{key}"))).read()
            await (await here.post("/v1/chat/completions", chat(), authorization="")).read()
            await ask(here, "GET", "/nope")
            await ask(here, "GET", "/healthz")
            await until(lambda: len(lines()) == 4)
            nursery.cancel_scope.cancel()
    text = "\n".join(lines())
    for secret in (CANARY, KEY, key, "sk-provider-openai"):
        assert secret not in text
    done, *others = [json.loads(line) for line in lines()]
    assert done["msg"] == "request_completed"
    assert (done["status"], done["route"], done["model"]) == (
        200,
        "/v1/chat/completions",
        "gpt-4o-mini",
    )
    assert (done["organization_id"], done["virtual_key_id"]) == ("org_1", "vk_1")
    assert done["request_id"].startswith("req_")
    assert len(done["trace_id"]) == 32
    assert [line.get("code", "") for line in others] == [
        "model_provider_not_bound",
        "missing_api_key",
        "",
    ]


async def test_a_failed_provider_is_a_warning_and_a_line_cannot_be_forged(tmp_path) -> None:
    async with site(settings_for(LANGWATCH_ACCESS_LOG="failed")) as here:
        with log_of(here, tmp_path / "log", is_json=False) as lines:
            await (await here.post("/v1/chat/completions", chat())).read()
            sent = await here.post("/v1/chat/completions", chat(), x_fake_behaviour="reset_head")
            assert (await sent.read()).status == 502
            forged = 'gpt"\nERROR gateway msg="forged'
            access = here.gateway.access
            access.add(Entry(30, 0.0, "POST", "/v1", 502, 0.1, "req", "t", "s", model=forged))
            await here.at_rest()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(here.gateway.access.run)
                nursery.cancel_scope.cancel()
            found = lines()
    assert len(found) == 2
    for line in found:
        assert line.startswith('WARNING gateway msg="gateway_request_failed" method="POST"')
        assert 'status="502"' in line
    assert 'code="provider_error"' in found[0]
    assert r'model="gpt\"\nERROR' in found[1]


async def test_lines_that_nobody_reads_are_dropped_and_counted(tmp_path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    access = AccessLog(0, True, writing)
    entry = Entry(20, 0.0, "POST", "/v1/messages", 200, 0.1, "req_1", "t", "s", model="a\nb")
    for _ in range(MAX_WAITING + 5):
        access.add(entry)
    assert access.dropped == 5
    async with trio.open_nursery() as nursery:
        nursery.start_soon(access.run)
        nursery.cancel_scope.cancel()
    assert access.dropped == MAX_WAITING + 5
    os.close(writing)
