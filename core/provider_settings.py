"""What a provider needs to be told beside its address: the settings, and the parts of its credential.

Read alike by the gateway and by whoever tests a connection. Checks nothing; authoring has done that.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any

import msgspec

from core.secrets import Secret

_NO_NAMES: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """The settings of a provider. An empty value is one that was not given."""

    region: str = ""
    project: str = ""
    api_version: str = ""
    """Azure: the version of the classic API; without one its ``v1`` form is spoken."""
    deployments: Mapping[str, str] = field(default_factory=lambda: _NO_NAMES)
    """Model to what the provider calls it: an Azure deployment, a Bedrock profile, a Vertex version."""
    auth_mode: str = "bearer"
    auth_header: str = ""
    extra_headers: Mapping[str, str] = field(default_factory=lambda: _NO_NAMES)
    models: tuple[str, ...] = ()
    """The models that the provider is declared to serve; empty says nothing."""
    blocked_models: tuple[str, ...] = ()
    """Patterns of models that are never sent there; ``*`` stands for anything."""

    def name_of(self, model: str) -> str:
        """Return what the provider calls a model."""
        return self.deployments.get(model, model)

    def serves(self, model: str) -> bool:
        """Say whether a model may be sent there: none of the patterns blocks it."""
        # Azure, for one, takes a name in any case.
        name = model.strip().casefold()
        return not any(fnmatchcase(name, pattern.casefold()) for pattern in self.blocked_models)


NO_SETTINGS = ProviderSettings()


def read_settings(stored: Mapping[str, Any]) -> ProviderSettings:
    """Return settings from their JSON object; what is not known here is left out."""
    if not stored:
        return NO_SETTINGS
    values: dict[str, Any] = {}
    for name in ProviderSettings.__dataclass_fields__:
        value = stored.get(name)
        if value is not None:
            values[name] = tuple(value) if isinstance(value, list) else value
    return ProviderSettings(**values)


@dataclass(frozen=True, slots=True)
class Credential:
    """A credential taken apart: one key, or the named parts of a JSON object. Never printed."""

    key: Secret
    """Empty when the credential is an object."""
    parts: Mapping[str, Secret] = field(default_factory=lambda: _NO_NAMES)
    account: str = ""
    """A digest under which what belongs to the credential can be kept, such as a token."""

    def part(self, name: str) -> str:
        """Return a part of an object, in the clear; empty when it has none of this name."""
        found = self.parts.get(name)
        return found.reveal() if found is not None else ""


NO_CREDENTIAL = Credential(Secret(""))


def read_credential(credential: Secret | None) -> Credential:
    """Return a credential taken apart; an object is told from a key by its brace."""
    if not credential:
        return NO_CREDENTIAL
    text = credential.reveal()
    account = hashlib.sha256(text.encode()).hexdigest()
    if text.startswith("{"):
        try:
            members = msgspec.json.decode(text, type=dict[str, Any])
        except msgspec.DecodeError:
            members = {}
        parts = {name: Secret(value) for name, value in members.items() if isinstance(value, str)}
        return Credential(Secret(""), parts, account)
    return Credential(credential, account=account)
