"""Clears away what has run out in the control database. Nothing waits for it: expiry is judged when read."""

from datetime import datetime, timedelta

from core.database import transaction
from core.models import OneTimeLink, captures, leasing

# Long enough for a person to be told that a link has expired rather than never existed.
KEEP_EXPIRED_LINKS = timedelta(days=7)


def purge_expired(now: datetime, keep_content: timedelta) -> dict[str, int]:
    """Delete expired leases, long-expired links and old captured content; return how many of each, without zeros."""
    leases = leasing.drop_expired(now)
    with transaction():
        old = OneTimeLink.expires_at < now - KEEP_EXPIRED_LINKS
        links: int = OneTimeLink.delete().where(old).execute()  # type: ignore[misc]
    content = captures.drop_older(now - keep_content)
    counts = {"leases": leases, "links": links, "content": content}
    return {name: count for name, count in counts.items() if count}
