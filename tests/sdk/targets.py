"""Where a test of this folder sends its requests, and the SDK clients pointed there.

A `Target` is either the fake provider itself (which proves the fake) or the gateway in front of
it (which proves the gateway). Tests see no difference but in what `through_gateway` allows.
"""

from dataclasses import dataclass, field
from typing import Any

import anthropic
import httpx
import httpx2
import openai
from google import genai
from google.genai import types as genai_types

from tests.provider.handle import FakeProvider
from tests.stack_config import (
    ANTHROPIC_UPSTREAM_KEY,
    DEV_KEY,
    GEMINI_UPSTREAM_KEY,
    OPENAI_UPSTREAM_KEY,
)

TIMEOUT_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Sent:
    """The bodies that an SDK put on the wire, in order."""

    bodies: list[bytes] = field(default_factory=list)

    def note(self, request: httpx2.Request | httpx.Request) -> None:
        """Event hook of a client."""
        self.bodies.append(request.content)

    async def note_async(self, request: httpx2.Request) -> None:
        """Event hook of an async client."""
        self.note(request)


@dataclass(frozen=True, slots=True)
class Target:
    """An address with the keys a client uses there."""

    url: str
    provider: FakeProvider
    openai_key: str
    anthropic_key: str
    gemini_key: str
    through_gateway: bool
    sent: Sent = field(default_factory=Sent)

    def openai_client(self, **options: Any) -> openai.OpenAI:
        """A client that never retries, so that a test sees each answer."""
        client = httpx2.Client(
            timeout=TIMEOUT_SECONDS, event_hooks={"request": [self.sent.note]}, trust_env=False
        )
        return openai.OpenAI(
            base_url=f"{self.url}/v1",
            http_client=client,
            max_retries=0,
            **{"api_key": self.openai_key, **options},
        )

    def async_openai_client(self) -> openai.AsyncOpenAI:
        """As `openai_client`, async."""
        return openai.AsyncOpenAI(
            base_url=f"{self.url}/v1",
            http_client=self._async_client(),
            max_retries=0,
            api_key=self.openai_key,
        )

    def anthropic_client(self, **options: Any) -> anthropic.Anthropic:
        """A client that never retries, so that a test sees each answer."""
        client = httpx2.Client(
            timeout=TIMEOUT_SECONDS, event_hooks={"request": [self.sent.note]}, trust_env=False
        )
        return anthropic.Anthropic(
            base_url=self.url,
            http_client=client,
            max_retries=0,
            **{"api_key": self.anthropic_key, **options},
        )

    def async_anthropic_client(self) -> anthropic.AsyncAnthropic:
        """As `anthropic_client`, async."""
        return anthropic.AsyncAnthropic(
            base_url=self.url,
            http_client=self._async_client(),
            max_retries=0,
            api_key=self.anthropic_key,
        )

    def gemini_client(self, **options: Any) -> genai.Client:
        """A client that never retries, so that a test sees each answer."""
        client = httpx.Client(
            timeout=TIMEOUT_SECONDS, event_hooks={"request": [self.sent.note]}, trust_env=False
        )
        http = genai_types.HttpOptions(
            base_url=self.url, httpx_client=client, **options.pop("http", {})
        )
        return genai.Client(http_options=http, **{"api_key": self.gemini_key, **options})

    def raw(self) -> httpx.Client:
        """A plain HTTP client without any header of its own beyond the necessary."""
        return httpx.Client(base_url=self.url, timeout=TIMEOUT_SECONDS, trust_env=False)

    def _async_client(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            timeout=TIMEOUT_SECONDS,
            event_hooks={"request": [self.sent.note_async]},
            trust_env=False,
        )


def straight(provider: FakeProvider) -> Target:
    """The provider itself, with its own keys."""
    return Target(
        provider.url,
        provider,
        OPENAI_UPSTREAM_KEY,
        ANTHROPIC_UPSTREAM_KEY,
        GEMINI_UPSTREAM_KEY,
        False,
    )


def through(gateway_url: str, provider: FakeProvider) -> Target:
    """The gateway in front of the provider, with one virtual key for all dialects."""
    return Target(gateway_url, provider, DEV_KEY, DEV_KEY, DEV_KEY, True)


def headers_of(call: dict[str, Any]) -> dict[str, str]:
    """The recorded headers of a call, names in lower case."""
    return {name.lower(): value for name, value in call["headers"]}
