"""What the gateway itself says, as the SDKs take it: refusals, its own headers, other ways to send a key."""

import re

import anthropic
import httpx
import openai
import pytest

from tests.sdk.targets import Target

CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hello"}]}
UNKNOWN_KEY = "lw_vk_live_01JTESTNBKEY000000000000Q0"


@pytest.mark.parametrize("key", [UNKNOWN_KEY, "sk-of-somebody", "lw_vk_live_short"])
def test_openai_takes_an_unknown_key_as_an_authentication_error(gateway: Target, key: str) -> None:
    with (
        gateway.openai_client(api_key=key) as client,
        pytest.raises(openai.AuthenticationError) as caught,
    ):
        client.chat.completions.create(**CHAT)  # type: ignore[call-overload]
    assert caught.value.code == "invalid_api_key"
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert gateway.provider.calls() == []


@pytest.mark.parametrize("key", [UNKNOWN_KEY, "sk-of-somebody"])
def test_anthropic_takes_an_unknown_key_as_an_authentication_error(
    gateway: Target, key: str
) -> None:
    with (
        gateway.anthropic_client(api_key=key) as client,
        pytest.raises(anthropic.AuthenticationError) as caught,
    ):
        client.messages.create(
            model="claude-haiku-4-5",
            max_tokens=16,
            messages=[{"role": "user", "content": "hello"}],
        )
    body = caught.value.body
    assert isinstance(body, dict)
    assert body["type"] == "error"
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert gateway.provider.calls() == []


def test_an_sdk_that_may_retry_does_not_repeat_a_refusal(gateway: Target) -> None:
    """Claude Code would otherwise knock eleven times over three minutes."""
    with (
        gateway.anthropic_client(api_key=UNKNOWN_KEY) as client,
        pytest.raises(anthropic.AuthenticationError),
    ):
        client.with_options(max_retries=5).messages.create(
            model="claude-haiku-4-5",
            max_tokens=16,
            messages=[{"role": "user", "content": "hello"}],
        )
    assert len(gateway.sent.bodies) == 1


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/v1/nowhere"])
def test_every_answer_names_its_request(gateway: Target, path: str) -> None:
    with gateway.raw() as client:
        answer = client.post(path, json=CHAT, headers={"authorization": f"Bearer {UNKNOWN_KEY}"})
    assert answer.status_code in (401, 404)
    assert re.fullmatch(r"req_[0-9a-f]{30}", answer.headers["x-langwatch-request-id"])
    assert answer.headers["x-langwatch-gateway-version"]


def test_a_governed_answer_carries_trace_and_route(gateway: Target) -> None:
    with gateway.openai_client() as client:
        raw = client.chat.completions.with_raw_response.create(**CHAT)  # type: ignore[call-overload]
    trace, span = raw.headers["x-langwatch-trace-id"], raw.headers["x-langwatch-span-id"]
    assert re.fullmatch(r"[0-9a-f]{32}", trace)
    assert raw.headers["traceparent"].startswith(f"00-{trace}-{span}-")
    assert raw.headers["x-langwatch-provider"]
    assert raw.headers["x-langwatch-model"] == "gpt-4o-mini"


@pytest.mark.parametrize("header", ["x-api-key", "x-goog-api-key", "xi-api-key", "api-key"])
@pytest.mark.parametrize("prefix", ["", "/api"])
def test_a_key_is_taken_from_every_header_and_reaches_no_provider(
    gateway: Target, header: str, prefix: str
) -> None:
    with gateway.raw() as client:
        answer = client.post(
            f"{prefix}/v1/chat/completions", json=CHAT, headers={header: gateway.openai_key}
        )
    assert answer.status_code == 200
    assert gateway.provider.last_call()["target"] == "/v1/chat/completions"


def test_a_caller_cannot_smuggle_our_own_headers_to_the_provider(gateway: Target) -> None:
    """The fixture looks for them in what the provider recorded."""
    own = {"x-langwatch-metadata": '{"a":1}', "x-langwatch-end-user-id": "u1"}
    with gateway.openai_client() as client:
        client.chat.completions.create(**CHAT, extra_headers=own)  # type: ignore[call-overload]
    assert gateway.provider.last_call()["outcome"] == "completed"


def test_a_stale_upstream_connection_is_replaced_without_the_client_noticing(
    gateway: Target,
) -> None:
    """The provider closes a pooled connection as the next request arrives; that one is sent again."""
    with gateway.openai_client() as client:
        for script in ("stale=next", "stale=reset", "stale=idle", ""):
            answer = client.chat.completions.create(
                **CHAT, extra_headers={"x-fake-behaviour": script}
            )  # type: ignore[call-overload]
            assert answer.choices[0].message.content
    assert len(gateway.provider.calls()) == 4


def test_an_answer_cut_short_is_not_passed_off_as_whole(gateway: Target) -> None:
    with gateway.raw() as client, pytest.raises(httpx.TransportError):
        client.post(
            "/v1/chat/completions",
            json=CHAT,
            headers={
                "authorization": f"Bearer {gateway.openai_key}",
                "x-fake-behaviour": "cut_after=0",
            },
        )
