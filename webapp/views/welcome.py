"""The first personal key, shown once, with a first request that uses it."""

from __future__ import annotations

from flask import Blueprint, Response, session

from core.authoring.personal_keys import fresh_personal_key
from core.clock import utcnow
from core.models import User
from core.secrets import SealError, Secret
from webapp.access import signed_in, viewer
from webapp.own_keys import may_create, refuse_creation
from webapp.page_models.sign_in import WelcomePage, anthropic_curl, openai_curl
from webapp.pages import respond, see
from webapp.state import control_plane

blueprint = Blueprint("welcome", __name__)
_KEY = "shown_once"


@blueprint.get("/welcome")
@signed_in
def show() -> Response:
    """Answer with the key that was just made; without one, with an offer to make a fresh secret.

    Who may make no key of their own is sent to their own page.
    """
    gateway_url = gateway_address()
    secret = _kept()
    if secret is None and not may_create(viewer()):
        return see("my_workspace.show")
    if secret is None:
        return respond("welcome.html", page=WelcomePage(viewer().name, gateway_url))
    text = secret.reveal()
    page = WelcomePage(
        viewer().name,
        gateway_url,
        text,
        openai_curl(gateway_url, text),
        anthropic_curl(gateway_url, text),
    )
    return respond("welcome.html", page=page)


@blueprint.post("/welcome")
@signed_in
def create() -> Response:
    """Make the personal key, or give it a new secret, and show it."""
    refuse_creation(viewer())
    user = User.get_by_id(viewer().user_id)
    settings = control_plane().settings
    _, secret = fresh_personal_key(viewer().actor(), user, settings.pepper, utcnow())
    keep_for_showing(secret)
    return see("welcome.show")


def keep_for_showing(secret: Secret) -> None:
    """Keep a secret, sealed, in the session until the next page shows it."""
    session[_KEY] = control_plane().sealer.seal(secret.reveal(), _KEY)


def gateway_address() -> str:
    """Return the address under which tools reach the gateway."""
    settings = control_plane().settings
    host, port = settings.gateway_address
    return settings.gateway_url or f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}"  # noqa: S104


def _kept() -> Secret | None:
    sealed = session.pop(_KEY, None)
    try:
        return control_plane().sealer.open(sealed, _KEY) if isinstance(sealed, str) else None
    except SealError:
        return None
