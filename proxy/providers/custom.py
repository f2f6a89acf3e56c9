"""Custom endpoints that speak OpenAI's dialect: vLLM, Ollama, OpenRouter and their like. The key is optional."""

from proxy.dialects.openai_chat import OPENAI_CHAT
from proxy.providers.openai import address, credential_headers
from proxy.providers.provider import Provider

CUSTOM = Provider(
    "custom", frozenset({OPENAI_CHAT.name}), address, credential_headers, asks_for_usage=True
)
