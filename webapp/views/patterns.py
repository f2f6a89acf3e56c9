"""The page of patterns: every piece of interface in every state, for whoever builds or reviews a page."""

from __future__ import annotations

from flask import Blueprint, Response

from webapp.access import public
from webapp.page_models import patterns
from webapp.pages import respond

blueprint = Blueprint("patterns", __name__)


@blueprint.get("/-/patterns")
@public
def show() -> Response:
    """Answer with the page of patterns."""
    return respond("patterns.html", page=patterns.sample())
