"""Who may open what: each route declares it, and one check before every request holds it to that.

A view without a declaration is refused, and a test finds it.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

from flask import Flask, Response, current_app, g, make_response, request
from flask_login import LoginManager, current_user
from werkzeug.utils import redirect

from core.clock import utcnow
from core.database import database
from core.fault import Fault, Refused
from core.settings import GOVERNANCE_FLAG
from rules.permissions import Place, is_known
from webapp.callers import Viewer, key_viewer, load_viewer, presented_key, session_viewer
from webapp.csrf import check_csrf
from webapp.state import control_plane

__all__ = [
    "Access",
    "Kind",
    "Viewer",
    "api_caller",
    "api_person",
    "declare_view",
    "declared",
    "hold_connection",
    "install_access",
    "load_viewer",
    "machine",
    "public",
    "requires",
    "sign_in_address",
    "signed_in",
    "viewer",
    "visitor",
]

View = TypeVar("View", bound=Callable[..., Any])
PlaceOf = Callable[[str, Mapping[str, Any]], Place]
"""Finds where the thing is that a route's arguments name, in an organization. Raises Refused(NOT_FOUND)."""
_MARK = "declared_access"
_GATED_BY_GOVERNANCE = ("/governance", "/settings/governance")


class Kind(enum.Enum):
    """How a route decides whom it serves."""

    PUBLIC = "public"
    SIGNED_IN = "signed in"
    PERMITTED = "permitted"
    API = "api"
    API_OWN = "api, about oneself"
    MACHINE = "machine"


_FOR_KEYS = (Kind.API, Kind.API_OWN)
_WITH_FORMS = (Kind.PUBLIC, Kind.SIGNED_IN, Kind.PERMITTED)


@dataclass(frozen=True, slots=True)
class Access:
    """One route's declaration: the permission, and where it must be held.

    Without ``at`` that is the whole organization; with ``anywhere`` any place will do, and the view shows
    no more than is within the viewer's reach.
    """

    kind: Kind
    permission: str = ""
    at: PlaceOf | None = None
    anywhere: bool = False


def requires(
    permission: str, *, at: PlaceOf | None = None, anywhere: bool = False
) -> Callable[[View], View]:
    """Declare that a page serves signed-in people who hold a permission there."""
    return _declare(Access(Kind.PERMITTED, _known(permission), at, anywhere))


def api_caller(
    permission: str, *, at: PlaceOf | None = None, anywhere: bool = False
) -> Callable[[View], View]:
    """Declare that a JSON route serves whoever holds a permission there: a session of ours, or an API key.

    A session's changes need its form token; a key comes as ``Authorization: Bearer`` or ``X-Auth-Token`` and
    needs none. Either is ``viewer()`` to the view.
    """
    return _declare(Access(Kind.API, _known(permission), at, anywhere))


def api_person(view: View) -> View:
    """Declare that a JSON route serves people about themselves: with a session, or with an API key of theirs.

    Only a key that may do all that its owner may serves here: what is somebody's own has no permission to choose.
    """
    return _declare(Access(Kind.API_OWN))(view)


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


def viewer() -> Viewer:
    """Return who is asking: the person signed in, or whom an API key acts for. Raises Refused(UNAUTHENTICATED)."""
    found = visitor()
    if found is None:
        raise Refused(Fault.UNAUTHENTICATED)
    return found


def visitor() -> Viewer | None:
    """Return who is asking, or None for a stranger."""
    with_key: Viewer | None = g.get("key_viewer")
    if with_key is not None:
        return with_key
    person: Any = current_user
    return person._get_current_object() if person.is_authenticated else None


def install_access(app: Flask) -> None:
    """Check every request of ``app`` against its route's declaration."""
    manager = LoginManager(app)
    # Binding sessions to the address and browser string signs people out on the train and stops no thief.
    manager.session_protection = None
    manager.user_loader(session_viewer)
    declare_view(app, "static", Access(Kind.MACHINE))
    app.before_request(_check)
    app.teardown_request(_disconnect)


