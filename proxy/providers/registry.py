"""The provider types, a row each. Adding one is a file beside this and a row here."""

from proxy.providers.anthropic import ANTHROPIC
from proxy.providers.custom import CUSTOM
from proxy.providers.openai import OPENAI
from proxy.providers.provider import Provider
from proxy.providers.sandbox import SANDBOX

PROVIDERS: dict[str, Provider] = {row.type: row for row in (OPENAI, ANTHROPIC, CUSTOM, SANDBOX)}

FAMILIES = frozenset(
    {
        *PROVIDERS,
        "azure",
        "azure_openai",
        "bedrock",
        "aws_bedrock",
        "vertex",
        "vertex_ai",
        "google_vertex",
        "gemini",
        "google_gemini",
        "xai",
        "groq",
        "cerebras",
        "deepseek",
        "voyage",
        "elevenlabs",
        "cloudflare",
    }
)
"""Words before a slash that name a family of providers, so that an unbound one is refused by name."""
