"""The provider types, a row each. Adding one is a file beside this and a row here."""

from proxy.providers import custom
from proxy.providers.anthropic import ANTHROPIC
from proxy.providers.azure import AZURE
from proxy.providers.bedrock import BEDROCK
from proxy.providers.custom import CUSTOM
from proxy.providers.gemini import GEMINI_PROVIDER
from proxy.providers.openai import OPENAI
from proxy.providers.provider import Provider
from proxy.providers.sandbox import SANDBOX
from proxy.providers.vertex import VERTEX

PROVIDERS: dict[str, Provider] = {
    row.type: row
    for row in (
        OPENAI,
        ANTHROPIC,
        AZURE,
        GEMINI_PROVIDER,
        VERTEX,
        BEDROCK,
        *custom.FAMILIES,
        CUSTOM,
        SANDBOX,
    )
}
