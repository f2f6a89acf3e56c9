"""The application factory: puts the parts of the web app together. Opens no database and binds no socket."""

from __future__ import annotations

from flask import Flask

from core.clock import utcnow
from core.settings import GATEWAY_MENU_FLAG, GOVERNANCE_FLAG, Settings
from rules.persona import shows_govern
from webapp.access import install_access, visitor
from webapp.csrf import csrf_token
from webapp.faults import install_faults
from webapp.lake import install_lake
from webapp.page_models.shell import Shell
from webapp.pages import install_look
from webapp.security import install_headers
from webapp.sessions import install_sessions
from webapp.setup_state import is_governance_active
from webapp.state import control_plane, install_state
from webapp.views import BLUEPRINTS

MAX_BODY_BYTES = 12 * 1024 * 1024
# No form of ours has more; werkzeug would take thousands.
MAX_FORM_PARTS = 200


def create_app(settings: Settings) -> Flask:
    """Return the web app for these settings. The models must be bound to a migrated database when it answers."""
    app = Flask("webapp", static_folder="static", template_folder="templates")
    app.config.update(MAX_CONTENT_LENGTH=MAX_BODY_BYTES, MAX_FORM_PARTS=MAX_FORM_PARTS)
    install_state(app, settings)
    install_sessions(app, settings)
    install_look(app, current_shell)
    install_lake(app)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    install_access(app)
    install_headers(app, settings)
    install_faults(app)
    return app


def current_shell() -> Shell:
    """Return what surrounds this answer. The Govern entry needs its flag, its permission and something to govern;
    the gateway's entries need their flag and their permissions."""
    person = visitor()
    if person is None:
        return Shell.signed_out(csrf_token())
    state = control_plane()
    governs = shows_govern(
        state.settings.flag(GOVERNANCE_FLAG),
        person.may("organization:manage") and person.may("governance:view"),
        lambda: is_governance_active(state.lake, person.organization_id, utcnow()),
    )
    return Shell(
        organization_name=person.organization_name,
        user_name=person.name,
        user_email=person.email,
        governs=governs,
        may=person.may,
        csrf_token=csrf_token(),
        may_somewhere=person.may_somewhere,
        may_with_others=person.may_with_others,
        has_gateway=state.settings.flag(GATEWAY_MENU_FLAG),
    )
