"""Refusals in a form that each SDK family parses, with the facts a reader needs and none that are secret."""

from typing import Any

import anthropic
import httpx2
import msgspec
import openai
import pytest
from google.genai import errors as genai_errors
from openai.types.responses import ResponseErrorEvent

from core.fault import Fault, Refused
from proxy.dialects.error_forms import (
    ANTHROPIC_ERRORS,
    GOOGLE_ERRORS,
    OPENAI_ERRORS,
    RESPONSES_ERRORS,
)
from proxy.pipeline.identity import Identities
from proxy.responses import error_element, error_event, refusal, usd

IDENTITY = Identities(b"seed").mint()
ALL = list(Fault)


BROKEN = Refused(Fault.PROVIDER_ERROR, "It broke.")


def answer(fault: Fault, form=OPENAI_ERRORS, **facts: object):
    return refusal(Refused(fault, "What happened.", **facts), IDENTITY, form)


def response_of(got) -> httpx2.Response:
    request = httpx2.Request("POST", "http://gateway/v1/x")
    headers = [(name, value) for name, value in got.headers if name != b"content-length"]
    return httpx2.Response(got.status, headers=headers, content=got.body, request=request)


@pytest.mark.parametrize("fault", ALL)
def test_the_openai_sdk_reads_every_refusal(fault) -> None:
    client = openai.OpenAI(api_key="k", base_url="http://gateway/v1")
    got = answer(fault, OPENAI_ERRORS)
    error = client._make_status_error_from_response(response_of(got))
    assert isinstance(error, openai.APIStatusError)
    assert error.code == fault.code
    assert isinstance(error.type, str)
    assert error.param is None
    client.close()


@pytest.mark.parametrize("fault", ALL)
def test_the_anthropic_sdk_reads_every_refusal(fault) -> None:
    client = anthropic.Anthropic(api_key="k", base_url="http://gateway")
    got = answer(fault, ANTHROPIC_ERRORS)
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
    error = msgspec.json.decode(answer(fault, ANTHROPIC_ERRORS).body)["error"]
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


@pytest.mark.parametrize("fault", ALL)
def test_googles_sdk_reads_every_refusal(fault) -> None:
    with pytest.raises(genai_errors.APIError) as caught:
        genai_errors.APIError.raise_for_response(response_of(answer(fault, GOOGLE_ERRORS)))
    error = caught.value
    assert (error.code, error.message) == (fault.status, "What happened.")
    assert error.status
    assert error.status != "UNKNOWN"
    assert error.details["error"]["type"] in (fault.code, "invalid_api_key")
    assert error.details["error"]["details"][0]["reason"] == fault.code.upper()


def events(data: bytes) -> list[tuple[str, dict[str, Any]]]:
    """Name and data of each event."""
    found = []
    for event in data.removesuffix(b"\n\n").split(b"\n\n"):
        lines = dict(line.split(b": ", 1) for line in event.split(b"\n"))
        found.append((lines.get(b"event", b"").decode(), msgspec.json.decode(lines[b"data"])))
    return found


def test_a_broken_chat_stream_ends_with_an_error_in_a_chunk() -> None:
    ((name, told),) = events(error_event(BROKEN, "upstream_mid_stream_failure", OPENAI_ERRORS))
    assert name == ""
    assert told["error"] == {
        "type": "provider_error",
        "code": "upstream_mid_stream_failure",
        "message": "It broke.",
        "param": None,
    }


def test_a_broken_message_stream_ends_with_an_error_of_a_kind_that_anthropic_has() -> None:
    ((name, told),) = events(error_event(BROKEN, "upstream_mid_stream_failure", ANTHROPIC_ERRORS))
    assert name == told["type"] == "error"
    assert (told["error"]["type"], told["error"]["message"]) == ("api_error", "It broke.")


def test_a_broken_response_stream_ends_with_an_error_and_a_failed_response() -> None:
    event = error_event(BROKEN, "upstream_mid_stream_failure", RESPONSES_ERRORS, "resp_1")
    (first, error), (second, failed) = events(event)
    assert (first, second) == ("error", "response.failed")
    assert ResponseErrorEvent.model_validate(error).code == "upstream_mid_stream_failure"
    assert error["error"]["message"] == "It broke."
    assert failed["response"]["id"] == "resp_1"
    assert failed["response"]["status"] == "failed"
    assert failed["response"]["error"]["message"] == "It broke."


def test_a_broken_gemini_stream_ends_with_googles_error_object() -> None:
    ((_, told),) = events(error_event(BROKEN, "upstream_mid_stream_failure", GOOGLE_ERRORS))
    assert (told["error"]["code"], told["error"]["status"]) == (502, "UNAVAILABLE")
    late = error_element(BROKEN, "upstream_mid_stream_failure", GOOGLE_ERRORS, is_first=False)
    assert msgspec.json.decode(b"[{}" + late)[1] == told
    early = error_element(BROKEN, "upstream_mid_stream_failure", GOOGLE_ERRORS, is_first=True)
    assert msgspec.json.decode(b"[" + early) == [told]


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "0"), (1, "0.000000001"), (1_500_000_000, "1.5"), (10**12, "1000"), (10**10, "10")],
)
def test_dollars_are_written_without_needless_digits(amount, text) -> None:
    assert usd(amount) == text
