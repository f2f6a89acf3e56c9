"""Sealing, hashing and deriving secrets. Where a secret is kept is the models' and the settings' work."""

import base64
import hashlib
import hmac
import os
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_SEAL = "enc:v1"
_NONCE_BYTES = 12


class Secret:
    """A text that can't be formatted, logged or pickled by accident; ``reveal()`` is the only way in."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text. Call it where the secret is used, not earlier."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(
            self._text.encode(), other._text.encode()
        )

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __repr__(self) -> str:
        return f"set(len={len(self._text)})" if self._text else "unset"

    __str__ = __repr__

    def __format__(self, _: str) -> str:
        return repr(self)

    def __reduce__(self) -> Any:
        raise TypeError("a secret is not pickled")


class Pepper(Secret):
    """The pepper of machine-made secrets, with the one before a rotation, under which secrets are still found."""

    __slots__ = ("previous",)

    def __init__(self, text: str, previous: Secret | None = None) -> None:
        super().__init__(text)
        self.previous = previous if previous else None


class SealError(Exception):
    """What was sealed can't be opened: another key, another purpose, or altered bytes."""


class Sealer:
    """Seals small texts with AES-256-GCM under a named key; the purpose is authenticated with them."""

    def __init__(self, keys: dict[str, bytes], current: str) -> None:
        if current not in keys:
            raise ValueError("the current key is not among the keys")
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self._current = current

    @property
    def current(self) -> str:
        """The id of the key that seals."""
        return self._current

    def seal(self, text: str, purpose: str) -> str:
        """Return ``enc:v1:<key id>:<base64>``; the same purpose must be named to open it."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._ciphers[self._current].encrypt(nonce, text.encode(), purpose.encode())
        return f"{_SEAL}:{self._current}:{base64.urlsafe_b64encode(nonce + sealed).decode()}"

    def open(self, sealed: str, purpose: str) -> Secret:
        """Return what was sealed. Raises SealError."""
        try:
            mark, version, key_id, body = sealed.split(":", 3)
            data = base64.urlsafe_b64decode(body)
            if f"{mark}:{version}" != _SEAL:
                raise ValueError(mark)
            opened = self._ciphers[key_id].decrypt(
                data[:_NONCE_BYTES], data[_NONCE_BYTES:], purpose.encode()
            )
        except (ValueError, KeyError, InvalidTag):
            raise SealError(f"cannot open what was sealed for {purpose}") from None
        return Secret(opened.decode())


def derive(secret: Secret, purpose: str) -> bytes:
    """Return 32 bytes that follow from a secret and a purpose (HKDF-SHA256, one block, RFC 5869)."""
    extracted = hmac.digest(b"langwatch", secret.reveal().encode(), hashlib.sha256)
    return hmac.digest(extracted, purpose.encode() + b"\x01", hashlib.sha256)


def key_id_of(key: bytes) -> str:
    """Return a short public name of a key, so that sealed values say which key opens them."""
    return hashlib.sha256(b"key id" + key).hexdigest()[:8]


def sealer_for(master: Secret, purpose: str = "database", previous: Secret | None = None) -> Sealer:
    """Return the sealer whose key is derived from one master secret; it opens what the previous one sealed, too."""
    keys = [derive(secret, f"seal {purpose}") for secret in (master, previous) if secret]
    return Sealer({key_id_of(key): key for key in keys}, key_id_of(keys[0]))


def key_id_in(sealed: str) -> str:
    """Return the id of the key that sealed a text; empty for a text that is not sealed."""
    parts = sealed.split(":", 3)
    return parts[2] if len(parts) == 4 and ":".join(parts[:2]) == _SEAL else ""


def peppered_hash(pepper: Secret, secret: str) -> str:
    """Return the text under which a machine-made secret is stored: a lower-hex HMAC-SHA256.

    While a rotation is under way the pepper's id stands before it, so that it can be told from older ones.
    """
    hashed = _hmac(pepper, secret)
    is_rotating = isinstance(pepper, Pepper) and pepper.previous is not None
    return f"{pepper_id(pepper)}:{hashed}" if is_rotating else hashed


def peppered_hashes(pepper: Secret, secret: str) -> list[str]:
    """Return every text under which a machine-made secret may be stored; the first is that of new ones."""
    previous = pepper.previous if isinstance(pepper, Pepper) else None
    found = [peppered_hash(pepper, secret)]
    for one in (pepper, previous):
        if one is not None:
            hashed = _hmac(one, secret)
            found += [hashed, f"{pepper_id(one)}:{hashed}"]
    return list(dict.fromkeys(found))


def pepper_id(pepper: Secret) -> str:
    """Return a short public name of a pepper."""
    return key_id_of(derive(pepper, "pepper id"))


def _hmac(pepper: Secret, secret: str) -> str:
    return hmac.digest(pepper.reveal().encode(), secret.encode(), hashlib.sha256).hex()


def lookup_key(pepper: Secret) -> bytes:
    """Return the key of ``lookup_hash``. It follows from the pepper and tells nothing of it."""
    return derive(pepper, "virtual key lookup")


def lookup_hash(key: bytes, secret: str) -> str:
    """Return what a gateway that holds all keys finds one by: the lookup key's id and a keyed hash."""
    return f"{key_id_of(key)}:{hmac.digest(key, secret.encode(), hashlib.sha256).hex()}"


def sign_request(secret: Secret, method: str, path: str, timestamp: str, body: bytes) -> str:
    """Return the signature of an internal call: hex HMAC-SHA256 over method, path, time and body digest.

    ``path`` has no query string; ``timestamp`` is unix seconds as text.
    """
    canonical = "\n".join((method, path, timestamp, hashlib.sha256(body).hexdigest()))
    return hmac.digest(secret.reveal().encode(), canonical.encode(), hashlib.sha256).hex()


def signature_matches(
    secrets: tuple[Secret, ...], signature: str, method: str, path: str, timestamp: str, body: bytes
) -> bool:
    """Say whether one of the secrets made this signature, in constant time for each."""
    made = [sign_request(s, method, path, timestamp, body) for s in secrets if s]
    return any(hmac.compare_digest(m.encode(), signature.encode()) for m in made)
