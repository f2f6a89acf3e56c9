"""A bare Flask application with the look installed and nobody's data, for tests of templates alone."""

from __future__ import annotations

from flask import Flask, Response

from webapp.page_models.shell import Shell
from webapp.pages import install_look
from webapp.views import patterns

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def look_app() -> Flask:
    """Return the application: the page of patterns, under a policy without inline script and style."""
    app = Flask("webapp", static_folder="static", template_folder="templates")
    app.secret_key = "only for tests"
    install_look(
        app,
        lambda: Shell("Acme", "Ada Lovelace", "ada@acme.test", True, lambda _: True, "test-token"),
    )
    app.register_blueprint(patterns.blueprint)

    @app.after_request
    def strict(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = POLICY
        return response

    return app
