"""Creates groups, keeps who is in them, and deletes them with their bindings."""

from collections.abc import Collection
from datetime import datetime

from core.authoring import bindings, versions
from core.authoring.actor import Actor
from core.authoring.delegation import grants_beyond
from core.authoring.names import taken_error
from core.authoring.record import Target, audited, change, snapshot
from core.authoring.validation import Complaints, name_error, not_found
from core.grants import GROUP, principal_grants
from core.ids import new_id
from core.models import Group, GroupMember, Member

MANUAL = "manual"


def create(
    actor: Actor, name: str, now: datetime, origin: str = MANUAL, external_id: str | None = None
) -> Group:
    """Create a group without anybody in it. Raises Refused(VALIDATION_ERROR)."""
    with change():
        _check(actor, name, own_id="").refuse_any()
        row = Group.create(
            id=new_id("group", now),
            organization_id=actor.organization_id,
            name=name.strip(),
            origin=origin,
            external_id=external_id,
            created_at=now,
            updated_at=now,
        )
        audited(actor, _target("created", row), now, after=snapshot(row))
    return row


def rename(
    actor: Actor, group_id: str, name: str, now: datetime, version: str | None = None
) -> Group:
    """Give a group another name. Raises Refused; CONFLICT when it is stale."""
    with change():
        row = find(actor.organization_id, group_id)
        versions.hold(row, version, _target("updated", row))
        if row.name == name.strip():
            return row
        _check(actor, name, own_id=row.id).refuse_any()
        before = snapshot(row)
        row.name = name.strip()
        row.revision += 1
        row.updated_at = now
        row.save()
        audited(actor, _target("updated", row), now, before, snapshot(row))
    return row


def set_external_id(group: Group, external_id: str | None) -> None:
    """Note what the directory calls a group; not a change that anybody is told of."""
    with change():
        Group.update(external_id=external_id).where(Group.id == group.id).execute()
        group.external_id = external_id


def put_members(
    actor: Actor,
    group_id: str,
    user_ids: Collection[str],
    now: datetime,
    version: str | None = None,
) -> Group:
    """Make the people in a group exactly these. Raises Refused: VALIDATION_ERROR for strangers, CONFLICT when stale."""
    with change():
        row = find(actor.organization_id, group_id)
        versions.hold(row, version, _target("members_changed", row))
        there = set(member_ids(row.id))
        wanted = set(user_ids)
        if there == wanted:
            return row
        _refuse_strangers(actor.organization_id, wanted - there)
        if wanted - there:
            _refuse_beyond(actor, row.id)
        gone = there - wanted
        if gone:
            has_gone = (GroupMember.group_id == row.id) & GroupMember.user_id.in_(gone)
            GroupMember.delete().where(has_gone).execute()  # type: ignore[misc]
        for user_id in sorted(wanted - there):
            GroupMember.create(
                id=new_id("gm", now),
                organization_id=row.organization_id,
                group_id=row.id,
                user_id=user_id,
                created_at=now,
            )
        before = {"members": sorted(there), "revision": row.revision}
        row.revision += 1
        row.updated_at = now
        row.save(only=["revision", "updated_at"])
        after = {"members": sorted(wanted), "revision": row.revision}
        audited(actor, _target("members_changed", row), now, before, after)
    return row


def add_member(actor: Actor, group_id: str, user_id: str, now: datetime) -> None:
    """Put a person into a group; who is there stays. Raises Refused."""
    with change():
        group = find(actor.organization_id, group_id)
        put_members(actor, group_id, {*member_ids(group.id), user_id}, now)


def remove_member(actor: Actor, group_id: str, user_id: str, now: datetime) -> None:
    """Take a person out of a group; who is not there stays away. Raises Refused(NOT_FOUND)."""
    with change():
        group = find(actor.organization_id, group_id)
        put_members(actor, group_id, set(member_ids(group.id)) - {user_id}, now)


def leave_all(organization_id: str, user_id: str) -> None:
    """Take a person out of every group, as part of their leaving, which is what the audit log has."""
    with change():
        is_theirs = (GroupMember.organization_id == organization_id) & (
            GroupMember.user_id == user_id
        )
        GroupMember.delete().where(is_theirs).execute()  # type: ignore[misc]


def delete(actor: Actor, group_id: str, now: datetime) -> None:
    """Delete a group and the roles it was given. Raises Refused(NOT_FOUND)."""
    with change():
        row = find(actor.organization_id, group_id)
        before = snapshot(row) | {"members": sorted(member_ids(row.id))}
        bindings.delete_all(actor, GROUP, row.id, now)
        GroupMember.delete().where(GroupMember.group_id == row.id).execute()  # type: ignore[misc]
        row.delete_instance()
        audited(actor, _target("deleted", row), now, before=before)


def find(organization_id: str, group_id: str) -> Group:
    """Return a group of this organization. Raises Refused(NOT_FOUND)."""
    row = Group.get_or_none(Group.id == group_id, Group.organization_id == organization_id)
    if row is None:
        raise not_found("group")
    return row


def find_by_name(organization_id: str, name: str) -> Group | None:
    """Return the group of this organization with a name."""
    row: Group | None = Group.get_or_none(
        Group.organization_id == organization_id, Group.name == name.strip()
    )
    return row


def member_ids(group_id: str) -> list[str]:
    """Return the ids of the people in a group."""
    rows = GroupMember.select(GroupMember.user_id).where(GroupMember.group_id == group_id)
    return [row.user_id for row in rows]


def _refuse_strangers(organization_id: str, user_ids: Collection[str]) -> None:
    if not user_ids:
        return
    known = Member.select().where(
        Member.organization_id == organization_id, Member.user_id.in_(user_ids)
    )
    complaints = Complaints()
    complaints.need(known.count() == len(user_ids), "members", "There is no such person.")
    complaints.refuse_any()


def _refuse_beyond(actor: Actor, group_id: str) -> None:
    """Raise Refused when what a group was given is more than an actor may give by taking somebody in."""
    given = principal_grants(actor.organization_id, GROUP, group_id)
    complaints = Complaints()
    complaints.add("members", grants_beyond(actor, given))
    complaints.refuse_any()


def _check(actor: Actor, name: str, own_id: str) -> Complaints:
    complaints = Complaints()
    complaints.add("name", name_error(name))
    complaints.add("name", taken_error(Group, actor.organization_id, name, own_id, "group"))
    return complaints


def _target(verb: str, row: Group) -> Target:
    return Target(f"group.{verb}", "group", row.id)
