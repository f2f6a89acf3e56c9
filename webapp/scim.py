"""SCIM 2.0 as text: resources, filters and patches (RFC 7643, 7644). Looks nothing up and changes nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from core.authoring.provisioning import Provisioned
from core.clock import isoformat
from core.fault import Fault, Refused
from core.models import Group, Member, User

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
MOST_OPERATIONS = 100
MOST_MEMBERS = 5000
_FILTER = re.compile(r'\s*([\w.:]+)\s+eq\s+"((?:[^"\\]|\\.)*)"\s*', re.I)
_MEMBER_PATH = re.compile(r'members\[\s*value\s+eq\s+"([^"]+)"\s*\]', re.I)


def invalid(detail: str, scim_type: str = "invalidValue") -> Refused:
    """Return the refusal of a request that says something wrong."""
    return Refused(Fault.BAD_REQUEST, detail, scim_type=scim_type)


def user_resource(user: User, member: Member, known: Provisioned, base: str) -> dict[str, Any]:
    """Return a person as a SCIM user."""
    found: dict[str, Any] = {
        "schemas": [USER, ENTERPRISE] if known.department else [USER],
        "id": user.id,
        "userName": user.email,
        "displayName": user.name,
        "name": {"formatted": user.name},
        "emails": [{"value": user.email, "primary": True, "type": "work"}],
        "active": known.is_active,
        "meta": {
            "resourceType": "User",
            "created": isoformat(member.created_at),
            "location": f"{base}/Users/{user.id}",
            "version": f'W/"{member.revision}"',
        },
    }
    if known.external_id:
        found["externalId"] = known.external_id
    if known.department:
        found[ENTERPRISE] = {"department": known.department, "costCenter": known.department}
    return found


def group_resource(
    group: Group, members: Iterable[tuple[str, str]] | None, base: str
) -> dict[str, Any]:
    """Return a group as a SCIM group; None leaves its members out."""
    found: dict[str, Any] = {
        "schemas": [GROUP],
        "id": group.id,
        "displayName": group.name,
        "meta": {
            "resourceType": "Group",
            "created": isoformat(group.created_at),
            "lastModified": isoformat(group.updated_at),
            "location": f"{base}/Groups/{group.id}",
        },
    }
    if group.external_id:
        found["externalId"] = group.external_id
    if members is not None:
        found["members"] = [
            {"value": user_id, "display": name, "$ref": f"{base}/Users/{user_id}"}
            for user_id, name in members
        ]
    return found


def list_resource(resources: Sequence[Any], total: int, start: int) -> dict[str, Any]:
    """Return a page of a list."""
    return {
        "schemas": [LIST],
        "totalResults": total,
        "startIndex": start,
        "itemsPerPage": len(resources),
        "Resources": resources,
    }


def error_resource(status: int, detail: str, scim_type: str = "") -> dict[str, Any]:
    """Return a refusal."""
    found = {"schemas": [ERROR], "status": str(status), "detail": detail}
    return found | ({"scimType": scim_type} if scim_type else {})


def equality(text: str, allowed: Sequence[str]) -> tuple[str, str] | None:
    """Return attribute and value of a filter ``attribute eq "value"``; None without one. Raises Refused."""
    if not text:
        return None
    found = _FILTER.fullmatch(text)
    names = {name.lower(): name for name in allowed}
    if found is None or found[1].lower() not in names:
        raise invalid(f"Filters are {' or '.join(allowed)}, eq and a text.", "invalidFilter")
    return names[found[1].lower()], re.sub(r"\\(.)", r"\1", found[2])


def read_user(body: Mapping[str, Any], known: Provisioned | None = None) -> Provisioned:
    """Return the person that a whole resource describes. Raises Refused."""
    email = _text(body.get("userName")) or _first_email(body.get("emails"))
    if not email:
        raise invalid("userName is missing.")
    extension = body.get(ENTERPRISE)
    department = _department(extension if isinstance(extension, Mapping) else {}) or ""
    is_active = body.get("active", True if known is None else known.is_active)
    return Provisioned(
        email,
        _name(body) or email,
        _flag(is_active),
        _text(body.get("externalId")) or None,
        department,
    )


def patched_user(known: Provisioned, operations: Any) -> Provisioned:
    """Return a person after a patch. Raises Refused."""
    for operation in _operations(operations):
        verb, path, value = operation
        if not path:
            if not isinstance(value, Mapping):
                raise invalid("Without a path the value must be an object.")
            for name, inner in value.items():
                known = _set(known, name, inner)
        else:
            known = _set(known, path, None if verb == "remove" else value)
    return known


@dataclass(frozen=True, slots=True)
class GroupPatch:
    """A group after a patch: its name, its outside id and who is in it."""

    name: str
    external_id: str | None
    members: frozenset[str]


def patched_group(known: GroupPatch, operations: Any) -> GroupPatch:
    """Return a group after a patch. Raises Refused."""
    for verb, path, value in _operations(operations):
        if not path and isinstance(value, Mapping):
            for name, inner in value.items():
                known = _set_group(known, verb, name, inner)
        else:
            known = _set_group(known, verb, path, value)
    return known


def member_ids(value: Any) -> frozenset[str]:
    """Return the ids of a list of members. Raises Refused."""
    if value is None:
        return frozenset()
    entries = value if isinstance(value, list) else [value]
    if len(entries) > MOST_MEMBERS:
        raise invalid(f"A group takes at most {MOST_MEMBERS} members at once.", "tooMany")
    found = [entry.get("value") if isinstance(entry, Mapping) else entry for entry in entries]
    if not all(isinstance(one, str) and one for one in found):
        raise invalid("A member is an object with the value of an id.")
    return frozenset(str(one) for one in found)


def _operations(operations: Any) -> list[tuple[str, str, Any]]:
    if not isinstance(operations, list) or not 0 < len(operations) <= MOST_OPERATIONS:
        raise invalid(f"Operations must be a list of 1 to {MOST_OPERATIONS}.", "invalidSyntax")
    found = []
    for one in operations:
        verb = str(one.get("op", "")).lower() if isinstance(one, Mapping) else ""
        if verb not in ("add", "replace", "remove"):
            raise invalid("An operation is add, replace or remove.", "invalidSyntax")
        path = str(one.get("path") or "")
        if verb == "remove" and not path:
            raise invalid("A removal needs a path.", "noTarget")
        found.append((verb, path, one.get("value")))
    return found


def _set(known: Provisioned, path: str, value: Any) -> Provisioned:
    name = path.lower()
    if name == "active":
        return replace(known, is_active=_flag(value))
    if name == "username" or name.startswith("emails"):
        email = _text(value) if isinstance(value, str) else _first_email(value)
        return replace(known, email=email) if email else known
    if name == "name" and isinstance(value, Mapping):
        return replace(known, name=_name({"name": value}) or known.name)
    if name in ("displayname", "name.formatted"):
        return replace(known, name=_text(value) or known.name)
    if name in ("name.givenname", "name.familyname"):
        return replace(known, name=_renamed(known.name, name, _text(value)))
    if name == "externalid":
        return replace(known, external_id=_text(value) or None)
    if name == ENTERPRISE.lower() and isinstance(value, Mapping):
        return replace(known, department=_department(value) or "")
    if name in (f"{ENTERPRISE}:costcenter".lower(), f"{ENTERPRISE}:department".lower()):
        return replace(known, department=_text(value))
    # What is not kept here is no reason to refuse the rest of what a directory sends.
    return known


def _renamed(name: str, part: str, value: str) -> str:
    given, _, family = name.partition(" ")
    given, family = (value, family) if part == "name.givenname" else (given, value)
    return f"{given} {family}".strip() or name


def _set_group(known: GroupPatch, verb: str, path: str, value: Any) -> GroupPatch:
    name = path.lower()
    one = _MEMBER_PATH.fullmatch(path)
    if one is not None and verb == "remove":
        return replace(known, members=known.members - {one[1]})
    if name == "members":
        given = member_ids(value)
        if verb == "add":
            return replace(known, members=known.members | given)
        if verb == "remove":
            return replace(known, members=known.members - given if given else frozenset())
        return replace(known, members=given)
    if name == "displayname" and verb != "remove":
        return replace(known, name=_text(value) or known.name)
    if name == "externalid":
        return replace(known, external_id=_text(value) or None)
    if name in ("id", "schemas", "meta"):
        return known
    raise invalid(f"There is no {path[:60]} to change.", "invalidPath")


def _name(body: Mapping[str, Any]) -> str:
    parts = body.get("name")
    parts = parts if isinstance(parts, Mapping) else {}
    joined = f"{_text(parts.get('givenName'))} {_text(parts.get('familyName'))}".strip()
    return _text(parts.get("formatted")) or joined or _text(body.get("displayName"))


def _first_email(value: Any) -> str:
    entries = [e for e in value if isinstance(e, Mapping)] if isinstance(value, list) else []
    chosen = next((e for e in entries if _is_true(e.get("primary"))), entries[0] if entries else {})
    return _text(chosen.get("value"))


def _department(extension: Mapping[str, Any]) -> str:
    return _text(extension.get("costCenter")) or _text(extension.get("department"))


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise invalid("active is true or false.")


def _is_true(value: Any) -> bool:
    return value is True or (isinstance(value, str) and value.lower() == "true")


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""
