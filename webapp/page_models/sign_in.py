"""What the pages before the first sign-in show: sign-in, setup and welcome. They look nothing up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SignInPage:
    """The sign-in form; ``target`` is where it leads."""

    target: str
    email: str = ""
    error: str = ""
    connections: tuple[tuple[str, str], ...] = ()
    """Id and name of each company's own way to sign in."""
    only_through: tuple[str, str] | None = None
    """The one way that the address typed may use."""
    has_nobody: bool = False
    """Whether nobody can sign in yet, as the first administrator is still to be made."""


@dataclass(frozen=True, slots=True)
class HomePage:
    """Where people land who have no other place to begin at."""

    name: str
    organization_name: str


@dataclass(frozen=True, slots=True)
class SetupPage:
    """The form for the first administrator."""

    token: str
    name: str = ""
    email: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)
    organization: str = ""
    is_unnamed: bool = True
    """Whether nobody has named the organization yet, so that it is asked for."""


@dataclass(frozen=True, slots=True)
class WelcomePage:
    """The first personal key with requests that use it; ``secret`` is empty once it has been shown."""

    name: str
    gateway_url: str
    secret: str = ""
    openai_curl: str = ""
    anthropic_curl: str = ""


SANDBOX_MODEL = "sandbox-small"
"""A model that only the sandbox has, so that the request goes there whatever else the key may use."""


def openai_curl(gateway_url: str, secret: str) -> str:
    """Return a first request in OpenAI's dialect."""
    return (
        f"curl -sS {gateway_url}/v1/chat/completions \\\n"
        f"  -H 'Authorization: Bearer {secret}' \\\n"
        "  -H 'Content-Type: application/json' \\\n"
        f"""  -d '{{"model": "{SANDBOX_MODEL}", "messages": [{{"role": "user", "content": "Hello"}}]}}'"""
    )


def anthropic_curl(gateway_url: str, secret: str) -> str:
    """Return a first request in Anthropic's dialect."""
    return (
        f"curl -sS {gateway_url}/v1/messages \\\n"
        f"  -H 'x-api-key: {secret}' \\\n"
        "  -H 'anthropic-version: 2023-06-01' \\\n"
        "  -H 'Content-Type: application/json' \\\n"
        f"""  -d '{{"model": "{SANDBOX_MODEL}", "max_tokens": 64, """
        """"messages": [{"role": "user", "content": "Hello"}]}'"""
    )


@dataclass(frozen=True, slots=True)
class JoinPage:
    """The form that an invitation opens."""

    token: str
    organization_name: str
    email: str
    name: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)
    only_through: tuple[str, str] | None = None
    """The company's own way to sign in, when this address may use no other."""


@dataclass(frozen=True, slots=True)
class PasswordPage:
    """The form of a link for a new password; without a token, the form that asks for one."""

    token: str = ""
    email: str = ""
    error: str = ""
    is_sent: bool = False
    mails: bool = False
