"""Fixtures of the SDK suite: each test runs straight at the provider and through the gateway."""

from collections.abc import Iterator

import pytest

from tests.provider.handle import FakeProvider
from tests.sdk.targets import ANTHROPIC_PROVIDER_KEY, OPENAI_PROVIDER_KEY, Target, headers_of


@pytest.fixture
def direct(provider: FakeProvider) -> Target:
    return Target(
        url=provider.url,
        provider=provider,
        openai_key=OPENAI_PROVIDER_KEY,
        anthropic_key=ANTHROPIC_PROVIDER_KEY,
        through_gateway=False,
    )


@pytest.fixture(params=["direct"])
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    """The target, and afterwards: the provider saw its own keys and nothing of ours."""
    chosen: Target = request.getfixturevalue(request.param)
    yield chosen
    for call in chosen.provider.calls():
        headers = headers_of(call)
        presented = headers.get("x-api-key") or headers.get("authorization", "")
        assert presented.removeprefix("Bearer ") in (OPENAI_PROVIDER_KEY, ANTHROPIC_PROVIDER_KEY)
        if chosen.through_gateway:
            seen = " ".join([call["target"], str(call["headers"]), call["body"] or ""])
            assert chosen.openai_key not in seen
            assert chosen.anthropic_key not in seen
