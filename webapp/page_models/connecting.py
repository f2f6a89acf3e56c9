"""How each tool is told about the gateway and a key: text to copy. It knows no key but the one it is given."""

from __future__ import annotations

from dataclasses import dataclass

PLACEHOLDER = "lw_vk_live_…"
"""Stands where a key goes that nobody can show any more."""
_MODELS = {
    "anthropic": "claude-sonnet-4-5",
    "bedrock": "claude-sonnet-4-5",
    "vertex": "gemini-2.5-flash",
    "gemini": "gemini-2.5-flash",
    "sandbox": "sandbox-small",
}
_OTHER_MODEL = "gpt-5-mini"


@dataclass(frozen=True, slots=True)
class Snippet:
    """What one tool needs. ``where`` says where it goes."""

    id: str
    tool: str
    where: str
    text: str


def model_for(provider_type: str) -> str:
    """Return a model that a provider of a type is likely to have."""
    return _MODELS.get(provider_type, _OTHER_MODEL)


def snippets(
    gateway_url: str, secret: str = PLACEHOLDER, model: str = _OTHER_MODEL
) -> list[Snippet]:
    """Return a snippet for each tool, the gateway's public address and the key filled in."""
    return [
        Snippet("curl", "curl", "One call in a terminal.", _curl(gateway_url, secret, model)),
        Snippet(
            "claude-code",
            "Claude Code",
            "In the terminal that starts it, or under env in ~/.claude/settings.json.",
            f"export ANTHROPIC_BASE_URL={gateway_url}\nexport ANTHROPIC_AUTH_TOKEN={secret}\nclaude",
        ),
        Snippet(
            "codex",
            "Codex",
            "The first part belongs in ~/.codex/config.toml, the last line in the terminal.",
            _codex(gateway_url, secret),
        ),
        Snippet(
            "gemini-cli",
            "Gemini CLI",
            "In the terminal that starts it; choose Use Gemini API key once.",
            f"export GOOGLE_GEMINI_BASE_URL={gateway_url}\nexport GEMINI_API_KEY={secret}\ngemini",
        ),
        Snippet(
            "cursor",
            "Cursor",
            "Settings, Models: switch on Override OpenAI Base URL. Cursor calls from its own servers, "
            "so the address must be reachable from the internet.",
            f"OpenAI API Key: {secret}\nOverride OpenAI Base URL: {gateway_url}/v1",
        ),
        Snippet("openai-sdk", "OpenAI SDK", "Python.", _openai(gateway_url, secret, model)),
        Snippet("anthropic-sdk", "Anthropic SDK", "Python.", _anthropic(gateway_url, secret)),
    ]


def _curl(gateway_url: str, secret: str, model: str) -> str:
    body = f'{{"model": "{model}", "messages": [{{"role": "user", "content": "Hello"}}]}}'
    return (
        f"curl -sS {gateway_url}/v1/chat/completions \\\n"
        f"  -H 'Authorization: Bearer {secret}' \\\n"
        "  -H 'Content-Type: application/json' \\\n"
        f"  -d '{body}'"
    )


def _codex(gateway_url: str, secret: str) -> str:
    return (
        'model_provider = "langwatch"\n\n[model_providers.langwatch]\nname = "LangWatch"\n'
        f'base_url = "{gateway_url}/v1"\nenv_key = "VIRTUAL_KEY"\nwire_api = "responses"\n\n'
        f"export VIRTUAL_KEY={secret}"
    )


def _openai(gateway_url: str, secret: str, model: str) -> str:
    return (
        "from openai import OpenAI\n\n"
        f'client = OpenAI(base_url="{gateway_url}/v1", api_key="{secret}")\n'
        f'answer = client.responses.create(model="{model}", input="Hello")\n'
        "print(answer.output_text)"
    )


def _anthropic(gateway_url: str, secret: str) -> str:
    return (
        "from anthropic import Anthropic\n\n"
        f'client = Anthropic(base_url="{gateway_url}", auth_token="{secret}")\n'
        "answer = client.messages.create(\n"
        '    model="claude-sonnet-4-5", max_tokens=200, messages=[{"role": "user", "content": "Hello"}]\n'
        ")\nprint(answer.content[0].text)"
    )
