"""Every resource of the management API, a row each, and the routes that serve them and describe them."""

from __future__ import annotations

import importlib.metadata
from functools import lru_cache
from typing import Any

from flask import Response

from webapp.access import machine
from webapp.api.cache_rules import CACHE_RULES
from webapp.api.openapi import document
from webapp.api.serving import blueprint_of
from webapp.faults import json_answer

TABLES = (CACHE_RULES,)
blueprint = blueprint_of(TABLES)


@lru_cache(maxsize=1)
def described() -> dict[str, Any]:
    """Return the OpenAPI document of this version."""
    return document(TABLES, importlib.metadata.version("langwatch-control-plane"))


@blueprint.get("/api/openapi.json")
@machine
def openapi() -> Response:
    """Answer with the OpenAPI document; it tells nothing worth protecting."""
    return json_answer(described())
