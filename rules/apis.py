"""The APIs of which requests are translated into one another, and which provider types take each as it comes. Pure."""

from collections.abc import Mapping
from enum import StrEnum


class Api(StrEnum):
    """An API that callers speak. Every provider answers all four, some by a translation."""

    CHAT = "openai_chat"
    RESPONSES = "openai_responses"
    MESSAGES = "anthropic_messages"
    GEMINI = "gemini"


_NATIVE: Mapping[str, frozenset[Api]] = {
    "anthropic": frozenset({Api.MESSAGES}),
    "bedrock": frozenset({Api.MESSAGES}),
    "gemini": frozenset({Api.GEMINI}),
    "vertex": frozenset({Api.MESSAGES, Api.GEMINI}),
    "sandbox": frozenset(Api),
}
_OPENAI = frozenset({Api.CHAT, Api.RESPONSES})


def is_native(provider_type: str, api: Api) -> bool:
    """Say whether providers of a type take requests of an API as they come, without a translation."""
    return api in _NATIVE.get(provider_type, _OPENAI)
