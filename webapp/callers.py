"""Who is asking: a person with a session, or an API key of a person or a service account. It opens no route.

Each carries what it holds, loaded once; the number of statements does not depend on how much that is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from flask import request, session

from core.authoring import api_keys
from core.authoring.actor import Actor
from core.clock import utcnow
from core.database import connection
from core.fault import Fault, Refused
from core.grants import (
    SERVICE_ACCOUNT,
    key_grants,
    person_grants,
    service_account_grants,
)
from core.models import ApiKey, Member, Organization, ServiceAccount, User
from core.secrets import Secret
from rules.permissions import (
    EVERYWHERE,
    Grants,
    Place,
    Reach,
    holds,
    holds_everything,
    holds_somewhere,
    holds_with_others,
    reach,
)
from webapp.security import client_ip
from webapp.state import control_plane

SINCE = "since"
"""The session's key for when the sign-in was, in unix seconds."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Somebody in their organization, with what they hold. Flask-Login asks it the ``is_…`` questions.

    For an API key ``user_id`` is its owner, who may be a service account; ``api_key_id`` then says which key.
    """

    user_id: str
    name: str
    email: str
    session_epoch: int
    organization_id: str
    organization_name: str
    role: str
    grants: Grants = ()
    max_session_days: int = 0
    api_key_id: str = ""
    is_whole: bool = True
    """False for an API key that may do less than its owner."""
    is_person: bool = True
    """False for a service account."""
    is_authenticated: bool = True
    is_active: bool = True
    is_anonymous: bool = False

    def get_id(self) -> str:
        """Return what the session keeps of this person; it stops working when the epoch goes up."""
        return f"{self.user_id}:{self.session_epoch}"

    def may(self, permission: str, place: Place = EVERYWHERE) -> bool:
        """Say whether a permission is held at a place; without one, in the whole organization."""
        return holds(self.grants, permission, place)

    def need_at(self, permission: str, place: Place, what: str) -> None:
        """Raise Refused(PERMISSION_DENIED) unless a permission is held where a new thing, say a rule, shall stand."""
        if not self.may(permission, place):
            raise Refused(
                Fault.PERMISSION_DENIED,
                f"This needs the permission {permission} at what the {what} is for.",
                permission=permission,
                scope="object",
            )

    def may_everything(self) -> bool:
        """Say whether every permission is held, as what lets in as anybody asks for."""
        return holds_everything(self.grants)

    def may_somewhere(self, permission: str) -> bool:
        """Say whether a permission is held at any place, so that a list has something to show."""
        return holds_somewhere(self.grants, permission)

    def may_with_others(self, permission: str) -> bool:
        """Say whether a permission is held anywhere but in one's own workspace: whether its pages are of any use."""
        return holds_with_others(self.grants, permission)

    def reach(self, permission: str) -> Reach:
        """Return where a permission is held, for narrowing a list."""
        return reach(self.grants, permission)

    def actor(self) -> Actor:
        """Return the actor of changes made in this request."""
        surface = "web"
        if self.api_key_id:
            is_cli = request.headers.get("X-LangWatch-Surface") == "cli"
            surface = "cli" if is_cli else "api"
        address = client_ip(control_plane().settings)
        return Actor(self.organization_id, self.user_id, surface, address, self.grants)


def load_viewer(user_id: str, session_epoch: int | None = None) -> Viewer | None:
    """Return a person who may sign in, with their oldest organization: three statements at most."""
    return _person(User.id == user_id, session_epoch)


def session_viewer(session_id: str) -> Viewer | None:
    """Return the person that a session is of, unless the organization's longest session is over."""
    user_id, _, epoch = session_id.rpartition(":")
    if not user_id or not epoch.isdigit():
        return None
    found = load_viewer(user_id, int(epoch))
    return None if found is None or _is_over(found, utcnow()) else found


def presented_key() -> str:
    """Return the API key that a request presents, or an empty string."""
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    bearer = text.strip() if scheme.lower() == "bearer" else ""
    return bearer or request.headers.get("X-Auth-Token", "").strip()


def key_viewer(presented: str, pepper: Secret, now: datetime) -> Viewer:
    """Return whom an API key acts for, with what it may do of that. Raises Refused(INVALID_CREDENTIALS)."""
    with connection():
        key = api_keys.find_by_secret(pepper, presented, now)
        owner = None if key is None else _owner(key)
        if key is None or owner is None:
            raise Refused(Fault.INVALID_CREDENTIALS, "This API key does not work.")
        held = key_grants(key, owner.grants)
        is_whole = key.permission_mode == "all" and held == owner.grants
        found = replace(owner, grants=held, api_key_id=key.id, is_whole=is_whole)
        api_keys.note_use(key, now)
    return found


def _owner(key: ApiKey) -> Viewer | None:
    if key.owner_kind != SERVICE_ACCOUNT:
        is_theirs = (User.id == key.owner_id) & (Member.organization_id == key.organization_id)
        return _person(is_theirs, None)
    row = (
        ServiceAccount.select(ServiceAccount.id, ServiceAccount.name, Organization.name)
        .join(Organization, on=(Organization.id == ServiceAccount.organization_id))
        .where(
            ServiceAccount.id == key.owner_id,
            ServiceAccount.organization_id == key.organization_id,
            ServiceAccount.disabled_at.is_null(),
            ServiceAccount.archived_at.is_null(),
        )
        .tuples()
        .first()
    )
    if row is None:
        return None
    account_id, name, organization_name = row
    grants = service_account_grants(key.organization_id, account_id)
    return Viewer(
        account_id, name, "", 0, key.organization_id, organization_name, "", grants, is_person=False
    )


def _person(is_theirs: Any, session_epoch: int | None) -> Viewer | None:
    with connection():
        query = (
            User.select(
                User.id,
                User.name,
                User.email,
                User.session_epoch,
                Organization.id,
                Organization.name,
                Member.role,
                Organization.max_session_days,
            )
            .join(Member, on=(Member.user_id == User.id))
            .join(Organization, on=(Organization.id == Member.organization_id))
            .where(is_theirs, User.deactivated_at.is_null(), Member.disabled_at.is_null())
        )
        row: Any = query.order_by(Member.id).limit(1).tuples().first()
        if row is None or (session_epoch is not None and row[3] != session_epoch):
            return None
        user_id, name, email, epoch, organization_id, organization_name, role, days = row
        grants = person_grants(organization_id, user_id, role)
    return Viewer(
        user_id, name, email, epoch, organization_id, organization_name, role, grants, days
    )


def _is_over(person: Viewer, now: datetime) -> bool:
    if not person.max_session_days:
        return False
    since = session.get(SINCE)
    if not isinstance(since, int):
        return True
    return now.timestamp() - since > timedelta(days=person.max_session_days).total_seconds()
