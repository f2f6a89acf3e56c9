"""SCIM 2.0: a company's directory adds, changes and shuts out people and keeps groups. A token authenticates it."""

from __future__ import annotations

from typing import Any

import orjson
from flask import Blueprint, Response, g, make_response, request

from core.authoring import groups, offboarding, people, provisioning, scim_tokens
from core.authoring.actor import Actor
from core.authoring.record import change
from core.clock import utcnow
from core.fault import Fault, Refused
from core.models import Department, Group, Member, User
from webapp import scim
from webapp.access import hold_connection, machine
from webapp.callers import presented_key
from webapp.queries.directory import people_of_group
from webapp.scim_documents import RESOURCE_TYPES, SCHEMAS, SERVICE_PROVIDER
from webapp.security import client_ip
from webapp.state import control_plane

BASE = "/scim/v2"
MOST_ROWS = 200
blueprint = Blueprint("scim", __name__, url_prefix=BASE)


@blueprint.before_request
def authenticate() -> None:
    """Refuse everyone who does not present an organization's token."""
    hold_connection()
    settings = control_plane().settings
    token = scim_tokens.find_by_secret(settings.pepper, presented_key(), utcnow())
    if token is None:
        raise Refused(Fault.INVALID_CREDENTIALS, "This token does not work.")
    g.scim_actor = Actor(token.organization_id, provisioning.SCIM, "api", client_ip(settings))


@blueprint.errorhandler(Refused)
def refuse(refused: Refused) -> Response:
    """Answer a refusal as SCIM has it."""
    fault, errors = refused.fault, refused.facts.get("errors")
    detail = refused.message or fault.hint
    if isinstance(errors, dict) and errors:
        detail = " ".join(f"{field}: {sentence}" for field, sentence in errors.items())
    scim_type = str(refused.facts.get("scim_type", ""))
    status = 400 if fault is Fault.VALIDATION_ERROR else fault.status
    if fault is Fault.CONFLICT:
        scim_type = "uniqueness"
    elif fault is Fault.VALIDATION_ERROR:
        scim_type = "invalidValue"
    return _answer(scim.error_resource(status, detail, scim_type), status)


@blueprint.get("/ServiceProviderConfig")
@machine
def service_provider() -> Response:
    """Answer with what is supported."""
    return _answer(SERVICE_PROVIDER)


@blueprint.get("/ResourceTypes")
@machine
def resource_types() -> Response:
    """Answer with the kinds of resources."""
    return _answer(scim.list_resource(RESOURCE_TYPES, len(RESOURCE_TYPES), 1))


@blueprint.get("/Schemas")
@machine
def schemas() -> Response:
    """Answer with what resources are made of."""
    return _answer(scim.list_resource(SCHEMAS, len(SCHEMAS), 1))


@blueprint.get("/Users")
@machine
def list_users() -> Response:
    """Answer with people, a page at a time."""
    wanted = scim.equality(
        request.args.get("filter", ""), ("userName", "externalId", "id", "emails.value")
    )
    start, count = _paging()
    query = Member.select().join(User, on=(User.id == Member.user_id), attr="person")
    query = query.where(Member.organization_id == _actor().organization_id)
    if wanted is not None:
        columns = {"externalId": Member.external_id, "id": User.id}
        column = columns.get(wanted[0], User.email)
        value = wanted[1].lower() if column is User.email else wanted[1]
        query = query.where(column == value)
    total = query.count()
    rows = list(
        query.select(Member, User).order_by(Member.id).limit(count).offset(start - 1)
        if count
        else []
    )
    names = _department_names(rows)
    found = [_user(row.person, row, names) for row in rows]
    return _answer(scim.list_resource(found, total, start))


@blueprint.post("/Users")
@machine
def create_user() -> Response:
    """Add a person."""
    user, member = provisioning.add(_actor(), scim.read_user(_body()), utcnow())
    response = _answer(_user(user, member), 201)
    response.headers["Location"] = f"{_base()}/Users/{user.id}"
    return response


@blueprint.get("/Users/<user_id>")
@machine
def show_user(user_id: str) -> Response:
    """Answer with a person."""
    return _answer(_user(*people.find(_actor().organization_id, user_id)))


@blueprint.put("/Users/<user_id>")
@machine
def put_user(user_id: str) -> Response:
    """Make a person what the directory has."""
    with change():
        known = provisioning.provisioned(*people.find(_actor().organization_id, user_id))
        wanted = scim.read_user(_body(), known)
        found = provisioning.put(_actor(), user_id, wanted, utcnow())
    return _answer(_user(*found))


@blueprint.patch("/Users/<user_id>")
@machine
def patch_user(user_id: str) -> Response:
    """Change a person; ``active`` of false shuts them out with everything they hold."""
    with change():
        known = provisioning.provisioned(*people.find(_actor().organization_id, user_id))
        wanted = scim.patched_user(known, _body().get("Operations"))
        found = provisioning.put(_actor(), user_id, wanted, utcnow())
    return _answer(_user(*found))


@blueprint.delete("/Users/<user_id>")
@machine
def delete_user(user_id: str) -> Response:
    """End a membership for good."""
    offboarding.remove(_actor(), user_id, utcnow())
    return make_response("", 204)


