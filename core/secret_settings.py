"""The settings that are secrets. What is unset is made or derived by ``core.secret_files``."""

from dataclasses import dataclass

from core.secrets import Secret
from core.setting_values import row


@dataclass(frozen=True, slots=True)
class SecretSettings:
    """What protects what is stored and what travels, each with the value before a rotation."""

    master_key: Secret = row(
        "LANGWATCH_MASTER_KEY",
        Secret,
        Secret(""),
        "secret",
        "Seals credentials in the database; made in the data directory when unset.",
    )
    master_key_previous: Secret = row(
        "LANGWATCH_MASTER_KEY_PREVIOUS",
        Secret,
        Secret(""),
        "secret",
        "The master key before a rotation; it still opens what it sealed, until `langwatch secrets rotate` has run.",
    )
    internal_secret: Secret = row(
        "LW_GATEWAY_INTERNAL_SECRET",
        Secret,
        Secret(""),
        "secret",
        "Signs the calls between gateway and control plane; made in the data directory when unset.",
    )
    internal_secret_previous: Secret = row(
        "LW_GATEWAY_INTERNAL_SECRET_PREVIOUS",
        Secret,
        Secret(""),
        "secret",
        "The internal secret before a rotation, still accepted.",
    )
    jwt_secret: Secret = row(
        "LW_GATEWAY_JWT_SECRET",
        Secret,
        Secret(""),
        "secret",
        "Signs key claims; derived from the internal secret when unset.",
    )
    jwt_secret_previous: Secret = row(
        "LW_GATEWAY_JWT_SECRET_PREVIOUS",
        Secret,
        Secret(""),
        "secret",
        "The claim secret before a rotation, still accepted.",
    )
    pepper: Secret = row(
        "LW_VIRTUAL_KEY_PEPPER",
        Secret,
        Secret(""),
        "secret",
        "Hashes virtual keys and source secrets; derived from the master key when unset.",
    )
    pepper_previous: Secret = row(
        "LW_VIRTUAL_KEY_PEPPER_PREVIOUS",
        Secret,
        Secret(""),
        "secret",
        "The pepper before a rotation; secrets hashed with it are still found, and hashed anew when they are used.",
    )
