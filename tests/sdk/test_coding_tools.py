"""Requests as the coding tools really send them pass unaltered, and so do their answers."""

import hashlib
import json
from dataclasses import replace

import pytest

from tests.sdk.targets import Target, headers_of
from tests.sdk.wire import RawAnswer, RawRequest, exchange

RECORDED = [
    "claude_code_turn",
    "claude_code_count_tokens",
    "aider_commit_message",
    "opencode_chat_stream",
    "opencode_messages_stream",
    "opencode_responses_stream",
    "opencode_gemini_stream",
    "codex_turn",
    "codex_classic_turn",
    "codex_compaction",
    "gemini_cli_turn",
    "gemini_cli_router",
    "aider_gemini",
    "google_genai_embed",
    "openai_sdk_embeddings",
]
# A gateway sets these itself; all others are the business of client and provider.
HOP_OR_CREDENTIAL = {
    *("host", "connection", "content-length"),
    *("authorization", "x-api-key", "x-goog-api-key"),
}
REWRITTEN_HEADERS = {"accept-encoding"}


def key_for(target: Target, request: RawRequest) -> str:
    if "/messages" in request.line:
        return target.anthropic_key
    return target.gemini_key if "/models/" in request.line else target.openai_key


def send(target: Target, request: RawRequest, script: str = "") -> RawAnswer:
    host = target.url.removeprefix("http://")
    extra = {"x-fake-behaviour": script} if script else {}
    with exchange(target.url, request.on_the_wire(host, key_for(target, request), extra)) as sent:
        return sent.read_all()


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_request_reaches_the_provider_unaltered(target: Target, name: str) -> None:
    request = RawRequest.read(name)
    answer = send(target, request)
    assert answer.status == 200
    assert answer.ended_cleanly
    call = target.provider.last_call()
    method, wanted_target, _ = request.line.split(" ")
    assert (call["method"], call["target"]) == (method, wanted_target)
    assert call["body_sha256"] == hashlib.sha256(request.body).hexdigest()
    seen = headers_of(call)
    for header, value in request.headers:
        if header.lower() not in HOP_OR_CREDENTIAL | REWRITTEN_HEADERS:
            assert seen[header.lower()] == value


@pytest.mark.parametrize("name", RECORDED)
def test_an_answer_to_a_recorded_request_is_byte_for_byte_the_providers(
    target: Target, name: str
) -> None:
    request = RawRequest.read(name)
    answer = send(target, request, "thinking,split=20+90,merge=2,chunks=30")
    call = target.provider.last_call()
    assert hashlib.sha256(answer.body).hexdigest() == call["answer_sha256"]
    assert call["outcome"] == "completed"


def test_model_discovery_is_answered_in_the_dialect_of_the_tool(target: Target) -> None:
    """Asked with a Bearer key and `anthropic-version`; a gateway may answer it itself."""
    answer = send(target, RawRequest.read("claude_code_models"))
    told = json.loads(answer.body)
    assert answer.status == 200
    assert told["has_more"] is False
    assert {model["type"] for model in told["data"]} == {"model"}
    assert "claude-opus-5-5" in {model["id"] for model in told["data"]}


def test_a_stream_without_stream_options_hides_what_the_gateway_asked_for(
    target: Target,
) -> None:
    """aider streams without asking for usage; it must not see the chunk it did not ask for."""
    request = RawRequest.read("aider_chat_stream")
    answer = send(target, request, "prompt=50,completion=8")
    asked = json.loads(target.provider.last_call()["body"])
    wanted = json.loads(request.body)
    if target.through_gateway:
        wanted["stream_options"] = {"include_usage": True}
    assert asked == wanted
    events = [e for e in answer.body.split(b"\n\n") if e]
    assert events[-1] == b"data: [DONE]"
    told = [json.loads(event.removeprefix(b"data: ")) for event in events[:-1]]
    assert all(chunk["choices"] and not chunk.get("usage") for chunk in told)
    assert len(told) == 10


