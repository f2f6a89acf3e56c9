"""The controls of a provider's form, by type, and the provider that was typed into them. Saves and tests nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.authoring.providers import NewProvider
from core.models import Provider
from core.secrets import Secret
from rules.provider_types import AUTH_MODES, TYPES, Proof, default_url
from webapp.page_models.settings_pages import Field

RATES = ("rpm", "tpm", "rpd")
_OFF = {"autocomplete": "off", "spellcheck": "false"}
_SECRET = {"autocomplete": "new-password"}
_MODES = {
    "bearer": "Authorization: Bearer",
    "api-key": "api-key",
    "header": "A header of its own",
}

_SETTINGS: Mapping[str, Field] = {
    "region": Field("region", "Region", attrs=_OFF),
    "project": Field("project", "Project", help="The id of the Google Cloud project.", attrs=_OFF),
    "api_version": Field(
        "api_version",
        "API version",
        required=False,
        help="Such as 2024-10-21 for the classic API; empty for the v1 form.",
        attrs=_OFF,
    ),
    "deployments": Field(
        "deployments",
        "Deployments",
        "lines",
        "One a line: the model as callers name it = its name at the provider.",
        required=False,
    ),
    "auth_mode": Field(
        "auth_mode",
        "The key goes into",
        "select",
        options=[(mode, _MODES[mode]) for mode in AUTH_MODES],
    ),
    "auth_header": Field(
        "auth_header",
        "Name of the header",
        required=False,
        help="For a header of its own.",
        attrs=_OFF,
    ),
    "models": Field(
        "models", "Models", "lines", "One a line. Empty leaves it open.", required=False
    ),
    "blocked_models": Field(
        "blocked_models",
        "Blocked models",
        "lines",
        "One pattern a line, such as *opus*. They are never sent there.",
        required=False,
    ),
    "extra_headers": Field(
        "extra_headers",
        "Extra headers",
        "lines",
        "One a line: Name: value. Nothing secret.",
        required=False,
    ),
}
_RATE_LABELS = {
    "rpm": "Requests a minute",
    "tpm": "Tokens a minute",
    "rpd": "Requests a day",
}
MAIN = ("region", "project", "api_version", "auth_mode", "auth_header", "deployments")
_LINES = frozenset({"models", "blocked_models"})
_PAIRS = {"deployments": "=", "extra_headers": ":"}

_PARTS: Mapping[Proof, Sequence[tuple[str, str, str]]] = {
    Proof.AWS: (
        ("access_key", "Access key", ""),
        ("secret_key", "Secret key", ""),
        ("session_token", "Session token", "For temporary keys, which start with ASIA."),
    ),
    Proof.AZURE: (
        ("tenant_id", "Entra tenant", "With an application instead of a key."),
        ("client_id", "Client id", ""),
        ("client_secret", "Client secret", ""),
    ),
}
_FIRST_WAY = frozenset({"access_key", "secret_key"})
_PLAIN = frozenset({"access_key", "tenant_id", "client_id"})


@dataclass(frozen=True, slots=True)
class ProviderFields:
    """The controls of a form: those that always stand there, the credential's, and those behind a fold."""

    main: tuple[Field, ...]
    credential: tuple[Field, ...]
    more: tuple[Field, ...]

    @property
    def all(self) -> tuple[Field, ...]:
        """Every control."""
        return (*self.main, *self.credential, *self.more)


def fields_of(type_name: str, is_stored: bool) -> ProviderFields:
    """Return the controls for a type; a stored provider keeps its credential unless another is typed."""
    row = TYPES[type_name]
    name = Field("name", "Name", help="Callers may put it before a model: name/model.", attrs=_OFF)
    own = [_SETTINGS[setting] for setting in MAIN if setting in row.settings]
    more = [
        each for setting, each in _SETTINGS.items() if setting in row.settings and each not in own
    ]
    if row.proof is not Proof.NOTHING:
        more += [Field(n, _RATE_LABELS[n], "number", required=False) for n in RATES]
    main = (name, *_address(type_name), *own)
    return ProviderFields(main, credential_fields(type_name, is_stored), tuple(more))


def _address(type_name: str) -> tuple[Field, ...]:
    row = TYPES[type_name]
    if row.proof is Proof.NOTHING:
        return ()
    if not row.base_url:
        shown = "https://name.openai.azure.com" if type_name == "azure" else "https://host/v1"
        return (Field("base_url", "Address", "url", attrs={**_OFF, "placeholder": shown}),)
    own = "the one of the region" if row.needed_settings else row.base_url
    help = f"Empty for {own}."
    return (Field("base_url", "Address", "url", help, required=False, attrs=_OFF),)


