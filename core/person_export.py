"""Gathers everything that is stored about a person, as JSON lines in a zip. Changes nothing, shows no secret."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from datetime import datetime
from typing import IO, Any

import orjson

from core.authoring import people
from core.authoring.record import snapshot
from core.database import connection
from core.grants import USER
from core.lake import LakeReader
from core.models import (
    ApiKey,
    AuditRow,
    BudgetIncrease,
    CapturedContent,
    Erasure,
    ExternalIdentity,
    GroupMember,
    Invitation,
    LedgerRow,
    Member,
    Project,
    RoleBinding,
    Team,
    TeamMember,
    User,
    VirtualKey,
)

FILE = "person.jsonl"
_HIDDEN = ("lookup_hash", "previous_lookup_hash", "address_hash")
Line = dict[str, Any]


def write_zip(
    file: IO[bytes],
    lake: LakeReader,
    organization_id: str,
    user: User,
    now: datetime,
    *,
    by_name: bool = True,
) -> dict[str, int]:
    """Write the zip; return how many lines there are of each kind. ``by_name`` is as in ``lines``."""
    counts: dict[str, int] = {}
    stamp = (now.year, now.month, now.day, now.hour, now.minute, now.second)
    info = zipfile.ZipInfo(FILE, stamp)
    info.compress_type = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(file, "w") as archive, archive.open(info, "w") as out:
        for line in lines(lake, organization_id, user, by_name=by_name):
            counts[line["kind"]] = counts.get(line["kind"], 0) + 1
            out.write(orjson.dumps(line, default=str, option=orjson.OPT_APPEND_NEWLINE))
    return counts


def lines(
    lake: LakeReader, organization_id: str, user: User, *, by_name: bool = True
) -> Iterator[Line]:
    """Return every row about a person, each with its ``kind``; passwords, hashes and sealed texts are left out.

    Some sources know people by their names. Those events are theirs where nobody else is called so, and not for
    people who ask about themselves, since they choose what they are called.
    """
    with connection():
        for kind, query in _queries(organization_id, user):
            for row in query.iterator():
                yield {"kind": kind, **snapshot(row, _HIDDEN)}
    with connection():
        name = people.name_alone(organization_id, user) if by_name else ""
    names = {
        "organization_id": organization_id,
        "user_id": user.id,
        "email": user.email.lower(),
        "full_name": name or user.email.lower(),
    }
    columns = [row[0] for row in lake.rows("event_columns")]
    for values in lake.rows("events_of_person", **names):
        yield {"kind": "activity_event", **dict(zip(columns, values, strict=True))}


def _queries(organization_id: str, user: User) -> Iterator[tuple[str, Any]]:
    keys = VirtualKey.select(VirtualKey.id).where(VirtualKey.principal_user_id == user.id)
    own: tuple[tuple[str, Any, Any], ...] = (
        ("account", User, User.id == user.id),
        ("membership", Member, Member.user_id == user.id),
        ("team_membership", TeamMember, TeamMember.user_id == user.id),
        ("group_membership", GroupMember, GroupMember.user_id == user.id),
        ("workspace_team", Team, Team.owner_user_id == user.id),
        ("workspace_project", Project, Project.owner_user_id == user.id),
        ("virtual_key", VirtualKey, VirtualKey.principal_user_id == user.id),
        ("api_key", ApiKey, (ApiKey.owner_kind == USER) & (ApiKey.owner_id == user.id)),
        (
            "role_binding",
            RoleBinding,
            (RoleBinding.principal_kind == USER) & (RoleBinding.principal_id == user.id),
        ),
        ("sign_in_identity", ExternalIdentity, ExternalIdentity.user_id == user.id),
        ("invitation", Invitation, Invitation.email == user.email),
        ("budget_request", BudgetIncrease, BudgetIncrease.requester_user_id == user.id),
        ("erasure", Erasure, Erasure.user_id == user.id),
        ("ledger_row", LedgerRow, LedgerRow.principal_user_id == user.id),
        ("captured_content", CapturedContent, CapturedContent.virtual_key_id.in_(keys)),
        ("audit_row", AuditRow, (AuditRow.actor_id == user.id) | (AuditRow.target_id == user.id)),
    )
    for kind, model, condition in own:
        query: Any = model.select().where(condition)
        if "organization_id" in model._meta.fields:
            query = query.where(model.organization_id == organization_id)
        yield kind, query
