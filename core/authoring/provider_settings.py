"""Says whether a provider's settings, address and credential are right for its type. Looks nothing up.

What is wrong is said under the name of the field: ``settings.region``, ``credential.secret_key``.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from core.authoring.validation import Complaints, url_error
from core.secrets import Secret
from rules.provider_types import AUTH_MODES, SANDBOX, TYPES, Proof, ProviderType, default_url

MOST_NAMES = 200
MOST_HEADERS = 20
NAME_CHARACTERS = 200
HEADER_CHARACTERS = 1000
KEY_CHARACTERS = 8192

_REGION = re.compile(r"[a-z]{2,}[a-z0-9]*(-[a-z0-9]+){0,4}")
_AWS_REGION = re.compile(r"[a-z]{2}(-[a-z]+){1,2}-\d{1,2}")
_PROJECT = re.compile(r"([a-z0-9.-]+:)?[a-z0-9][a-z0-9-]{3,61}")
_API_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(-preview)?")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_CREDENTIAL_HEADERS = frozenset(
    ["authorization", "proxy-authorization", "x-api-key", "x-goog-api-key", "api-key", "cookie"]
)
_OUR_HEADERS = frozenset(
    {
        "host",
        "content-length",
        "content-type",
        "transfer-encoding",
        "connection",
        "accept-encoding",
        "upgrade",
        "te",
        "expect",
        "trailer",
        "keep-alive",
    }
)


def canonical_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings as they are stored: in the order of their names, without those that say nothing."""
    trimmed = {n: v.strip() if isinstance(v, str) else v for n, v in sorted(settings.items())}
    return {name: value for name, value in trimmed.items() if value not in (None, "", [], {})}


def address_of(type_name: str, base_url: str, settings: Mapping[str, Any]) -> str:
    """Return the address as it is stored: as given, or the type's own when none is."""
    given = base_url.strip()
    if given or type_name not in TYPES:
        return given if type_name == SANDBOX else given.rstrip("/")
    region = settings.get("region")
    return default_url(type_name, region.strip() if isinstance(region, str) else "")


def complain(
    type_name: str, base_url: str, settings: Mapping[str, Any], complaints: Complaints
) -> None:
    """Complain about the address and the settings of a provider of a known type."""
    row = TYPES[type_name]
    given = canonical_settings(settings)
    for name in row.needed_settings:
        complaints.need(name in given, f"settings.{name}", _NEEDED[name])
    for name, value in given.items():
        if name in row.settings:
            complaints.add(f"settings.{name}", _CHECKS[name](value))
        else:
            known = ", ".join(row.settings) or "none"
            complaints.add(
                f"settings.{name}", f"{row.label} has no such setting; there are: {known}."
            )
    _check_own(row, given, complaints)
    if base_url.strip() or not any(f"settings.{name}" in complaints.errors for name in given):
        # The type's own address is made of its settings; one complaint about a region is enough.
        _check_address(row, address_of(type_name, base_url, given), complaints)


def _check_own(row: ProviderType, given: Mapping[str, Any], complaints: Complaints) -> None:
    region = given.get("region")
    if row.name == "bedrock" and isinstance(region, str):
        sentence = (
            "Use an AWS region such as eu-central-1; profiles over regions go into the model."
        )
        complaints.need(bool(_AWS_REGION.fullmatch(region)), "settings.region", sentence)
    mode, header = given.get("auth_mode"), given.get("auth_header")
    if mode == "header":
        complaints.need(
            bool(header), "settings.auth_header", "Name the header that the key goes into."
        )
    elif header:
        complaints.add("settings.auth_header", "Only the mode `header` has a header of its own.")


def _check_address(row: ProviderType, url: str, complaints: Complaints) -> None:
    if row.name == SANDBOX:
        complaints.need(url == row.base_url, "base_url", "The sandbox has no address.")
        return
    if not url:
        is_azure = row.name == "azure"
        needs = "the resource's endpoint, such as https://name.openai.azure.com"
        sentence = f"Give {needs}." if is_azure else "Give the address of the API."
        # Without a region there is no default address, and that complaint is made already.
        complaints.need(bool(row.needed_settings), "base_url", sentence)
        return
    complaints.add("base_url", url_error(url) or _misplaced(row, url))


def _misplaced(row: ProviderType, url: str) -> str:
    if "?" in url:
        return "Leave out the part after ?."
    if row.name == "azure" and "/deployments/" in url:
        return "Leave out what follows the host: deployments are named in the settings."
    for ending in ("/chat/completions", "/responses", "/messages", "/completions", "/embeddings"):
        if url.endswith(ending):
            return f"Leave out {ending}: the gateway adds the path of each request."
    return ""


# Settings, one check each


