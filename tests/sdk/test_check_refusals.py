"""What policies, guardrails and cache modes refuse, as the vendors' SDKs take it."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import openai
import pytest
from google import genai
from google.genai import errors as genai_errors

from core.authoring import guardrails
from core.authoring.actor import system
from core.clock import utcnow
from core.models import Organization
from core.secrets import Secret, sealer_for
from tests.provider.handle import FakeProvider
from tests.sdk.targets import Target, through
from tests.stack import StackOptions, running

# One worker runs them all, so that one stack is started.
pytestmark = pytest.mark.xdist_group("check refusals")

FORBIDDEN = "xylophone"
STREAMED_WORD = "calm"
"""A word of every answer of the fake provider."""
RULES = "policy_rules: {tools: {deny: ['^bash$']}, urls: {deny: ['evil']}, models: {deny: ['^gpt-4$', 'opus', 'pro$']}}"


def keywords(name: str, word: str, *directions: str) -> guardrails.NewGuardrail:
    settings = {"keywords": [word]}
    return guardrails.NewGuardrail(
        name, "organization", "", "keywords", settings, directions, is_automatic=True
    )


@pytest.fixture(scope="module")
def governed(
    provider_process: FakeProvider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Target]:
    """A gateway whose key has rules on everything and guardrails on both sides."""
    directory = tmp_path_factory.mktemp("governed")
    with running(directory, provider_process, StackOptions(key_extras={"dev-cli": RULES})) as stack:
        sealer = sealer_for(Secret("seals nothing here"))
        with stack.database():
            actor = system(Organization.get().id)
            for new in (
                keywords("no music", FORBIDDEN, "request"),
                keywords("no peace", STREAMED_WORD, "response"),
            ):
                guardrails.create(actor, new, sealer, utcnow())
        yield through(stack.gateway, provider_process)


def chat(target: Target, model: str = "gpt-4o-mini", text: str = "hello", **more: Any) -> Any:
    with target.openai_client() as client:
        said: Any = [{"role": "user", "content": text}]
        return client.chat.completions.create(model=model, messages=said, **more)


def message(
    target: Target, model: str = "claude-haiku-4-5", text: str = "hello", **more: Any
) -> Any:
    with target.anthropic_client() as client:
        said: Any = [{"role": "user", "content": text}]
        return client.messages.create(model=model, max_tokens=99, messages=said, **more)


@contextlib.contextmanager
def gemini(target: Target) -> Iterator[genai.Client]:
    """Google's client leaves the HTTP client that it was given to whoever gave it."""
    client = target.gemini_client()
    try:
        yield client
    finally:
        given = client._api_client._http_options.httpx_client
        assert given is not None
        given.close()


def content(
    target: Target, model: str = "gemini-2.5-flash", text: str = "hello", **config: Any
) -> Any:
    with gemini(target) as client:
        return client.models.generate_content(model=model, contents=text, config=config or None)  # type: ignore[arg-type]


TOOLS: dict[str, dict[str, Any]] = {
    "openai": {"tools": [{"type": "function", "function": {"name": "bash", "parameters": {}}}]},
    "anthropic": {"tools": [{"name": "bash", "input_schema": {"type": "object"}}]},
    "gemini": {"tools": [{"function_declarations": [{"name": "bash"}]}]},
}
CALLS: dict[str, tuple[Callable[..., Any], type[Exception], str]] = {
    "openai": (chat, openai.PermissionDeniedError, "gpt-4"),
    "anthropic": (message, anthropic.PermissionDeniedError, "claude-opus-4-5"),
    "gemini": (content, genai_errors.ClientError, "gemini-2.5-pro"),
}


@pytest.fixture(params=CALLS)
def sdk(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize(
    ("code", "asked"),
    [
        ("tool_not_allowed", "tools"),
        ("url_not_allowed", "url"),
        ("model_not_allowed", "model"),
        ("guardrail_blocked", "text"),
    ],
)
def test_each_refusal_is_an_error_of_permission(
    governed: Target, provider: FakeProvider, sdk: str, code: str, asked: str
) -> None:
    call, error, denied = CALLS[sdk]
    more: dict[str, Any] = {
        "tools": TOOLS[sdk],
        "url": {"text": "see https://evil.test/page"},
        "model": {"model": denied},
        "text": {"text": f"play the {FORBIDDEN}"},
    }[asked]
    with pytest.raises(error) as caught:
        call(governed, **more)
    said = told_by(caught.value)
    assert "403" in said or getattr(caught.value, "status_code", 0) == 403
    assert code in said
    assert provider.calls() == []


def told_by(error: Exception) -> str:
    """Everything that an SDK's error says."""
    return f"{error} {getattr(error, 'code', '')} {getattr(error, 'body', '')}"


def test_an_answer_that_is_blocked_is_an_error_of_permission(governed: Target, sdk: str) -> None:
    call, error, _ = CALLS[sdk]
    with pytest.raises(error) as caught:
        call(governed)
    assert "guardrail_blocked" in told_by(caught.value)


def test_a_blocked_stream_raises_while_it_is_read(governed: Target) -> None:
    said: Any = [{"role": "user", "content": "hello"}]
    with (
        governed.openai_client() as client,
        pytest.raises(openai.APIError) as told,
        client.chat.completions.create(model="gpt-4o", messages=said, stream=True) as stream,
    ):
        list(stream)
    assert "no peace" in told_by(told.value)
    with (
        governed.anthropic_client() as speaker,
        pytest.raises(anthropic.APIError) as heard,
        speaker.messages.stream(model="claude-haiku-4-5", max_tokens=99, messages=said) as lines,
    ):
        list(lines)
    assert "no peace" in told_by(heard.value)
    with (
        gemini(governed) as reader,
        pytest.raises(genai_errors.APIError) as read,
    ):
        list(reader.models.generate_content_stream(model="gemini-2.5-flash", contents="hello"))
    assert "no peace" in told_by(read.value)


@pytest.mark.parametrize(
    ("word", "code"),
    [("ttl=60", "cache_override_not_implemented"), ("sometimes", "cache_override_invalid")],
)
def test_a_wrong_cache_mode_is_a_bad_request(governed: Target, word: str, code: str) -> None:
    headers = {"x-langwatch-cache": word}
    with pytest.raises(openai.BadRequestError) as told:
        chat(governed, extra_headers=headers)
    assert told.value.code == code
    with pytest.raises(anthropic.BadRequestError) as said:
        message(governed, extra_headers=headers)
    assert code in str(said.value.body)
