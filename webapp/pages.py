"""Answers of the web app as HTML: the whole page or the one fragment htmx asks for; it decides nothing about access."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, cast

from flask import (
    Flask,
    Response,
    g,
    get_flashed_messages,
    make_response,
    render_template,
    request,
    url_for,
)
from htmx_flask import Htmx
from jinja2 import StrictUndefined
from jinja2_fragments.flask import render_block
from werkzeug.utils import redirect

from webapp import charts, filters
from webapp.csrf import csrf_token
from webapp.page_models.shell import Shell

STATIC = Path(__file__).parent / "static"
ASSET_AGE_SECONDS = 365 * 24 * 3600
"""An asset's address changes with its content."""
HTMX = "vendor/htmx-4.0.1/htmx.min.js"


def respond(
    template: str, fragments: Collection[str] = (), status: int = 200, **context: object
) -> Response:
    """Answer with the whole page, or with the one fragment htmx is about to replace.

    The block ``sources_list`` renders the element ``id="sources-list"``: one name, so either finds the other. A view
    lists the fragments it has context for; any other target, a boosted link and a history restore get the page.

    htmx 4 sends ``HX-Target: section#sources-list``. Source: four.htmx.org, reference, HX-Target.
    """
    block = asked_fragment(fragments)
    if block:
        body = render_block(template, block, **context) + _notices_out_of_band()
    else:
        body = render_template(template, **context)
    response = make_response(body, status)
    response.vary.update(("HX-Request", "HX-Target", "HX-Boosted"))
    response.headers["Cache-Control"] = "no-store"
    return response


def asked_fragment(fragments: Collection[str]) -> str:
    """Return the block that htmx wants of those offered, or an empty string for the whole page."""
    header = request.headers.get
    block = header("HX-Target", "").rpartition("#")[2].replace("-", "_")
    whole = "true" in (header("HX-Boosted"), header("HX-History-Restore-Request"))
    return block if block in fragments and not whole else ""


def _notices_out_of_band() -> str:
    # What is typed is answered while a change may be under way: its notice is for the page that it leads to.
    if request.method != "GET" or not get_flashed_messages(with_categories=True):
        return ""
    return render_template("_notices.html", out_of_band=True)


def see(endpoint: str, **values: str) -> Response:
    """Answer a change with 303 to the page that shows its result."""
    response = make_response(redirect(url_for(endpoint, **cast(dict[str, Any], values)), code=303))
    response.headers["Cache-Control"] = "no-store"
    return response


def install_look(app: Flask, current_shell: Callable[[], Shell]) -> None:
    """Install filters, macros and globals on ``app``; ``current_shell`` is asked once a request."""
    Htmx(app)
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = ASSET_AGE_SECONDS
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters.update(filters.FILTERS)

    def shell() -> Shell:
        if "shell" not in g:
            g.shell = current_shell()
        return g.shell  # type: ignore[no-any-return]

    app.jinja_env.globals.update(
        asset=_asset_addresses(),
        csrf_token=csrf_token,
        htmx_script=HTMX,
        sharebar=charts.share_bar,
        shell=shell,
        sparkline=charts.sparkline,
    )
    app.jinja_env.globals["ui"] = app.jinja_env.get_template("ui.html").module


def _asset_addresses() -> Callable[[str], str]:
    """Return a function from file to address; the address carries the digest, so it may be cached for long."""
    digests: dict[str, str] = {}

    def asset(name: str) -> str:
        if name not in digests:
            digests[name] = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:10]
        return url_for("static", filename=name, v=digests[name])

    return asset
