"""Refusals in a form that both SDK families parse, with the facts a reader needs and none that are secret."""

import anthropic
import httpx2
import msgspec
import openai
import pytest

from core.fault import Fault, Refused
from proxy.dialects.anthropic_messages import ANTHROPIC_MESSAGES
from proxy.dialects.openai_chat import OPENAI_CHAT
from proxy.pipeline.identity import Identities
from proxy.responses import error_event, refusal, usd

IDENTITY = Identities(b"seed").mint()
ALL = list(Fault)


def answer(fault: Fault, dialect=None, **facts: object):
    return refusal(Refused(fault, "What happened.", **facts), IDENTITY, dialect)


def response_of(got) -> httpx2.Response:
    request = httpx2.Request("POST", "http://gateway/v1/x")
    headers = [(name, value) for name, value in got.headers if name != b"content-length"]
    return httpx2.Response(got.status, headers=headers, content=got.body, request=request)


@pytest.mark.parametrize("fault", ALL)
def test_the_openai_sdk_reads_every_refusal(fault) -> None:
    client = openai.OpenAI(api_key="k", base_url="http://gateway/v1")
    got = answer(fault, OPENAI_CHAT)
    error = client._make_status_error_from_response(response_of(got))
    assert isinstance(error, openai.APIStatusError)
    assert error.code == fault.code
    assert isinstance(error.type, str)
    assert error.param is None
    client.close()


@pytest.mark.parametrize("fault", ALL)
def test_the_anthropic_sdk_reads_every_refusal(fault) -> None:
    client = anthropic.Anthropic(api_key="k", base_url="http://gateway")
    got = answer(fault, ANTHROPIC_MESSAGES)
    error = client._make_status_error_from_response(response_of(got))
    assert isinstance(error, anthropic.APIStatusError)
    assert isinstance(error.body, dict)
    assert error.body["type"] == "error"
    told = error.body["error"]
    assert told["code"] == fault.code
    assert told["message"]
    client.close()


@pytest.mark.parametrize("fault", ALL)
def test_only_refusals_that_pass_with_time_may_be_retried(fault) -> None:
    headers = dict(answer(fault).headers)
    assert (headers.get(b"x-should-retry") == b"false") is not fault.is_retryable
    assert headers[b"x-langwatch-handled-error"] == fault.code.encode()


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault.BAD_REQUEST, "invalid_request_error"),
        (Fault.INVALID_API_KEY, "authentication_error"),
        (Fault.BUDGET_EXCEEDED, "billing_error"),
        (Fault.VIRTUAL_KEY_REVOKED, "permission_error"),
        (Fault.PAYLOAD_TOO_LARGE, "request_too_large"),
        (Fault.RATE_LIMIT_EXCEEDED, "rate_limit_error"),
        (Fault.LEDGER_FULL, "overloaded_error"),
        (Fault.PROVIDER_ERROR, "api_error"),
        (Fault.INTERNAL_ERROR, "api_error"),
    ],
)
def test_anthropics_own_words_for_the_kinds_of_error(fault, kind) -> None:
    error = msgspec.json.decode(answer(fault, ANTHROPIC_MESSAGES).body)["error"]
    assert (error["type"], error["code"]) == (kind, fault.code)


def test_a_spent_budget_says_how_much_and_until_when() -> None:
    facts = {
        "budget_id": "bud_1",
        "name": "coding",
        "scope": "team",
        "window": "day",
        "limit_nanousd": 25_000_000_000,
        "spent_nanousd": 25_000_000_001,
        "resets_at_ms": 4_000_000_000_000,
    }
    got = answer(Fault.BUDGET_EXCEEDED, **facts)
    meta = msgspec.json.decode(got.body)["error"]["meta"]
    assert meta["limit_usd"] == "25"
    assert meta["spent_usd"] == "25.000000001"
    assert meta["budget_scope"] == "team"
    assert meta["resets_at"] == "2096-10-02T07:06:40.000Z"
    # Nobody waits for decades, so no waiting time is told.
    assert b"retry-after" not in dict(got.headers)


def test_facts_for_the_operator_stay_with_the_operator() -> None:
    got = answer(Fault.PROVIDER_ERROR, host="10.0.0.7", reachable=["openai/"])
    assert b"10.0.0.7" not in got.body
    assert b"openai/" in got.body


def test_the_error_event_is_an_error_to_both_families() -> None:
    event = error_event("provider_error", "upstream_mid_stream_failure", "It broke.")
    name, data = event.removesuffix(b"\n\n").split(b"\n")
    assert name == b"event: error"
    told = msgspec.json.decode(data.removeprefix(b"data: "))
    assert told["type"] == "error"
    assert told["error"] == {
        "type": "provider_error",
        "code": "upstream_mid_stream_failure",
        "message": "It broke.",
        "param": None,
    }


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "0"), (1, "0.000000001"), (1_500_000_000, "1.5"), (10**12, "1000"), (10**10, "10")],
)
def test_dollars_are_written_without_needless_digits(amount, text) -> None:
    assert usd(amount) == text
