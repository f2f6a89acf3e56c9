"""``/api/governance``: how people prove who they are: connections to OpenID providers, and the directory's token."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import msgspec

from core.authoring import scim_tokens, sign_in_connections
from core.authoring.sign_in_connections import NewConnection
from core.models import ScimToken, SignInConnection
from webapp.api.endpoint import Call, Moment, Routes
from webapp.api.resource import Resource, columns_of, routes_of
from webapp.api.shared import DATES, GOVERNANCE, MANAGE, MANAGED
from webapp.trials import why_unanswered


class GroupRole(msgspec.Struct, forbid_unknown_fields=True):
    """A group of the provider, and the role that its people have here."""

    group: str
    role: str


def _wanted(new: NewConnection) -> NewConnection:
    """Return a connection with pairs in place of what was sent for them."""
    given: tuple[Any, ...] = new.group_roles
    return replace(new, group_roles=tuple((each.group, each.role) for each in given))


def _stored(row: SignInConnection) -> dict[str, Any]:
    names = [each.name for each in fields(NewConnection) if each.name in row._meta.fields]
    found = {name: getattr(row, name) for name in names}
    roles = tuple(GroupRole(each["group"], each["role"]) for each in row.group_roles)
    return found | {"domains": tuple(row.domains), "group_roles": roles}


CONNECTIONS = routes_of(
    Resource(
        noun="sign-in connection",
        root=f"{GOVERNANCE}/sign-in-connections",
        tag="Sign-in",
        model=SignInConnection,
        permissions=MANAGED,
        takes=NewConnection,
        types={"group_roles": list[GroupRole]},
        hidden=("is_operator_address",),
        addresses=("issuer",),
        stored=_stored,
        shown={
            "id": str,
            "name": str,
            "issuer": str,
            "client_id": str,
            "scopes": str,
            "domains": list[str],
            "is_forced": bool,
            "default_role": str,
            "groups_claim": str,
            "group_roles": list[dict[str, str]],
            "syncs_groups": bool,
            "is_enabled": bool,
            "revision": int,
            **DATES,
        },
        extra=lambda _, rows: [
            {"has_client_secret": row.sealed_client_secret is not None} for row in rows
        ],
        extra_shown={"has_client_secret": bool},
        find=sign_in_connections.find,
        make=lambda call, new: sign_in_connections.create(
            call.actor, _wanted(new), call.plane.sealer, call.now
        ),
        alter=lambda call, row, new: sign_in_connections.update(
            call.actor, row.id, _wanted(new), call.plane.sealer, call.now, call.expected
        ),
        end=lambda call, row_id: sign_in_connections.archive(call.actor, row_id, call.now),
    )
)


class Answering(msgspec.Struct, kw_only=True):
    """Whether a connection's provider can be used, and if not, why."""

    is_ok: bool
    sentence: str


@CONNECTIONS.post("/<sign_in_connection_id>/check", MANAGE)
def check_sign_in_connection(call: Call, sign_in_connection_id: str) -> Answering:
    """Ask a connection's provider what it publishes."""
    row = sign_in_connections.find(call.organization_id, sign_in_connection_id)
    problem = why_unanswered(row, call.plane)
    return Answering(is_ok=not problem, sentence=problem or "The provider answers.")


class DirectoryToken(msgspec.Struct, kw_only=True):
    """What the directory presents, without the token itself."""

    id: str
    display_prefix: str
    created_by_id: str
    created_at: Moment
    last_used_at: Moment | None


class MintedDirectoryToken(msgspec.Struct, kw_only=True):
    """The directory's token, which is told this once."""

    directory_token: DirectoryToken
    token: str


DIRECTORY = Routes("Sign-in", f"{GOVERNANCE}/directory-token")


class Directory(msgspec.Struct, kw_only=True):
    """Whether a directory keeps people here: its token, or null."""

    directory_token: DirectoryToken | None


@DIRECTORY.get("", MANAGE)
def get_directory_token(call: Call) -> Directory:
    """Read when the directory's token was made and used."""
    row = scim_tokens.current(call.organization_id)
    return Directory(directory_token=None if row is None else _token(row))


@DIRECTORY.create("", MANAGE)
def create_directory_token(call: Call) -> MintedDirectoryToken:
    """Make the directory's token; the one before stops working at once."""
    secret = scim_tokens.mint(call.actor, call.plane.settings.pepper, call.now)
    row = ScimToken.get(
        ScimToken.organization_id == call.organization_id, ScimToken.revoked_at.is_null()
    )
    return MintedDirectoryToken(directory_token=_token(row), token=secret.reveal())


@DIRECTORY.delete("", MANAGE)
def revoke_directory_token(call: Call) -> None:
    """End the directory's token; without one nothing happens."""
    scim_tokens.revoke(call.actor, call.now)


def _token(row: ScimToken) -> DirectoryToken:
    return DirectoryToken(**columns_of(row, DirectoryToken.__struct_fields__))
