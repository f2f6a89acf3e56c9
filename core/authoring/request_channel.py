"""Sets where requests for more money are told of in Slack: one incoming webhook an organization. Sends nothing."""

from datetime import datetime

from core.authoring import organizations, versions
from core.authoring.actor import Actor
from core.authoring.record import Target, audited, change
from core.authoring.validation import Complaints, url_error
from core.models import Organization
from core.secrets import Sealer, SealError, Secret


def set_channel(
    actor: Actor, url: Secret | None, sealer: Sealer, now: datetime, version: str | None = None
) -> Organization:
    """Set or end the channel. The address is a secret: whoever has it may post there. Raises Refused."""
    with change():
        row = organizations.find(actor.organization_id)
        target = Target("organization.request_channel_changed", "organization", row.id)
        versions.hold(row, version, target)
        if _is_the_same(row, url, sealer):
            return row
        complaints = Complaints()
        complaints.add("slack_url", "" if url is None else url_error(url.reveal()))
        complaints.refuse_any()
        before = row.sealed_request_channel is not None
        sealed = None if url is None else sealer.seal(url.reveal(), _purpose(row.id))
        setattr(row, "sealed_request_channel", sealed)  # noqa: B010 - the column may be empty
        row.revision += 1
        row.save(only=["sealed_request_channel", "revision"])
        told = ({"is_told_in_slack": before}, {"is_told_in_slack": url is not None})
        audited(actor, target, now, *told)
    return row


def channel_of(row: Organization, sealer: Sealer) -> Secret | None:
    """Return the address of the webhook, opened. Raises SealError."""
    if row.sealed_request_channel is None:
        return None
    return sealer.open(row.sealed_request_channel, _purpose(row.id))


def _is_the_same(row: Organization, url: Secret | None, sealer: Sealer) -> bool:
    try:
        return url == channel_of(row, sealer)
    except SealError:
        # What can't be opened any more is replaced.
        return False


def _purpose(organization_id: str) -> str:
    return f"request channel:{organization_id}"