def credential_fields(type_name: str, is_stored: bool = False) -> tuple[Field, ...]:
    """Return the controls of a type's credential."""
    row = TYPES[type_name]
    kept = "Empty keeps the one that is stored. " if is_stored else ""
    if row.proof is Proof.NOTHING:
        return ()
    if row.proof is Proof.GOOGLE:
        sentence = f"{kept}Paste the whole JSON file of the account's key."
        return (_secret("credential", "Service account", sentence, not is_stored),)
    where = f"Made at {row.key_page}." if row.key_page else "Leave it empty for an open endpoint."
    parts = _PARTS.get(row.proof, ())
    label = "or a Bedrock API key" if row.proof is Proof.AWS else "Key"
    is_needed = row.proof in (Proof.KEY, Proof.AZURE) and not is_stored
    key = _secret("credential", label, kept + where, is_needed)
    # Of two ways to prove an account the first is shown as the one to take.
    needed = _FIRST_WAY if row.proof is Proof.AWS and not is_stored else frozenset()
    others = tuple(
        Field(name, title, help=help, required=name in needed, attrs=_OFF)
        if name in _PLAIN
        else _secret(name, title, help, name in needed)
        for name, title, help in parts
    )
    return (*others, key) if row.proof is Proof.AWS else (key, *others)


def _secret(name: str, label: str, help: str, is_needed: bool) -> Field:
    return Field(name, label, "password", help, required=is_needed, attrs=_SECRET)


def values_of(row: Provider) -> dict[str, Any]:
    """Return what stands in the controls over a stored provider; nothing of its credential."""
    settings: dict[str, Any] = row.settings
    values: dict[str, Any] = {"name": row.name, "type": row.type}
    region = str(settings.get("region", ""))
    values["base_url"] = "" if row.base_url == default_url(row.type, region) else row.base_url
    for name, value in settings.items():
        if name in _PAIRS:
            mark = " = " if _PAIRS[name] == "=" else ": "
            values[name] = "\n".join(f"{key}{mark}{text}" for key, text in value.items())
        elif name in _LINES:
            values[name] = "\n".join(value)
        else:
            values[name] = value
    rates: dict[str, int | None] = row.rate_limits
    return values | {rate: amount for rate, amount in rates.items() if amount is not None}


def typed_provider(
    type_name: str, values: Mapping[str, Any], errors: dict[str, str]
) -> NewProvider:
    """Return the provider as typed; lines that can't be read are complained about in ``errors``."""
    row = TYPES[type_name]
    settings: dict[str, Any] = {}
    for name in row.settings:
        text = str(values.get(name, ""))
        if name in _PAIRS:
            settings[name] = _pairs(name, text, errors)
        elif name in _LINES:
            settings[name] = [line.strip() for line in text.splitlines() if line.strip()]
        else:
            settings[name] = text
    return NewProvider(
        str(values.get("name", "")),
        type_name,
        str(values.get("base_url", "")) if row.proof is not Proof.NOTHING else "",
        typed_credential(type_name, values),
        settings=settings,
        rate_limits=_rates(values, errors) if row.proof is not Proof.NOTHING else None,
    )


def typed_credential(type_name: str, values: Mapping[str, Any]) -> Secret | None:
    """Return the credential as typed, an object when its parts were; None when nothing was."""
    key = str(values.get("credential", "")).strip()
    names = [name for name, _, _ in _PARTS.get(TYPES[type_name].proof, ())]
    parts = {name: text for name in names if (text := str(values.get(name, "")).strip())}
    if parts:
        return Secret(json.dumps(parts))
    return Secret(key) if key else None


def _pairs(name: str, text: str, errors: dict[str, str]) -> dict[str, str]:
    mark, found = _PAIRS[name], dict[str, str]()
    for line in filter(str.strip, text.splitlines()):
        key, has_mark, value = line.partition(mark)
        if not has_mark or not key.strip() or not value.strip():
            errors.setdefault(name, f"Write {line.strip()[:40]} as two parts with {mark} between.")
        found[key.strip()] = value.strip()
    return found


def _rates(values: Mapping[str, Any], errors: dict[str, str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for name in RATES:
        text = str(values.get(name, "")).strip()
        if text and not (text.isascii() and text.isdigit() and len(text) < 14):
            errors.setdefault(name, "Give a whole number.")
        elif text:
            found[name] = int(text)
    return found


def errors_by_control(errors: Mapping[str, str]) -> dict[str, str]:
    """Return complaints under the names of the controls that they are about."""
    found: dict[str, str] = {}
    for name, sentence in errors.items():
        control = name.removeprefix("settings.").removeprefix("credential.")
        found.setdefault("rpm" if control == "rate_limits" else control, sentence)
    return found
