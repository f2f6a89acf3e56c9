"""Signing in through a company's OpenID provider: the way there and the way back."""

from __future__ import annotations

import hmac
import logging
from dataclasses import asdict

from flask import Blueprint, Response, make_response, request, session
from werkzeug.utils import redirect

from core.authoring import federated, sign_in_connections
from core.clock import utcnow
from core.fault import Fault, Refused
from core.models import SignInConnection
from core.secrets import SealError
from webapp import openid, sessions
from webapp.access import load_viewer, public
from webapp.openid import Errand, ProviderFailedError
from webapp.page_models.sign_in import SignInPage
from webapp.pages import respond
from webapp.security import client_ip
from webapp.state import control_plane
from webapp.trials import reach_of_connection

LOG = logging.getLogger(__name__)
blueprint = Blueprint("single_sign_on", __name__)
CALLBACK = "/sign-in/callback"
_ERRAND, _NEXT, _AT = "errand", "errand_next", "errand_at"
# How long somebody may take at the provider.
ERRAND_SECONDS = 600


@blueprint.get("/sign-in/with/<connection_id>")
@public
def leave(connection_id: str) -> Response:
    """Send the browser to the provider; the session keeps what must come back."""
    row = sign_in_connections.find_enabled_or_not(connection_id)
    if row is None or not row.is_enabled:
        raise Refused(Fault.NOT_FOUND, "There is no such way to sign in.")
    target = sessions.safe_next(request.args.get("next", "/"))
    try:
        provider = control_plane().openid.discover(
            row.issuer, reach_of_connection(row, control_plane())
        )
    except ProviderFailedError as failed:
        return _failed(row, str(failed))
    errand = openid.start(row.id, callback_address())
    session[_ERRAND] = asdict(errand)
    session[_NEXT] = target
    session[_AT] = int(utcnow().timestamp())
    return make_response(redirect(openid.authorization_address(provider, row, errand), code=303))


@blueprint.get(CALLBACK)
@public
def come_back() -> Response:
    """Take what the provider sent back, and begin a session for whom it vouches for."""
    errand, target = _taken()
    row = sign_in_connections.find_enabled_or_not(errand.connection_id) if errand else None
    if errand is None or row is None or not row.is_enabled:
        raise Refused(
            Fault.BAD_REQUEST, "This sign-in has ended or was begun elsewhere. Start anew."
        )
    if not hmac.compare_digest(request.args.get("state", "").encode(), errand.state.encode()):
        raise Refused(Fault.BAD_REQUEST, "This sign-in was begun elsewhere. Start anew.")
    try:
        vouched = _vouched(row, errand)
        user = federated.arrive(row, vouched, client_ip(control_plane().settings), utcnow())
    except ProviderFailedError as failed:
        return _failed(row, str(failed))
    except Refused as refused:
        return _failed(row, refused.message or refused.fault.hint)
    person = load_viewer(user.id)
    if person is None:
        raise Refused(Fault.UNAUTHENTICATED)
    sessions.begin(person)
    return make_response(redirect(target, code=303))


def callback_address() -> str:
    """Return the address that a provider sends browsers back to; it must be registered there."""
    base = control_plane().settings.web_url or request.host_url.rstrip("/")
    return base + CALLBACK


def _taken() -> tuple[Errand | None, str]:
    """Return the errand of this session, which is over with that, and where it leads."""
    kept, target = session.pop(_ERRAND, None), session.pop(_NEXT, "/")
    at = session.pop(_AT, 0)
    is_late = not isinstance(at, int) or utcnow().timestamp() - at > ERRAND_SECONDS
    if not isinstance(kept, dict) or is_late:
        return None, "/"
    return Errand(**kept), sessions.safe_next(str(target))


def _vouched(row: SignInConnection, errand: Errand) -> federated.Vouched:
    state, arguments = control_plane(), request.args
    if "error" in arguments:
        code = "".join(c for c in arguments["error"] if c.isalnum() or c in "_-")[:60]
        raise ProviderFailedError(f"The provider refused: {code}.")
    issuer = arguments.get("iss", row.issuer).rstrip("/")
    if issuer != row.issuer.rstrip("/") or not arguments.get("code"):
        raise ProviderFailedError("The answer is not from this provider.")
    try:
        secret = sign_in_connections.secret_of(row, state.sealer)
    except SealError:
        raise ProviderFailedError("The client secret can't be opened; enter it again.") from None
    return openid.returned(
        state.openid,
        row,
        secret,
        errand,
        arguments["code"],
        reach_of_connection(row, control_plane()),
    )


def _failed(row: SignInConnection, reason: str) -> Response:
    LOG.warning("single_sign_on_failed", extra={"connection_id": row.id, "reason": reason})
    page = SignInPage("/", error=f"{row.name}: {reason}", connections=((row.id, row.name),))
    return respond("sign_in.html", status=Fault.PERMISSION_DENIED.status, page=page)
