"""Creates, renames and archives departments, and checks whether one may be named. They let nobody in anywhere."""

from datetime import datetime

from core.authoring import versions
from core.authoring.actor import Actor
from core.authoring.names import taken_error
from core.authoring.record import Target, audited, change, snapshot
from core.authoring.validation import Complaints, name_error, not_found
from core.ids import new_id
from core.models import Department


def create(actor: Actor, name: str, now: datetime) -> Department:
    """Create a department; its name is unique among those in use. Raises Refused(VALIDATION_ERROR)."""
    with change():
        _check(actor, name, own_id="").refuse_any()
        row = Department.create(
            id=new_id("dept", now),
            organization_id=actor.organization_id,
            name=name.strip(),
            created_at=now,
        )
        audited(actor, _target("created", row), now, after=snapshot(row))
    return row


def rename(
    actor: Actor, department_id: str, name: str, now: datetime, version: str | None = None
) -> Department:
    """Give a department another name. Raises Refused; CONFLICT when it is stale."""
    with change():
        row = find(actor.organization_id, department_id)
        versions.hold(row, version, _target("updated", row))
        if row.name == name.strip():
            return row
        _check(actor, name, own_id=row.id).refuse_any()
        before = snapshot(row)
        row.name = name.strip()
        row.revision += 1
        row.save()
        audited(actor, _target("updated", row), now, before, snapshot(row))
    return row


def archive(actor: Actor, department_id: str, now: datetime) -> Department:
    """Retire a department: who belongs to it keeps that, and its name is free again. Raises Refused(NOT_FOUND)."""
    with change():
        row = find(actor.organization_id, department_id)
        before = snapshot(row)
        row.archived_at = now
        row.revision += 1
        row.save()
        audited(actor, _target("archived", row), now, before, snapshot(row))
    return row


def named(actor: Actor, name: str, now: datetime) -> Department:
    """Return the department in use with a name, made when there is none. Raises Refused."""
    with change():
        row: Department | None = Department.get_or_none(
            Department.organization_id == actor.organization_id,
            Department.name == name.strip(),
            Department.archived_at.is_null(),
        )
        return row or create(actor, name, now)


def find(organization_id: str, department_id: str) -> Department:
    """Return a department of this organization that is not archived. Raises Refused(NOT_FOUND)."""
    row = Department.get_or_none(
        Department.id == department_id,
        Department.organization_id == organization_id,
        Department.archived_at.is_null(),
    )
    if row is None:
        raise not_found("department")
    return row


def department_error(organization_id: str, department_id: str | None, kept: str | None) -> str:
    """Return what is wrong with a chosen department, or an empty string; what was kept may be archived."""
    if department_id is None or department_id == kept:
        return ""
    known = Department.select().where(
        Department.id == department_id,
        Department.organization_id == organization_id,
        Department.archived_at.is_null(),
    )
    return "" if known.exists() else "There is no such department."


def _check(actor: Actor, name: str, own_id: str) -> Complaints:
    complaints = Complaints()
    complaints.add("name", name_error(name))
    complaints.add(
        "name", taken_error(Department, actor.organization_id, name, own_id, "department")
    )
    return complaints


def _target(verb: str, row: Department) -> Target:
    return Target(f"department.{verb}", "department", row.id)
