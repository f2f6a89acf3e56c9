"""The types of providers: where each lies by default, what proves an account there, what else it needs. Pure.

How a type is spoken to is the gateway's affair; whether what was entered is right is the authoring's.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass

SANDBOX = "sandbox"
SANDBOX_URL = "sandbox://"
SANDBOX_MODELS = ("sandbox-small", "sandbox-large")


class Proof(enum.Enum):
    """What proves an account."""

    NOTHING = "nothing"
    KEY = "key"
    OPTIONAL_KEY = "optional key"
    AZURE = "key or Entra application"
    AWS = "AWS access key or Bedrock API key"
    GOOGLE = "service account"


COMMON_SETTINGS = ("models", "blocked_models", "extra_headers")


@dataclass(frozen=True, slots=True)
class ProviderType:
    """One type. ``base_url`` is the default address, in which ``{region}`` stands for that setting."""

    name: str
    label: str
    base_url: str = ""
    """Empty where every account has an address of its own."""
    proof: Proof = Proof.KEY
    own_settings: tuple[str, ...] = ()
    needed_settings: tuple[str, ...] = ()
    catalogue: str = ""
    """What the price catalogue calls the provider; empty where models are looked up by name alone."""
    key_page: str = ""
    """Where at the vendor a key is made."""

    @property
    def settings(self) -> tuple[str, ...]:
        """The names of all settings that the type takes."""
        return () if self.name == SANDBOX else (*self.own_settings, *COMMON_SETTINGS)


_AUTH = ("auth_mode", "auth_header")
_OWN = (
    ProviderType(
        "openai",
        "OpenAI",
        "https://api.openai.com/v1",
        catalogue="openai",
        key_page="platform.openai.com/api-keys",
    ),
    ProviderType(
        "anthropic",
        "Anthropic",
        "https://api.anthropic.com",
        catalogue="anthropic",
        key_page="console.anthropic.com/settings/keys",
    ),
    ProviderType(
        "azure",
        "Azure OpenAI",
        proof=Proof.AZURE,
        own_settings=("api_version", "deployments"),
        catalogue="azure",
        key_page="Keys and Endpoint of the resource in the Azure portal",
    ),
    ProviderType(
        "gemini",
        "Gemini API",
        "https://generativelanguage.googleapis.com",
        catalogue="google",
        key_page="aistudio.google.com/apikey",
    ),
    ProviderType(
        "vertex",
        "Vertex AI",
        "https://{region}-aiplatform.googleapis.com",
        Proof.GOOGLE,
        ("project", "region", "deployments"),
        ("project", "region"),
        "google",
        "IAM & Admin, Service Accounts in the Google Cloud console",
    ),
    ProviderType(
        "bedrock",
        "Amazon Bedrock",
        "https://bedrock-runtime.{region}.amazonaws.com",
        Proof.AWS,
        ("region", "deployments"),
        ("region",),
        "aws",
        "IAM, Users, Security credentials in the AWS console",
    ),
)


def _family(name: str, label: str, base_url: str, catalogue: str, key_page: str) -> ProviderType:
    return ProviderType(name, label, base_url, catalogue=catalogue, key_page=key_page)


COMPATIBLE = (
    _family("groq", "Groq", "https://api.groq.com/openai/v1", "groq", "console.groq.com/keys"),
    _family("xai", "xAI", "https://api.x.ai/v1", "x-ai", "console.x.ai"),
    _family(
        "deepseek",
        "DeepSeek",
        "https://api.deepseek.com/v1",
        "deepseek",
        "platform.deepseek.com/api_keys",
    ),
    _family("cerebras", "Cerebras", "https://api.cerebras.ai/v1", "cerebras", "cloud.cerebras.ai"),
    _family(
        "mistral", "Mistral", "https://api.mistral.ai/v1", "mistral", "console.mistral.ai/api-keys"
    ),
    _family(
        "openrouter",
        "OpenRouter",
        "https://openrouter.ai/api/v1",
        "openrouter",
        "openrouter.ai/settings/keys",
    ),
    _family(
        "together",
        "Together AI",
        "https://api.together.xyz/v1",
        "together",
        "api.together.ai/settings/api-keys",
    ),
    _family(
        "fireworks",
        "Fireworks AI",
        "https://api.fireworks.ai/inference/v1",
        "fireworks",
        "app.fireworks.ai/settings/users/api-keys",
    ),
    _family(
        "moonshot",
        "Moonshot AI",
        "https://api.moonshot.ai/v1",
        "moonshotai",
        "platform.moonshot.ai/console/api-keys",
    ),
    _family("voyage", "Voyage AI", "https://api.voyageai.com/v1", "voyageai", "dash.voyageai.com"),
)
"""Vendors whose whole API is OpenAI's, at an address that is known."""

_LAST = (
    ProviderType(
        "custom",
        "OpenAI-compatible endpoint",
        proof=Proof.OPTIONAL_KEY,
        own_settings=(*_AUTH, "deployments"),
    ),
    ProviderType(SANDBOX, "Sandbox", SANDBOX_URL, Proof.NOTHING),
)

TYPES: Mapping[str, ProviderType] = {row.name: row for row in (*_OWN, *COMPATIBLE, *_LAST)}

SPELLINGS: Mapping[str, str] = {
    "azure_openai": "azure",
    "aws_bedrock": "bedrock",
    "vertex_ai": "vertex",
    "google_vertex": "vertex",
    "google_gemini": "gemini",
}
"""Other words for a type that callers put before the slash of a model."""

AUTH_MODES = ("bearer", "api-key", "header")
"""How a custom endpoint takes its key: in Authorization, in ``api-key``, or in a header that is named."""

_WHOLE_REGIONS = ("us", "eu")


def default_url(type_name: str, region: str) -> str:
    """Return the address of a type in a region; empty where it must be entered.

    Vertex has other hosts for its global and its multi-region endpoints than for single regions.
    """
    if type_name == "vertex" and region == "global":
        return "https://aiplatform.googleapis.com"
    if type_name == "vertex" and region in _WHOLE_REGIONS:
        return f"https://aiplatform.{region}.rep.googleapis.com"
    address = TYPES[type_name].base_url
    if "{region}" not in address:
        return address
    return address.replace("{region}", region) if region else ""
