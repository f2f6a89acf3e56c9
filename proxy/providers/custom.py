"""Custom endpoints that speak OpenAI's dialect: vLLM, Ollama, OpenRouter and their like. The key is optional."""

from proxy.dialects.openai_chat import OPENAI_CHAT
from proxy.providers.openai import api_root
from proxy.providers.provider import Provider, bearer

CUSTOM = Provider("custom", frozenset({OPENAI_CHAT.name}), api_root, bearer, asks_for_usage=True)
