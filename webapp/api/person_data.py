"""``/api/governance``: what is stored about a person and its end, and a way in for whoever lost their password."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

from core import person_export
from core.authoring import erasure, password_links, people
from core.authoring.people_data import exported
from core.authoring.validation import invalid
from core.models import User
from webapp import letters
from webapp.api.endpoint import Body, Call, Moment, Routes
from webapp.api.resource import columns_of
from webapp.api.shared import GOVERNANCE, MANAGE


class PersonData(msgspec.Struct, kw_only=True):
    """Everything that is stored about a person, row by row, each with its ``kind``; no password and no secret."""

    user_id: str
    counts: dict[str, int]
    rows: list[dict[str, Any]]


class Erasing(Body, kw_only=True):
    """Why somebody is erased, and their address once more, so that it is nobody else."""

    email: str
    reason: str


class ErasureOut(msgspec.Struct, kw_only=True):
    """An erasure: what the person is called from now on wherever their address stood."""

    id: str
    user_id: str
    pseudonym: str
    requested_by_id: str
    requested_at: Moment


class PasswordLink(msgspec.Struct, kw_only=True):
    """A link for a new password. Whoever has it can sign in as that person, once, for two hours."""

    link: str


PERSON_DATA = Routes("Members", f"{GOVERNANCE}/members")


@PERSON_DATA.get("/<user_id>/data", MANAGE)
def export_member_data(call: Call, user_id: str) -> PersonData:
    """Export everything that is stored about a person; each export stands in the audit log."""
    user, _ = people.find(call.organization_id, user_id)
    return data_of(call, user, by_name=True)


@PERSON_DATA.post("/<user_id>/erase", MANAGE)
def erase_member(call: Call, user_id: str, body: Erasing) -> ErasureOut:
    """Erase a person for good: a pseudonym takes their place, prompts and answers are deleted."""
    user, _ = people.find(call.organization_id, user_id)
    if body.email.strip().lower() != user.email:
        raise invalid({"email": "This is not the address of this person."})
    pepper = call.plane.settings.pepper
    row = erasure.erase(call.actor, user.id, body.reason, pepper, call.now)
    return ErasureOut(**columns_of(row, ErasureOut.__struct_fields__))


@PERSON_DATA.post("/<user_id>/password-link", MANAGE)
def create_password_link(call: Call, user_id: str) -> PasswordLink:
    """Make a link that lets a person choose a new password; nobody is written to."""
    token = password_links.create(call.actor, user_id, call.plane.settings.pepper, call.now)
    return PasswordLink(link=letters.link_to("/password", token))


def data_of(call: Call, user: User, *, by_name: bool) -> PersonData:
    """Return everything that is stored about a person, and write down that it was handed out."""
    rows = [*person_export.lines(call.plane.lake, call.organization_id, user, by_name=by_name)]
    counts = dict(Counter(row["kind"] for row in rows))
    exported(call.actor, user.id, counts, call.now)
    return PersonData(user_id=user.id, counts=counts, rows=rows)