def declare_view(app: Flask, endpoint: str, access: Access) -> None:
    """Declare access for a view that is not ours to decorate."""
    setattr(app.view_functions[endpoint], _MARK, access)


def _known(permission: str) -> str:
    if not is_known(permission):
        raise ValueError(f"{permission} is not in the catalog of permissions")
    return permission


def _declare(access: Access) -> Callable[[View], View]:
    def mark(view: View) -> View:
        setattr(view, _MARK, access)
        return view

    return mark


def _check() -> Response | None:
    if request.endpoint is None:
        return None
    access = declared(current_app.view_functions[request.endpoint])
    if access is None:
        raise RuntimeError(f"{request.endpoint} declares no access")
    _refuse_nul(access)
    if access.kind is Kind.MACHINE:
        return None
    _connect()
    if access.kind in _FOR_KEYS and (presented := presented_key()):
        g.key_viewer = key_viewer(presented, control_plane().settings.pepper, utcnow())
        _refuse_without(access, g.key_viewer)
        if access.kind is Kind.API_OWN:
            _refuse_for_others(g.key_viewer)
        return None
    refusal = None if access.kind is Kind.PUBLIC else _refusal(access)
    if refusal is None:
        check_csrf(control_plane().settings)
    return refusal


def _refuse_nul(access: Access) -> None:
    """Raise Refused(BAD_REQUEST) for a text that PostgreSQL could not be asked about."""
    texts = [str(value) for value in (request.view_args or {}).values()]
    texts += [each for several in request.args.listvalues() for each in several]
    if access.kind in _WITH_FORMS:
        texts += [each for several in request.form.listvalues() for each in several]
    if any("\0" in text for text in texts):
        raise Refused(Fault.BAD_REQUEST, "A text holds a NUL character.")


def _refusal(access: Access) -> Response | None:
    person = visitor()
    if person is None:
        return _to_sign_in(access)
    gated = request.path.startswith(_GATED_BY_GOVERNANCE)
    if gated and not control_plane().settings.flag(GOVERNANCE_FLAG):
        raise Refused(Fault.NOT_FOUND, "There is no such page.")
    _refuse_without(access, person)
    return None


def _refuse_without(access: Access, person: Viewer) -> None:
    """Raise Refused unless somebody holds what a route asks for. Who holds it nowhere learns nothing else."""
    permission = access.permission
    if not permission:
        return
    is_scoped = access.anywhere or access.at is not None
    held = person.may_somewhere(permission) if is_scoped else person.may(permission)
    if held and access.at is not None:
        place = access.at(person.organization_id, request.view_args or {})
        held = person.may(permission, place)
    if not held:
        where = "" if is_scoped else " in the whole organization"
        raise Refused(
            Fault.PERMISSION_DENIED,
            f"This needs the permission {permission}{where}.",
            permission=permission,
            scope="object" if access.at else "anywhere" if access.anywhere else "organization",
        )


def _refuse_for_others(caller: Viewer) -> None:
    """Raise Refused unless an API key may ask and change what is its owner's own."""
    if not caller.is_person:
        raise Refused(Fault.PERMISSION_DENIED, "This is for people, and a service account is none.")
    if not caller.is_whole:
        raise Refused(Fault.PERMISSION_DENIED, "This needs a key that may do all its owner may.")


def _to_sign_in(access: Access) -> Response:
    if access.kind in _FOR_KEYS:
        raise Refused(Fault.MISSING_CREDENTIALS, "Nobody is signed in and no API key was sent.")
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


def hold_connection() -> None:
    """Hold a database connection until the request ends; for machine routes, which have none of their own."""
    _connect()


def _connect() -> None:
    if database.is_closed():
        database.connect()
        g.opened_connection = True


def _disconnect(_: BaseException | None) -> None:
    if g.pop("opened_connection", False) and not database.is_closed():
        database.close()
