"""Fixtures of the SDK suite: each test runs straight at the provider and through the gateway."""

from collections.abc import Iterator

import pytest

from tests.provider.handle import FakeProvider
from tests.sdk.targets import Target, headers_of, straight, through
from tests.stack import Stack
from tests.stack_config import (
    ANTHROPIC_UPSTREAM_KEY,
    GEMINI_UPSTREAM_KEY,
    OPENAI_UPSTREAM_KEY,
)

KEY_HEADERS = ("authorization", "x-api-key", "x-goog-api-key", "api-key")


def own_key(target: str) -> str:
    """What the provider must have been shown for a path."""
    if ":" in target:
        return GEMINI_UPSTREAM_KEY
    is_anthropic = target.startswith("/v1/messages")
    return ANTHROPIC_UPSTREAM_KEY if is_anthropic else f"Bearer {OPENAI_UPSTREAM_KEY}"


@pytest.fixture
def direct(provider: FakeProvider) -> Target:
    return straight(provider)


@pytest.fixture
def gateway(stack: Stack, provider: FakeProvider) -> Iterator[Target]:
    """The gateway; afterwards: the provider saw its own key for the dialect and nothing of ours."""
    chosen = through(stack.gateway, provider)
    yield chosen
    for call in provider.calls():
        headers = headers_of(call)
        presented = [headers[name] for name in KEY_HEADERS if name in headers]
        assert presented == [own_key(call["target"])]
        seen = " ".join([call["target"], str(call["headers"]), call["body"] or ""])
        assert chosen.openai_key not in seen
        assert not [name for name in headers if name.startswith("x-langwatch")]


@pytest.fixture(params=["direct", "gateway"])
def target(request: pytest.FixtureRequest) -> Target:
    """The fake provider itself, then the gateway in front of it."""
    chosen: Target = request.getfixturevalue(request.param)
    return chosen
