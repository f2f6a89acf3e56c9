"""Checks passwords, with a lock-out after repeated failures, and hashes them with argon2. Opens no session."""

import threading
from datetime import datetime, timedelta
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from peewee import Case

from core.database import connection, transaction
from core.models import User
from core.secrets import Secret

FAILURES_TO_LOCK = 10
LOCKED = timedelta(minutes=15)
_HASHER = PasswordHasher()
# Each hash takes 64 MiB; more at once would let a burst of sign-ins fill memory, and two cores gain nothing by it.
_AT_ONCE = threading.BoundedSemaphore(4)


def hashed(password: Secret) -> str:
    """Return the argon2id hash of a password. Takes some 50 ms and 64 MiB on purpose."""
    with _AT_ONCE:
        return _HASHER.hash(password.reveal())


def matches(password_hash: str | None, password: Secret) -> bool:
    """Say whether a password has this hash; without a hash it takes as long and says no."""
    try:
        with _AT_ONCE:
            is_right = _HASHER.verify(password_hash or _nobodys_hash(), password.reveal())
    except (VerificationError, InvalidHashError):
        return False
    return is_right and password_hash is not None


def authenticate(email: str, password: Secret, now: datetime) -> User | None:
    """Return the person whom e-mail and password name, or None.

    Ten failures lock the account for 15 minutes. The attempt is counted before the password is looked at, so
    that attempts side by side are counted too. Unknown, locked and deactivated people take the same time.
    """
    with connection():
        user: User | None = User.get_or_none(
            User.email == email.strip().lower(), User.deactivated_at.is_null()
        )
    if user is None or not _counted(user.id, now):
        matches(None, password)
        return None
    if not matches(user.password_hash, password):
        return None
    with transaction():
        User.update(failed_sign_ins=0, locked_until=None).where(User.id == user.id).execute()
    return user


def _counted(user_id: str, now: datetime) -> bool:
    """Count an attempt and say whether the account is open for it."""
    until = User.locked_until.db_value(now + LOCKED)
    with transaction():
        User.update(failed_sign_ins=0, locked_until=None).where(
            User.id == user_id, User.locked_until <= now
        ).execute()
        is_last = User.failed_sign_ins >= FAILURES_TO_LOCK - 1
        changed: int = (
            User.update(
                failed_sign_ins=User.failed_sign_ins + 1,
                locked_until=Case(None, ((is_last, until),), None),
            )
            .where(User.id == user_id, User.locked_until.is_null())
            .execute()
        )
    return changed == 1


@cache
def _nobodys_hash() -> str:
    return _HASHER.hash("nobody has this password")
