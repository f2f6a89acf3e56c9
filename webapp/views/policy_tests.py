"""The tests of policy rules: would a request pass, and what does a pattern match. Both only read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Blueprint, Response

from core.clock import utcnow
from rules.apis import Api
from webapp.access import requires, viewer
from webapp.forms import typed
from webapp.page_models import policy_tests as pages
from webapp.page_models.policy_rules import HERE
from webapp.page_models.policy_tests import PATTERN, TEST, Tested, TesterPage
from webapp.page_models.settings_pages import FormPage
from webapp.pages import respond
from webapp.queries.tested_keys import (
    named_key,
    offered_keys,
    setup_of_everybody,
    setup_of_key,
)
from webapp.would_pass import Asked, steps_of

blueprint = Blueprint("policy_tests", __name__)


@blueprint.get(TEST)
@requires("routingPolicies:view")
def index() -> Response:
    """Answer with the two tests."""
    return _show(_page({"api": Api.CHAT.value, "body": pages.SAMPLE}))


@blueprint.post(TEST)
@requires("routingPolicies:view")
def try_request() -> Response:
    """Answer with what each step would say of a request."""
    page = _page({})
    values = typed(page.request.fields)
    page = replace(page, request=replace(page.request, values=values))
    errors = _errors(values)
    if errors:
        return _show(replace(page, request=replace(page.request, errors=errors)), 422)
    return _show(replace(page, tested=_tested(values)))


@blueprint.post(PATTERN)
@requires("routingPolicies:view")
def try_pattern() -> Response:
    """Answer with which values a pattern matches, or why it is none."""
    page = _page({"api": Api.CHAT.value, "body": pages.SAMPLE})
    values = typed(page.pattern.fields)
    samples = [line for line in values["samples"].splitlines() if line.strip()]
    outcome = pages.pattern_tested(values["pattern"], samples[: pages.MOST_SAMPLES])
    pattern = replace(page.pattern, values=values)
    return _show(replace(page, pattern=pattern, pattern_tested=outcome))


def _page(values: dict[str, Any]) -> TesterPage:
    who = viewer()
    has_keys = who.may("virtualKeys:view")
    request_form = FormPage(
        "Would this request pass?", TEST, HERE, pages.request_fields(has_keys), values
    )
    pattern_form = FormPage("Try a pattern", PATTERN, HERE, pages.pattern_fields(), {})
    known = offered_keys(who.organization_id, _own_personal()) if has_keys else []
    return TesterPage(request_form, pattern_form, known)


def _own_personal() -> str | None:
    """Return whose personal keys may be named; None for everybody's."""
    who = viewer()
    return None if who.may("virtualKeys:viewOtherPersonal") else who.user_id


def _errors(values: dict[str, Any]) -> dict[str, str]:
    errors = {}
    if values["api"] not in pages.APIS:
        errors["api"] = "Choose one of them."
    if not 0 < len(values["body"]) <= pages.MOST_BODY_CHARACTERS:
        errors["body"] = f"Paste a body of up to {pages.MOST_BODY_CHARACTERS:,} characters."
    key = values.get("key", "")
    if key and named_key(viewer().organization_id, key, _own_personal()) is None:
        errors["key"] = "There is no such virtual key."
    return errors


def _tested(values: dict[str, Any]) -> Tested:
    who, text = viewer(), values.get("key", "")
    key = named_key(who.organization_id, text, _own_personal()) if text else None
    setup = setup_of_everybody(who.organization_id) if key is None else setup_of_key(key)
    asked = Asked(Api(values["api"]), values["body"].encode("utf-8", "replace"), values["model"])
    steps = steps_of(setup, asked, utcnow(), with_budgets=who.may("gatewayBudgets:view"))
    about = "what holds for every key" if key is None else f"the virtual key {key.name}"
    return Tested(steps, about)


def _show(page: TesterPage, status: int = 200) -> Response:
    return respond("policy_tests.html", ("verdict", "matched"), status, page=page)
