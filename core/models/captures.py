"""Keeps captured content that gateways ship among their records, finds it, and forgets it in time."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import msgspec

from core.bulk import insert_new
from core.database import connection, transaction
from core.models.capturing import CapturedContent
from core.models.organization import Project
from core.models.privacy import RetentionPolicy
from rules.retention import PROJECT, TEAM, Slice

COMMAND = "captureContent"
_MOST_CHARACTERS = 256 * 1024
COLUMNS = tuple(CapturedContent._meta.fields)


class Content(msgspec.Struct, forbid_unknown_fields=False):
    """The payload of ``captureContent``."""

    call_id: str
    captured_at_ms: int
    organization_id: str
    project_id: str
    virtual_key_id: str
    mode: str
    input_messages: str = ""
    output_messages: str = ""
    system_instructions: str = ""
    is_cut: bool = False


def read(payload: Any) -> Content:
    """Return a payload as content. Raises msgspec.ValidationError, or ValueError when it is too long."""
    content = msgspec.convert(payload, Content)
    texts = (content.input_messages, content.output_messages, content.system_instructions)
    if any(len(text) > _MOST_CHARACTERS for text in texts):
        raise ValueError("content is too long")
    return content


def keep(contents: Sequence[Content]) -> None:
    """Keep contents in the caller's transaction; one that is there already stays as it is."""
    if contents:
        insert_new(CapturedContent, COLUMNS, ([_stored(c)[n] for n in COLUMNS] for c in contents))


def _stored(content: Content) -> dict[str, Any]:
    values = msgspec.structs.asdict(content)
    return values | {"captured_at": values.pop("captured_at_ms") * 1000}


def of_calls(call_ids: Collection[str]) -> dict[str, CapturedContent]:
    """Return what was captured of some calls, by request id."""
    if not call_ids:
        return {}
    with connection():
        query = CapturedContent.select().where(CapturedContent.call_id.in_(list(call_ids)))
        return {row.call_id: row for row in query}


def in_slice(part: Slice) -> Any:
    """Return the condition of the content that a retention policy lets go."""
    rows = CapturedContent
    found = (
        (rows.organization_id == part.organization_id)
        & (rows.captured_at < part.before)
        & (rows.captured_at >= part.holds_from)
    )
    if part.scope == PROJECT:
        return found & (rows.project_id == part.scope_id)
    if part.scope == TEAM:
        found &= rows.project_id.in_(_projects_of([part.scope_id]))
    if part.except_teams:
        found &= rows.project_id.not_in(_projects_of(part.except_teams))
    return found & rows.project_id.not_in(part.except_projects) if part.except_projects else found


def _projects_of(team_ids: Sequence[str]) -> Any:
    return Project.select(Project.id).where(Project.team_id.in_(list(team_ids)))


def drop_older(before: datetime) -> int:
    """Delete what was captured before a moment, but where a policy says how long it stays; return how many calls."""
    with_policy = RetentionPolicy.select(RetentionPolicy.organization_id).where(
        RetentionPolicy.content_days.is_null(False)
    )
    is_old = (CapturedContent.captured_at < before) & CapturedContent.organization_id.not_in(
        with_policy
    )
    with connection():
        if not CapturedContent.select().where(is_old).exists():
            return 0
    with transaction():
        dropped: int = CapturedContent.delete().where(is_old).execute()  # type: ignore[misc]
    return dropped