def _text(pattern: re.Pattern[str], sentence: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        is_right = isinstance(value, str) and len(value) <= NAME_CHARACTERS
        return "" if is_right and pattern.fullmatch(value) else sentence

    return check


def _names(value: Any) -> str:
    if not isinstance(value, list) or len(value) > MOST_NAMES:
        return f"Give a list of at most {MOST_NAMES} names."
    is_right = all(isinstance(name, str) and _is_name(name) for name in value)
    return "" if is_right else f"A model's name has 1 to {NAME_CHARACTERS} characters, no spaces."


def _name_map(value: Any) -> str:
    if not isinstance(value, dict) or len(value) > MOST_NAMES:
        return f"Give an object of at most {MOST_NAMES} models, each with its name there."
    for model, name in value.items():
        if not isinstance(name, str) or not _is_name(name) or not _is_name(model):
            return f"Names have 1 to {NAME_CHARACTERS} characters, no spaces."
    return ""


def _is_name(text: str) -> bool:
    is_short = 0 < len(text) <= NAME_CHARACTERS
    return is_short and text.isascii() and text.isprintable() and " " not in text


def _auth_mode(value: Any) -> str:
    return "" if value in AUTH_MODES else f"Choose one of {', '.join(AUTH_MODES)}."


def _header_name(value: Any) -> str:
    if not isinstance(value, str) or not _HEADER_NAME.fullmatch(value):
        return "This is not the name of a header."
    return f"{value} is set by the gateway itself." if value.lower() in _OUR_HEADERS else ""


def _headers(value: Any) -> str:
    if not isinstance(value, dict) or len(value) > MOST_HEADERS:
        return f"Give an object of at most {MOST_HEADERS} headers."
    for name, text in value.items():
        wrong = _header_name(name)
        if wrong:
            return wrong
        if name.lower() in _CREDENTIAL_HEADERS:
            return f"{name} holds a secret, which belongs into the credential."
        is_right = isinstance(text, str) and text.isascii() and text.isprintable()
        if not is_right or len(text) > HEADER_CHARACTERS:
            return f"{name} needs a printable value of up to {HEADER_CHARACTERS} characters."
    return ""


_CHECKS: Mapping[str, Callable[[Any], str]] = {
    "region": _text(_REGION, "This is not a region."),
    "project": _text(_PROJECT, "This is not the id or the number of a Google Cloud project."),
    "api_version": _text(
        _API_VERSION, "Use a version such as 2024-10-21, or leave it empty for the v1 form."
    ),
    "deployments": _name_map,
    "auth_mode": _auth_mode,
    "auth_header": _header_name,
    "extra_headers": _headers,
    "models": _names,
    "blocked_models": _names,
}
_NEEDED = {"region": "Give the region.", "project": "Give the id of the Google Cloud project."}

# Credentials

_PARTS: Mapping[Proof, tuple[str, ...]] = {
    Proof.AWS: ("access_key", "secret_key", "session_token"),
    Proof.AZURE: ("tenant_id", "client_id", "client_secret"),
    Proof.GOOGLE: ("type", "project_id", "client_email", "private_key_id", "private_key"),
}
_OPTIONAL = frozenset({"session_token", "private_key_id", "project_id"})
_ALIASES = {
    "aws_access_key_id": "access_key",
    "aws_secret_access_key": "secret_key",
    "aws_session_token": "session_token",
}


def canonical_credential(type_name: str, credential: Secret) -> Secret:
    """Return a credential as it is sealed: trimmed, and of an object only the parts that are used."""
    text = credential.reveal().strip()
    parts = _object(text)
    known = _PARTS.get(TYPES[type_name].proof, ())
    if parts is None or not known:
        return Secret(text)
    named = {_ALIASES.get(name, name): value for name, value in parts.items()}
    kept = {name: named[name] for name in known if named.get(name)}
    return Secret(json.dumps(kept, sort_keys=True, separators=(",", ":")))


def complain_of_credential(type_name: str, credential: Secret, complaints: Complaints) -> None:
    """Complain about a credential that its type can't use. No part of it is repeated."""
    proof = TYPES[type_name].proof
    text = canonical_credential(type_name, credential).reveal()
    parts = _object(text)
    if proof is Proof.NOTHING:
        complaints.add("credential", "The sandbox needs no credential.")
    elif len(text) > KEY_CHARACTERS:
        complaints.add("credential", "The credential is too long.")
    elif proof is Proof.GOOGLE:
        _check_service_account(parts, complaints)
    elif parts is not None and proof in _PARTS:
        _check_parts(proof, parts, complaints)
    else:
        is_right = bool(text) and _is_printable(text) and parts is None
        complaints.need(is_right, "credential", "The key is empty or holds odd characters.")


def _check_parts(proof: Proof, parts: Mapping[str, Any], complaints: Complaints) -> None:
    for name in _PARTS[proof]:
        value = parts.get(name)
        if value is None:
            complaints.need(name in _OPTIONAL, f"credential.{name}", f"Give the {_spoken(name)}.")
        elif not isinstance(value, str) or not _is_printable(value):
            complaints.add(f"credential.{name}", f"The {_spoken(name)} holds odd characters.")
    is_temporary = str(parts.get("access_key", "")).startswith("ASIA")
    if is_temporary and "session_token" not in parts:
        sentence = "An access key that starts with ASIA is temporary and needs its session token."
        complaints.add("credential.session_token", sentence)


def _check_service_account(parts: Mapping[str, Any] | None, complaints: Complaints) -> None:
    sentence = "Paste the whole JSON file of a service account's key."
    if parts is None:
        complaints.add("credential", sentence)
        return
    if parts.get("type") == "authorized_user":
        sentence = "This file is a person's login; make a key for a service account instead."
    complaints.need(parts.get("type") == "service_account", "credential", sentence)
    complaints.need(bool(parts.get("client_email")), "credential", "The file has no client_email.")
    complaints.need(
        _is_rsa_key(parts.get("private_key")), "credential", "Its private key is damaged."
    )


def _is_rsa_key(pem: Any) -> bool:
    try:
        return isinstance(load_pem_private_key(str(pem).encode(), None), RSAPrivateKey)
    except (ValueError, TypeError):
        return False


def _object(text: str) -> dict[str, Any] | None:
    if not text.startswith("{"):
        return None
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _is_printable(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text


def _spoken(name: str) -> str:
    return name.replace("_", " ")
