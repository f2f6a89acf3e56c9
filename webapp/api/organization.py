"""``/api/governance``: the organization's own settings, and whether prompts and answers may be kept at all."""

from __future__ import annotations

import msgspec

from core.authoring import capture, organizations, privacy, request_channel
from core.authoring.versions import version_of
from core.models import Organization
from core.secrets import Secret
from webapp.api.endpoint import Body, Call, Moment, Routes
from webapp.api.resource import columns_of
from webapp.api.shared import GOVERNANCE, MANAGE, Unset

VIEW = "organization:view"


class OrganizationOut(msgspec.Struct, kw_only=True):
    """The organization and what holds for everybody in it; ``max_session_days`` of 0 sets no bound."""

    id: str
    name: str
    slug: str
    support_contact: str
    max_session_days: int
    content_mode: str
    is_capture_allowed: bool
    is_told_in_slack: bool
    """Whether requests for more money are told of in Slack, too."""
    created_at: Moment
    version: str


class OrganizationChange(Body, kw_only=True):
    """What shall be different about the organization; a slug that somebody chose stays."""

    name: str | Unset = msgspec.UNSET
    slug: str | Unset = msgspec.UNSET
    support_contact: str | Unset = msgspec.UNSET
    max_session_days: int | Unset = msgspec.UNSET


class ContentMode(Body, kw_only=True):
    """What is dropped for everybody, whatever rules say: full, strip_io or strip_all."""

    content_mode: str


class Capture(Body, kw_only=True):
    """Whether keys may keep prompts and answers."""

    is_allowed: bool


class RequestChannel(Body, kw_only=True):
    """Slack's incoming webhook, which is not told again; null ends it."""

    slack_url: str | None


ORGANIZATION = Routes("Organization", f"{GOVERNANCE}/organization")


@ORGANIZATION.get("", VIEW)
def get_organization(call: Call) -> OrganizationOut:
    """Read the organization's settings."""
    return _told(organizations.find(call.organization_id))


@ORGANIZATION.patch("", MANAGE)
def update_organization(call: Call, body: OrganizationChange) -> OrganizationOut:
    """Change the organization's settings."""
    row = organizations.find(call.organization_id)
    wanted = organizations.Settings(
        row.name if isinstance(body.name, Unset) else body.name,
        row.support_contact if isinstance(body.support_contact, Unset) else body.support_contact,
        row.max_session_days if isinstance(body.max_session_days, Unset) else body.max_session_days,
        None if isinstance(body.slug, Unset) else body.slug,
    )
    return _told(organizations.configure(call.actor, wanted, call.now, call.expected))


@ORGANIZATION.put("/content-mode", MANAGE)
def put_content_mode(call: Call, body: ContentMode) -> OrganizationOut:
    """Set what is dropped of prompts and answers for the whole organization."""
    return _told(privacy.set_mode(call.actor, body.content_mode, call.now, call.expected))


@ORGANIZATION.put("/capture", MANAGE)
def put_capture(call: Call, body: Capture) -> OrganizationOut:
    """Allow or forbid every key to keep prompts and answers."""
    return _told(capture.set_allowed(call.actor, body.is_allowed, call.now))


@ORGANIZATION.put("/request-channel", MANAGE)
def put_request_channel(call: Call, body: RequestChannel) -> OrganizationOut:
    """Set where in Slack requests for more money are told of, or end that."""
    url = Secret(body.slack_url) if body.slack_url else None
    return _told(
        request_channel.set_channel(call.actor, url, call.plane.sealer, call.now, call.expected)
    )


def _told(row: Organization) -> OrganizationOut:
    own = [name for name in OrganizationOut.__struct_fields__ if name in row._meta.fields]
    is_told = row.sealed_request_channel is not None
    return OrganizationOut(
        **columns_of(row, own), is_told_in_slack=is_told, version=version_of(row)
    )