def test_an_explicit_refusal_of_usage_is_honoured(target: Target) -> None:
    request = RawRequest.read("aider_chat_stream")
    body = request.body[:-1] + b', "stream_options": {"include_usage": false}}'
    answer = send(target, replace(request, body=body))
    call = target.provider.last_call()
    assert call["body_sha256"] == hashlib.sha256(body).hexdigest()
    assert hashlib.sha256(answer.body).hexdigest() == call["answer_sha256"]


@pytest.mark.parametrize("path", ["/", "/api/hello"])
def test_the_start_up_probe_needs_no_key(target: Target, path: str) -> None:
    """Claude Code asks HEAD /api/hello before it has a key."""
    host = target.url.removeprefix("http://")
    sent = f"HEAD {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
    with exchange(target.url, sent) as probe:
        while probe.answer.status == 0 and probe.read_some():
            pass
    assert probe.answer.status == 200


def test_a_large_agent_body_arrives_whole(target: Target) -> None:
    request = RawRequest.read("claude_code_turn")
    turn = json.loads(request.body)
    turn["messages"][0]["content"][0]["text"] = "Größe 🦉 " * 40_000
    body = json.dumps(turn, ensure_ascii=False).encode()
    assert len(body) > 500_000
    answer = send(target, replace(request, body=body))
    assert answer.ended_cleanly
    call = target.provider.last_call()
    assert call["body_sha256"] == hashlib.sha256(body).hexdigest()


@pytest.mark.parametrize("script", ["gzip=force", "framing=chunked", "framing=close", "close"])
def test_other_framings_of_an_answer_arrive_whole(target: Target, script: str) -> None:
    with target.raw() as client:
        request = RawRequest.read("opencode_messages_stream")
        body = json.loads(request.body)
        body["stream"] = False
        answer = client.post(
            "/v1/messages",
            json=body,
            headers={"x-api-key": target.anthropic_key, "x-fake-behaviour": script},
        )
    call = target.provider.last_call()
    assert hashlib.sha256(answer.content).hexdigest() == call["answer_sha256"]


def test_codex_asks_for_a_websocket_first_and_is_sent_to_plain_http(gateway: Target) -> None:
    """Any status but 426 would cost it seven handshakes at each start."""
    with gateway.raw() as client:
        answer = client.get(
            "/v1/responses",
            headers={
                "authorization": f"Bearer {gateway.openai_key}",
                "upgrade": "websocket",
                "connection": "upgrade",
                "openai-beta": "responses_websockets=2026-02-06",
            },
        )
    assert answer.status_code == 426


def test_codex_closes_behind_the_terminal_event_and_has_a_whole_answer(target: Target) -> None:
    request = RawRequest.read("codex_turn")
    host = target.url.removeprefix("http://")
    sent = request.on_the_wire(host, target.openai_key, {"x-fake-behaviour": "chunks=4,prompt=7"})
    with exchange(target.url, sent) as stream:
        while b"event: response.completed" not in stream.answer.body and stream.read_some():
            pass
    target.provider.wait_for(lambda state: state["open_streams"] == 0)
    assert target.provider.last_call()["outcome"] == "completed"


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ({"x-goog-api-key": ""}, "models"),
        ({"x-api-key": "", "anthropic-version": "2026-10-21"}, "data"),
        ({"authorization": "Bearer "}, "data"),
    ],
)
def test_one_address_lists_models_in_the_form_of_three_apis(
    gateway: Target, headers: dict[str, str], name: str
) -> None:
    given = {
        header: value + gateway.openai_key if header != "anthropic-version" else value
        for header, value in headers.items()
    }
    with gateway.raw() as client:
        told = client.get("/v1/models", headers=given).json()
        assert told[name]
        one = told[name][0]
        key = one.get("id") or one["name"].removeprefix("models/")
        again = client.get(f"/v1/models/{key}", headers=given).json()
    assert again == one