@blueprint.get("/Groups")
@machine
def list_groups() -> Response:
    """Answer with the directory's groups, a page at a time; their members only where one is asked for."""
    wanted = scim.equality(request.args.get("filter", ""), ("displayName", "externalId", "id"))
    start, count = _paging()
    query = Group.select().where(
        Group.organization_id == _actor().organization_id, Group.origin == provisioning.SCIM
    )
    if wanted is not None:
        columns = {"displayName": Group.name, "externalId": Group.external_id, "id": Group.id}
        query = query.where(columns[wanted[0]] == wanted[1])
    total = query.count()
    rows = list(query.order_by(Group.id).limit(count).offset(start - 1)) if count else []
    is_single = wanted is not None and "members" not in request.args.get("excludedAttributes", "")
    found = [_group(row) if is_single else scim.group_resource(row, None, _base()) for row in rows]
    return _answer(scim.list_resource(found, total, start))


@blueprint.post("/Groups")
@machine
def create_group() -> Response:
    """Add a group with its members."""
    body, now = _body(), utcnow()
    external_id = body.get("externalId") if isinstance(body.get("externalId"), str) else None
    with change():
        name = str(body.get("displayName") or "")
        if groups.find_by_name(_actor().organization_id, name) is not None:
            raise Refused(Fault.CONFLICT, "Another group has this name.")
        row = groups.create(_actor(), name, now, provisioning.SCIM, external_id)
        groups.put_members(_actor(), row.id, scim.member_ids(body.get("members")), now)
    response = _answer(_group(row), 201)
    response.headers["Location"] = f"{_base()}/Groups/{row.id}"
    return response


@blueprint.get("/Groups/<group_id>")
@machine
def show_group(group_id: str) -> Response:
    """Answer with a group and its members."""
    return _answer(_group(_found_group(group_id)))


@blueprint.put("/Groups/<group_id>")
@machine
def put_group(group_id: str) -> Response:
    """Make a group what the directory has."""
    body = _body()
    known = _known_group(_found_group(group_id))
    wanted = scim.GroupPatch(
        str(body.get("displayName") or known.name),
        body.get("externalId") if isinstance(body.get("externalId"), str) else known.external_id,
        scim.member_ids(body.get("members")),
    )
    return _changed_group(group_id, wanted)


@blueprint.patch("/Groups/<group_id>")
@machine
def patch_group(group_id: str) -> Response:
    """Change a group's name or members."""
    known = _known_group(_found_group(group_id))
    return _changed_group(group_id, scim.patched_group(known, _body().get("Operations")))


@blueprint.delete("/Groups/<group_id>")
@machine
def delete_group(group_id: str) -> Response:
    """Delete a group with the roles that it gave."""
    groups.delete(_actor(), _found_group(group_id).id, utcnow())
    return make_response("", 204)


def _changed_group(group_id: str, wanted: scim.GroupPatch) -> Response:
    now = utcnow()
    with change():
        row = groups.rename(_actor(), group_id, wanted.name, now)
        if row.external_id != wanted.external_id:
            groups.set_external_id(row, wanted.external_id)
        groups.put_members(_actor(), group_id, wanted.members, now)
    return _answer(_group(row))


def _found_group(group_id: str) -> Group:
    """Return a group that the directory keeps; those that are kept here are not its to see."""
    row = groups.find(_actor().organization_id, group_id)
    if row.origin != provisioning.SCIM:
        raise Refused(Fault.NOT_FOUND, "There is no such group.")
    return row


def _known_group(row: Group) -> scim.GroupPatch:
    return scim.GroupPatch(row.name, row.external_id, frozenset(groups.member_ids(row.id)))


def _group(row: Group) -> dict[str, Any]:
    members = [(user.id, user.name) for user in people_of_group(row.id, scim.MOST_MEMBERS)]
    return scim.group_resource(row, members, _base())


def _user(user: User, member: Member, names: dict[str, str] | None = None) -> dict[str, Any]:
    if names is None:
        known = provisioning.provisioned(user, member)
    else:
        known = provisioning.Provisioned(
            user.email,
            user.name,
            not member.disabled_at,
            member.external_id,
            names.get(member.department_id or "", ""),
        )
    return scim.user_resource(user, member, known, _base())


def _department_names(rows: list[Any]) -> dict[str, str]:
    ids = {row.department_id for row in rows if row.department_id}
    if not ids:
        return {}
    found = Department.select(Department.id, Department.name).where(
        Department.id.in_(list(ids)), Department.archived_at.is_null()
    )
    return {row.id: row.name for row in found}


def _paging() -> tuple[int, int]:
    """Return the first row, counted from 1, and how many rows are wanted."""
    try:
        start = max(1, int(request.args.get("startIndex", "1")))
        count = max(0, int(request.args.get("count", "100")))
    except ValueError:
        raise scim.invalid("startIndex and count are whole numbers.") from None
    return min(start, 2**31), min(count, MOST_ROWS)


def _body() -> dict[str, Any]:
    try:
        body = orjson.loads(request.get_data())
    except orjson.JSONDecodeError:
        body = None
    if b"\\u0000" in request.get_data():
        raise scim.invalid("A text holds a NUL character.", "invalidValue")
    if not isinstance(body, dict):
        raise scim.invalid("The body must be a JSON object.", "invalidSyntax")
    return body


def _actor() -> Actor:
    actor: Actor = g.scim_actor
    return actor


def _base() -> str:
    root = control_plane().settings.web_url or request.host_url.rstrip("/")
    return root + BASE


def _answer(body: object, status: int = 200) -> Response:
    response = make_response(orjson.dumps(body), status)
    response.content_type = "application/scim+json"
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response
