"""The fake provider does what its scripts say; otherwise tests that rely on it prove nothing."""

import json
from pathlib import Path

import httpx
import orjson
import pytest

from tests.provider.behaviour import Behaviour, parse
from tests.provider.delivery import plan
from tests.provider.exchanges import ROOT, Variant, read
from tests.provider.handle import FakeProvider, fake_provider
from tests.sdk.wire import exchange

ASK = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]}
KEY = {"authorization": "Bearer sk-test"}


def ask(provider: FakeProvider, script: str = "", **fields: object) -> httpx.Response:
    return httpx.post(
        f"{provider.url}/v1/chat/completions",
        json=ASK | fields,
        headers=KEY | {"x-fake-behaviour": script},
        timeout=10,
        trust_env=False,
    )


def test_a_script_is_read_by_name() -> None:
    assert parse("chunks=3, split=5+9,close,ttft_ms=1.5") == Behaviour(
        chunks=3, split=(5, 9), close=True, ttft_ms=1.5
    )


@pytest.mark.parametrize("text", ["chunk=3", "chunks=many", "split=a+b"])
def test_a_misspelt_script_is_refused(provider: FakeProvider, text: str) -> None:
    with pytest.raises(ValueError, match=r"unknown|invalid"):
        parse(text)
    assert ask(provider, text).status_code == 400


def test_splits_and_merges_lose_no_byte() -> None:
    events = [b"data: one\n\n", b"data: zwei\n\n", b"data: drei!\n\n"]
    for script in ("", "split=3+7", "split_every=4", "merge=2", "merge=2,split=5"):
        writes = list(plan(events, parse(script)))
        assert b"".join(write.payload for write in writes) == b"".join(events)
        assert writes[-1].events_done == 3


@pytest.mark.parametrize("path", sorted(ROOT.glob("*/*.http")), ids=lambda path: path.stem)
def test_every_exchange_says_where_it_comes_from(path: Path) -> None:
    opening = [line for line in path.read_text().splitlines() if line.startswith("# ")]
    named = {line[2:].partition(": ")[0] for line in opening}
    assert {"date", "obtained"} <= named
    assert named & {"provider", "client"}


def test_an_exchange_can_be_read_in_each_form() -> None:
    with_usage = read("openai", "chat", Variant())
    without = read("openai", "chat", Variant(usage=False))
    assert with_usage.body.asks_for(b"prompt")
    assert not without.body.asks_for(b"prompt")
    assert with_usage.origin["provider"] == "OpenAI"


def test_a_call_without_a_key_is_refused(provider: FakeProvider) -> None:
    answer = httpx.post(f"{provider.url}/v1/chat/completions", json=ASK, trust_env=False)
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "invalid_api_key"


def test_a_script_may_stand_in_the_model_name(provider: FakeProvider) -> None:
    answer = ask(provider, model="gpt-4o#prompt=9,completion=4").json()
    assert answer["model"] == "gpt-4o"
    assert (answer["usage"]["prompt_tokens"], answer["usage"]["total_tokens"]) == (9, 13)


def test_queued_scripts_are_used_up_in_order(provider: FakeProvider) -> None:
    provider.behave("status=500", times=2)
    provider.behave("status=429", times=1)
    assert [ask(provider).status_code for _ in range(4)] == [500, 500, 429, 200]


def test_a_script_without_a_number_of_times_stays_until_the_reset(provider: FakeProvider) -> None:
    provider.behave("status=503")
    assert [ask(provider).status_code for _ in range(2)] == [503, 503]
    provider.reset()
    assert ask(provider).status_code == 200
    assert len(provider.calls()) == 1


@pytest.mark.parametrize("script", ["reset_head", "close_head", "short", "cut_after=0"])
def test_a_broken_answer_breaks_at_the_client(provider: FakeProvider, script: str) -> None:
    with pytest.raises(httpx.TransportError):
        ask(provider, script)
    assert provider.last_call()["outcome"] == script.partition("_after")[0]


@pytest.mark.parametrize("how", ["next", "reset"])
def test_a_stale_connection_breaks_when_it_is_used_again_and_counts_no_call(
    provider: FakeProvider, how: str
) -> None:
    with httpx.Client(base_url=provider.url, headers=KEY, trust_env=False) as client:
        first = client.post(
            "/v1/chat/completions", json=ASK, headers={"x-fake-behaviour": f"stale={how}"}
        )
        assert "connection" not in first.headers
        with pytest.raises(httpx.TransportError):
            client.post("/v1/chat/completions", json=ASK)
    assert len(provider.calls()) == 1


def test_an_idle_connection_is_closed_unannounced(provider: FakeProvider) -> None:
    host = provider.url.removeprefix("http://")
    body = orjson.dumps(ASK)
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer sk-x\r\n"
    head += f"X-Fake-Behaviour: stale=idle\r\nContent-Length: {len(body)}\r\n\r\n"
    with exchange(provider.url, head.encode() + body) as sent:
        answer = sent.read_all()
        assert answer.ended_cleanly
        assert answer.header("connection") is None
        assert sent.sock.recv(1) == b""


def test_a_hanging_answer_is_noted_when_the_client_gives_up(provider: FakeProvider) -> None:
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            f"{provider.url}/v1/chat/completions",
            json=ASK,
            headers=KEY | {"x-fake-behaviour": "hang_head"},
            timeout=0.1,
            trust_env=False,
        )
    provider.wait_for(lambda state: state["open_calls"] == 0)
    assert provider.last_call()["outcome"] == "client_closed"


def test_a_broken_stream_is_counted_for_what_was_told(provider: FakeProvider) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        ask(provider, "cut_after=4,chunks=10,completion=20,prompt=7", stream=True)
    counted = provider.last_call()["counted"]
    assert (counted["prompt"], counted["completion"]) == (7, 6)


def test_damaged_events_are_damaged_as_told(provider: FakeProvider) -> None:
    events = ask(provider, "bad_json_at=2", stream=True).content.split(b"\n\n")
    with pytest.raises(json.JSONDecodeError):
        json.loads(events[2].removeprefix(b"data: "))
    events = ask(provider, "oversize_at=1,oversize_bytes=300000", stream=True).content.split(
        b"\n\n"
    )
    assert 300_000 < len(events[1]) < 300_100


def test_a_gzipped_stream_can_be_read_event_by_event(provider: FakeProvider) -> None:
    answer = ask(provider, "gzip", stream=True)
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.content.endswith(b"data: [DONE]\n\n")


def test_the_journal_tells_of_each_call_twice(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    with fake_provider(journal) as provider:
        answer_id = ask(provider, "prompt=5").json()["id"]
        ask(provider, "status=500")
        provider.wait_for(lambda state: state["open_calls"] == 0)
        lines = [orjson.loads(line) for line in journal.read_bytes().splitlines()]
    assert [line["event"] for line in lines] == ["accepted", "ended"] * 2
    assert [line["status"] for line in lines] == [200, 200, 500, 500]
    assert lines[1]["answer_id"] == answer_id
    assert lines[1]["outcome"] == "completed"
    assert lines[1]["counted"]["prompt"] == 5
