"""Who may open what: each route declares it, and one check before every request holds it to that.

A view without a declaration is refused, and a test finds it.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

from flask import Flask, Response, current_app, g, make_response, request
from flask_login import LoginManager, current_user
from werkzeug.utils import redirect

from core.authoring.actor import Actor
from core.database import connection, database
from core.fault import Fault, Refused
from core.models import Member, Organization, User
from core.settings import GOVERNANCE_FLAG
from rules.permissions import allows, is_known
from webapp.csrf import check_csrf
from webapp.security import client_ip
from webapp.state import control_plane

View = TypeVar("View", bound=Callable[..., Any])
_MARK = "declared_access"
_GATED_BY_GOVERNANCE = ("/governance", "/settings/governance")


class Kind(enum.Enum):
    """How a route decides whom it serves."""

    PUBLIC = "public"
    SIGNED_IN = "signed in"
    PERMITTED = "permitted"
    MACHINE = "machine"


@dataclass(frozen=True, slots=True)
class Access:
    """One route's declaration."""

    kind: Kind
    permission: str = ""


def requires(permission: str) -> Callable[[View], View]:
    """Declare that a route serves signed-in people who hold a permission."""
    if not is_known(permission):
        raise ValueError(f"{permission} is not in the catalog of permissions")
    return _declare(Access(Kind.PERMITTED, permission))


def signed_in(view: View) -> View:
    """Declare that a route serves everyone who is signed in."""
    return _declare(Access(Kind.SIGNED_IN))(view)


def public(view: View) -> View:
    """Declare that a page serves everyone. Its forms are checked like all others."""
    return _declare(Access(Kind.PUBLIC))(view)


def machine(view: View) -> View:
    """Declare that a route authenticates its callers itself, or tells nothing worth protecting.

    It has no session, no form token and no database connection but those it opens.
    """
    return _declare(Access(Kind.MACHINE))(view)


def declared(view: Callable[..., Any]) -> Access | None:
    """Return what a view has declared."""
    return getattr(view, _MARK, None)


@dataclass(frozen=True, slots=True)
class Viewer:
    """A signed-in person in their organisation. Flask-Login asks it the ``is_…`` questions."""

    user_id: str
    name: str
    email: str
    session_epoch: int
    organization_id: str
    organization_name: str
    role: str
    is_authenticated: bool = True
    is_active: bool = True
    is_anonymous: bool = False

    def get_id(self) -> str:
        """Return what the session keeps of this person; it stops working when the epoch goes up."""
        return f"{self.user_id}:{self.session_epoch}"

    def may(self, permission: str) -> bool:
        """Say whether this person holds a permission."""
        return allows(self.role, permission)

    def actor(self) -> Actor:
        """Return the actor of changes made in this request."""
        address = client_ip(control_plane().settings)
        return Actor(self.organization_id, self.user_id, "web", address)


def viewer() -> Viewer:
    """Return who is signed in. Raises Refused(UNAUTHENTICATED)."""
    found = visitor()
    if found is None:
        raise Refused(Fault.UNAUTHENTICATED)
    return found


def visitor() -> Viewer | None:
    """Return who is signed in, or None for a stranger."""
    person: Any = current_user
    return person._get_current_object() if person.is_authenticated else None


def load_viewer(user_id: str, session_epoch: int | None = None) -> Viewer | None:
    """Return a person who may sign in, with their oldest organisation; one query."""
    with connection():
        query = (
            User.select(User, Member.role, Organization.id, Organization.name)
            .join(Member, on=(Member.user_id == User.id))
            .join(Organization, on=(Organization.id == Member.organization_id))
            .where(User.id == user_id, User.deactivated_at.is_null(), Member.disabled_at.is_null())
        )
        row = query.order_by(Member.id).limit(1).tuples().first()
    return None if row is None else _viewer(row, session_epoch)


def install_access(app: Flask) -> None:
    """Check every request of ``app`` against its route's declaration."""
    manager = LoginManager(app)
    # Binding sessions to the address and browser string signs people out on the train and stops no thief.
    manager.session_protection = None
    manager.user_loader(_loaded)
    declare_view(app, "static", Access(Kind.MACHINE))
    app.before_request(_check)
    app.teardown_request(_disconnect)


def declare_view(app: Flask, endpoint: str, access: Access) -> None:
    """Declare access for a view that is not ours to decorate."""
    setattr(app.view_functions[endpoint], _MARK, access)


def _declare(access: Access) -> Callable[[View], View]:
    def mark(view: View) -> View:
        setattr(view, _MARK, access)
        return view

    return mark


def _loaded(session_id: str) -> Viewer | None:
    user_id, _, epoch = session_id.rpartition(":")
    return load_viewer(user_id, int(epoch)) if user_id and epoch.isdigit() else None


def _viewer(row: tuple[Any, ...], session_epoch: int | None) -> Viewer | None:
    names = [field.name for field in User._meta.sorted_fields]
    user = dict(zip(names, row, strict=False))
    role, organization_id, organization_name = row[len(names) :]
    if session_epoch is not None and user["session_epoch"] != session_epoch:
        return None
    return Viewer(
        user["id"],
        user["name"],
        user["email"],
        user["session_epoch"],
        organization_id,
        organization_name,
        role,
    )


def _check() -> Response | None:
    if request.endpoint is None:
        return None
    access = declared(current_app.view_functions[request.endpoint])
    if access is None:
        raise RuntimeError(f"{request.endpoint} declares no access")
    if access.kind is Kind.MACHINE:
        return None
    _connect()
    refusal = None if access.kind is Kind.PUBLIC else _refusal(access)
    if refusal is None:
        check_csrf(control_plane().settings)
    return refusal


def _refusal(access: Access) -> Response | None:
    person = visitor()
    if person is None:
        return _to_sign_in()
    gated = request.path.startswith(_GATED_BY_GOVERNANCE)
    if gated and not control_plane().settings.flag(GOVERNANCE_FLAG):
        raise Refused(Fault.NOT_FOUND, "There is no such page.")
    if access.permission and not person.may(access.permission):
        raise Refused(
            Fault.PERMISSION_DENIED,
            f"This needs the permission {access.permission}.",
            permission=access.permission,
        )
    return None


def _to_sign_in() -> Response:
    if request.path.startswith("/api/"):
        raise Refused(Fault.UNAUTHENTICATED, "Nobody is signed in.")
    if request.headers.get("HX-Request"):
        here = urlsplit(request.headers.get("HX-Current-URL", ""))
        response = make_response("", Fault.UNAUTHENTICATED.status)
        response.headers["HX-Redirect"] = sign_in_address(here.path, here.query)
        return response
    is_page = request.method == "GET"
    path, query = (request.path, request.query_string.decode()) if is_page else ("/", "")
    return make_response(redirect(sign_in_address(path, query), code=303))


def sign_in_address(path: str, query: str) -> str:
    """Return the address of the sign-in page that leads back to a page of ours."""
    back = f"{path}?{query}" if query else path
    return "/sign-in" if back in ("", "/") else f"/sign-in?next={quote(back, safe='')}"


def _connect() -> None:
    if database.is_closed():
        database.connect()
        g.opened_connection = True


def _disconnect(_: BaseException | None) -> None:
    if g.pop("opened_connection", False) and not database.is_closed():
        database.close()
