"""Sealed copies of resolved keys on disk, so that a cold start without the control plane serves known keys.

Read only while the control plane is away. Files are named by a keyed hash, hold no key, and count as long as
``max_age_seconds`` after they were last confirmed. Does not decide who is served.
"""

import hashlib
import hmac
import os
import re
from contextlib import suppress
from pathlib import Path

from core.secrets import Sealer, SealError

_COPY_SUFFIX = ".bundle"
_CHANGED_SUFFIX = ".changed"
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")


class BundleCache:
    """A directory of copies, shared by the workers of one machine. A disk that fails costs only the copies."""

    def __init__(
        self, directory: Path, sealer: Sealer, name_key: bytes, max_age_seconds: float
    ) -> None:
        self._directory = directory
        self._sealer = sealer
        self._name_key = name_key
        self._max_age_seconds = max_age_seconds

    def save(self, digest: bytes, text: str, now_s: float) -> None:
        """Keep what the key with this digest resolved to, in place of an older copy."""
        name = self._name(digest)
        path = self._directory / f"{name}{_COPY_SUFFIX}"
        temporary = self._directory / f".{name}.{os.getpid()}"
        with suppress(OSError):
            self._directory.mkdir(parents=True, mode=0o700, exist_ok=True)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(self._sealer.seal(text, name))
            os.utime(temporary, (now_s, now_s))
            temporary.replace(path)

    def load(self, digest: bytes, now_s: float) -> tuple[str, float] | None:
        """Return a copy and when it was confirmed (Unix seconds); None when there is none or it is too old."""
        name = self._name(digest)
        path = self._directory / f"{name}{_COPY_SUFFIX}"
        try:
            confirmed_s = path.stat().st_mtime
            if now_s - confirmed_s > self._max_age_seconds:
                return None
            return self._sealer.open(path.read_text(), name).reveal(), confirmed_s
        except (OSError, SealError, UnicodeError):
            return None

    def forget(self, digest: bytes) -> None:
        """Delete the copy of one key."""
        with suppress(OSError):
            (self._directory / f"{self._name(digest)}{_COPY_SUFFIX}").unlink()

    def mark_changed(self, vk_id: str, now_s: float) -> None:
        """Note that a key changed: copies confirmed before this moment no longer count."""
        if _PLAIN_NAME.fullmatch(vk_id):
            path = self._directory / f"{vk_id}{_CHANGED_SUFFIX}"
            with suppress(OSError):
                self._directory.mkdir(parents=True, mode=0o700, exist_ok=True)
                path.touch(mode=0o600)
                os.utime(path, (now_s, now_s))

    def has_changed(self, vk_id: str, confirmed_s: float) -> bool:
        """Say whether a key changed after a copy of it was confirmed."""
        if not _PLAIN_NAME.fullmatch(vk_id):
            return True
        try:
            return (self._directory / f"{vk_id}{_CHANGED_SUFFIX}").stat().st_mtime >= confirmed_s
        except OSError:
            return False

    def prune(self, now_s: float) -> None:
        """Delete what is too old to count."""
        with suppress(OSError):
            for path in self._directory.iterdir():
                if now_s - path.stat().st_mtime > self._max_age_seconds:
                    path.unlink(missing_ok=True)

    def _name(self, digest: bytes) -> str:
        return hmac.digest(self._name_key, digest, hashlib.sha256).hex()
