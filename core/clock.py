"""The one place that reads the wall clock; everything below an edge takes ``now`` as an argument."""

from datetime import UTC, datetime

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def utcnow() -> datetime:
    """Return the current moment, aware, in UTC."""
    return datetime.now(UTC)


def to_ms(moment: datetime) -> int:
    """Return a moment as milliseconds since 1970, rounded down."""
    delta = moment - EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1000 + delta.microseconds // 1000


def from_ms(milliseconds: int) -> datetime:
    """Return the aware UTC moment of milliseconds since 1970."""
    return datetime.fromtimestamp(milliseconds // 1000, UTC).replace(
        microsecond=milliseconds % 1000 * 1000
    )


def isoformat(moment: datetime) -> str:
    """Return ISO 8601 with milliseconds and a ``Z``, as every JSON answer of ours has it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
