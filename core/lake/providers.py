"""How providers have done lately, by what the gateway's calls came to. The lake's question alone; it judges nothing."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from core.lake.reader import LakeReader
from rules.activity_events import GATEWAY_SOURCE

WINDOW = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class ProviderRecord:
    """One provider in the last hour. Calls that failed by the caller's own mistake are in neither number."""

    completed: int
    failed: int
    p50_ms: float | None
    p95_ms: float | None
    last_failed_at: datetime | None
    last_code: str | None

    @property
    def calls(self) -> int:
        """Calls that say something of the provider; never 0."""
        return self.completed + self.failed

    @property
    def success(self) -> float:
        """The part of them that was completed, 0 to 1."""
        return self.completed / self.calls


def provider_records(
    reader: LakeReader, organization_id: str, now: datetime
) -> dict[str, ProviderRecord]:
    """Return the last hour by provider id; a provider without a call is not in it."""
    found = reader.rows(
        "provider_health",
        organization_id=organization_id,
        source_id=GATEWAY_SOURCE,
        since=now - WINDOW,
        until=now,
    )
    return {provider: ProviderRecord(*values) for provider, *values in found}
