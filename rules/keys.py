"""The text forms of the secrets we mint and accept. Does not hash, store or look anything up."""

import re

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
VIRTUAL_KEY_PREFIX = "lw_vk_live_"
INGESTION_SECRET_PREFIX = "lw_is_"  # noqa: S105 - a public prefix, not a secret
API_KEY_PREFIX = "sk-lw-"
SCIM_TOKEN_PREFIX = "lw_scim_"  # noqa: S105 - a public prefix, not a secret
PREFIX_ULID_CHARACTERS = 6

_KEY_PREFIXES = r"(lw_vk_live_|lw_vk_test_|vk-lw-live_|vk-lw-test_|vk-lw-)"
_VIRTUAL_KEY = re.compile(_KEY_PREFIXES + r"[0-9A-HJKMNP-TV-Z]{26}")
_SHOWN = re.compile(_KEY_PREFIXES + rf"(.{{0,{PREFIX_ULID_CHARACTERS}}}).*", re.DOTALL)
_INGESTION_SECRET = re.compile(r"lw_is_[A-Za-z0-9_-]{20,128}")
_API_KEY = re.compile(r"sk-lw-[A-Za-z0-9_-]{43}")
_SCIM_TOKEN = re.compile(r"lw_scim_[A-Za-z0-9_-]{43}")


def is_virtual_key(text: str) -> bool:
    """Say whether ``text`` has the form of a virtual key: an accepted prefix and a ULID."""
    return _VIRTUAL_KEY.fullmatch(text) is not None


def is_ingestion_secret(text: str) -> bool:
    """Say whether ``text`` has the form of an ingestion-source secret."""
    return _INGESTION_SECRET.fullmatch(text) is not None


def is_api_key(text: str) -> bool:
    """Say whether ``text`` has the form of a key for the management API."""
    return _API_KEY.fullmatch(text) is not None


def is_scim_token(text: str) -> bool:
    """Say whether ``text`` has the form of a directory's token."""
    return _SCIM_TOKEN.fullmatch(text) is not None


def display_prefix(virtual_key: str) -> str:
    """Return the part of a virtual key that may be shown: its prefix and six ULID characters.

    Raises ValueError when the text is not a virtual key, so that no other secret is cut and shown.
    """
    match = _VIRTUAL_KEY.fullmatch(virtual_key)
    if match is None:
        raise ValueError("not a virtual key")
    return virtual_key[: len(match.group(1)) + PREFIX_ULID_CHARACTERS]


def without_prefix(text: str) -> str:
    """Return what tells one key from another of the part of a key that may be shown; any other text as it is.

    Of a longer beginning, or of a whole key, no more is returned than of that part.
    """
    match = _SHOWN.fullmatch(text)
    return text if match is None else match[2]
