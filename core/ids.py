"""Identifiers and fresh secrets. Hashing and sealing them is the work of ``core.secrets``."""

import base64
import os
import secrets
import threading
from datetime import datetime

from core.clock import to_ms
from rules.keys import (
    API_KEY_PREFIX,
    CROCKFORD,
    INGESTION_SECRET_PREFIX,
    SCIM_TOKEN_PREFIX,
    VIRTUAL_KEY_PREFIX,
)


class _Ascending:
    """The random parts of ids: within a millisecond each is greater than the one before, by a random step.

    So what one change makes, a file's teams or a list's invitations, stays in the order in which it was made.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._milliseconds = -1
        self._last = 0

    def after(self, milliseconds: int) -> int:
        """Return 80 bits; the first of a millisecond leave room for 2³¹ steps."""
        with self._lock:
            if milliseconds == self._milliseconds:
                self._last += 1 + int.from_bytes(os.urandom(6))
            else:
                self._milliseconds = milliseconds
                self._last = int.from_bytes(os.urandom(10)) >> 1
            return self._last


_ASCENDING = _Ascending()


def new_ulid(now: datetime) -> str:
    """Return a ULID: 48 bits of milliseconds and 80 random bits, 26 Crockford base32 characters."""
    return _written(to_ms(now), int.from_bytes(os.urandom(10)))


def new_id(prefix: str, now: datetime) -> str:
    """Return an opaque id such as ``vk_01J…``; ids of one process sort as they were made. It is no secret."""
    milliseconds = to_ms(now)
    return f"{prefix}_{_written(milliseconds, _ASCENDING.after(milliseconds))}"


def _written(milliseconds: int, tail: int) -> str:
    number = (milliseconds << 80) | tail
    return "".join(CROCKFORD[(number >> shift) & 31] for shift in range(125, -1, -5))


def new_virtual_key(now: datetime) -> str:
    """Return a fresh virtual key in clear; it is shown once and stored only as a hash."""
    return VIRTUAL_KEY_PREFIX + new_ulid(now)


def new_ingestion_secret() -> str:
    """Return a fresh ingestion-source secret in clear: its prefix and 32 random bytes."""
    return INGESTION_SECRET_PREFIX + base64.urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode()


def new_api_key() -> str:
    """Return a fresh key for the management API in clear; it is shown once and stored only as a hash."""
    return API_KEY_PREFIX + secrets.token_urlsafe(32)


def new_scim_token() -> str:
    """Return a fresh token for a directory in clear; it is shown once and stored only as a hash."""
    return SCIM_TOKEN_PREFIX + secrets.token_urlsafe(32)


def new_token() -> str:
    """Return 32 random bytes as URL-safe text, for one-time links and sessions."""
    return secrets.token_urlsafe(32)
