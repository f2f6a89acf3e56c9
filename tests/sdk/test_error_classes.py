"""Provider errors reach both SDKs as the class, body and headers that the provider meant."""

import anthropic
import openai
import pytest
from google.genai import errors as genai_errors

from tests.sdk.targets import Target

HELLO = [{"role": "user", "content": "hello"}]
OPENAI_CLASSES = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    402: openai.APIStatusError,
    403: openai.PermissionDeniedError,
    404: openai.NotFoundError,
    429: openai.RateLimitError,
    500: openai.InternalServerError,
    503: openai.InternalServerError,
}
ANTHROPIC_CLASSES = {
    400: (anthropic.BadRequestError, "invalid_request_error"),
    401: (anthropic.AuthenticationError, "authentication_error"),
    402: (anthropic.PaymentRequiredError, "billing_error"),
    403: (anthropic.PermissionDeniedError, "permission_error"),
    404: (anthropic.NotFoundError, "not_found_error"),
    429: (anthropic.RateLimitError, "rate_limit_error"),
    500: (anthropic.InternalServerError, "api_error"),
    529: (anthropic.OverloadedError, "overloaded_error"),
}


def behave(script: str) -> dict[str, str]:
    return {"x-fake-behaviour": script}


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("status", OPENAI_CLASSES)
def test_openai_raises_the_class_of_the_provider_status(
    target: Target, status: int, streamed: bool
) -> None:
    with target.openai_client() as client, pytest.raises(OPENAI_CLASSES[status]) as caught:
        client.chat.completions.create(
            model="gpt-4o-mini",
            messages=HELLO,  # type: ignore[arg-type]
            stream=streamed,
            extra_headers=behave(f"status={status},retry_after=7,should_retry=false"),
        )
    error = caught.value
    assert error.status_code == status
    assert error.response.headers["retry-after"] == "7"
    assert error.response.headers["x-should-retry"] == "false"
    assert isinstance(error.body, dict)
    assert set(error.body) == {"message", "type", "param", "code"}


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("status", ANTHROPIC_CLASSES)
def test_anthropic_raises_the_class_of_the_provider_status(
    target: Target, status: int, streamed: bool
) -> None:
    expected, kind = ANTHROPIC_CLASSES[status]
    with target.anthropic_client() as client, pytest.raises(expected) as caught:
        client.messages.create(
            model="claude-haiku-4-5",
            max_tokens=16,
            messages=HELLO,  # type: ignore[arg-type]
            stream=streamed,
            extra_headers=behave(f"status={status},retry_after=7,should_retry=false"),
        )
    error = caught.value
    assert error.status_code == status
    assert error.response.headers["retry-after"] == "7"
    assert error.response.headers["x-should-retry"] == "false"
    assert isinstance(error.body, dict)
    assert error.body["error"]["type"] == kind


def test_a_rate_limited_call_succeeds_when_the_sdk_retries(target: Target) -> None:
    target.provider.behave("status=429,retry_after=0.01", times=1)
    with target.openai_client() as client:
        answer = client.with_options(max_retries=2).chat.completions.create(
            model="gpt-4o-mini",
            messages=HELLO,  # type: ignore[arg-type]
        )
    assert answer.choices
    assert [call["status"] for call in target.provider.calls()] == [429, 200]


def test_an_error_inside_an_openai_stream_raises(target: Target) -> None:
    with target.openai_client() as client, pytest.raises(openai.APIError, match="had an error"):
        list(
            client.chat.completions.create(
                model="gpt-4o-mini",
                messages=HELLO,  # type: ignore[arg-type]
                stream=True,
                stream_options={"include_usage": True},
                extra_headers=behave("error_after=4"),
            )
        )


def test_an_error_inside_an_anthropic_stream_raises(target: Target) -> None:
    with target.anthropic_client() as client, pytest.raises(anthropic.APIStatusError) as caught:
        list(
            client.messages.create(
                model="claude-haiku-4-5",
                max_tokens=16,
                messages=HELLO,  # type: ignore[arg-type]
                stream=True,
                extra_headers=behave("error_after=4"),
            )
        )
    assert "Overloaded" in str(caught.value)


@pytest.mark.parametrize("script", ["reset_after=4", "cut_after=4"])
def test_a_stream_cut_by_the_provider_raises_in_the_sdk(target: Target, script: str) -> None:
    """Never a clean end: aider would take half an answer for the whole."""
    with target.openai_client() as client:
        stream = client.chat.completions.create(
            model="gpt-4o-mini",
            messages=HELLO,  # type: ignore[arg-type]
            stream=True,
            stream_options={"include_usage": True},
            extra_headers=behave(script),
        )
        with pytest.raises(Exception) as caught:
            list(stream)
    assert "httpx2" in type(caught.value).__module__ or isinstance(caught.value, openai.OpenAIError)


def test_a_torn_response_is_an_error_to_openais_sdk(gateway: Target) -> None:
    gateway.provider.behave("reset_after=4,delay_ms=5", times=1)
    with gateway.openai_client() as client, pytest.raises(openai.APIError) as caught:
        list(client.responses.create(model="gpt-5.1", input="hello", stream=True))
    assert caught.value.code == "upstream_mid_stream_failure"


def test_a_torn_message_is_an_error_to_anthropics_sdk(gateway: Target) -> None:
    gateway.provider.behave("cut_after=4,delay_ms=5", times=1)
    with gateway.anthropic_client() as client, pytest.raises(anthropic.APIStatusError) as caught:
        list(
            client.messages.create(
                model="claude-haiku-4-5",
                max_tokens=16,
                messages=HELLO,  # type: ignore[arg-type]
                stream=True,
            )
        )
    assert "upstream_mid_stream_failure" in str(caught.value)


@pytest.mark.parametrize("script", ["reset_after=4,delay_ms=5", "end_after=4"])
def test_torn_contents_are_an_error_to_googles_sdk(gateway: Target, script: str) -> None:
    gateway.provider.behave(script, times=1)
    client = gateway.gemini_client()
    stream = client.models.generate_content_stream(model="gemini-2.5-flash", contents="hello")
    with pytest.raises(genai_errors.ServerError) as caught:
        list(stream)
    assert (caught.value.code, caught.value.status) == (502, "UNAVAILABLE")
    client.close()
