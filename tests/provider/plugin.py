"""Pytest fixtures of the fake provider: one process a session, forgotten between tests."""

from collections.abc import Iterator

import pytest

from tests.provider.handle import FakeProvider, fake_provider


@pytest.fixture(scope="session")
def provider_process() -> Iterator[FakeProvider]:
    with fake_provider() as running:
        yield running


@pytest.fixture
def provider(provider_process: FakeProvider) -> FakeProvider:
    provider_process.wait_for(lambda state: state["open_calls"] == 0)
    provider_process.reset()
    return provider_process
