"""Asking for a higher budget and deciding about it: the signed link, one's own budgets, the approver's list."""

from __future__ import annotations

from flask import Blueprint, Response, flash, request

from core import increase_links
from core.authoring import budgets as budget_authoring
from core.authoring import increases as authoring
from core.authoring.actor import Actor
from core.clock import utcnow
from core.fault import Fault, Refused
from core.models import BudgetIncrease, User, VirtualKey
from core.spending import standings
from webapp.access import public, requires, signed_in, viewer
from webapp.asked_increases import REQUESTS, own_budget, requester_of, tell_approvers
from webapp.forms import done, save, show_form, show_refused, typed
from webapp.page_models import budgets as pages
from webapp.page_models.settings_pages import FormPage
from webapp.pages import respond, see
from webapp.places import increase_place
from webapp.queries import budgets as queries
from webapp.security import client_ip
from webapp.state import control_plane

blueprint = Blueprint("budget_increases", __name__)
MINE = "/me/budgets"
_SHOWN_REQUESTS = 100


# Behind the link of a refused call
@blueprint.get(increase_links.PATH)
@public
def ask() -> Response:
    """Answer whoever holds a link with how the budget stands and the form to ask for more."""
    return _asking(request.args.get("token", ""), {}, {})


@blueprint.post(increase_links.PATH)
@public
def file() -> Response:
    """File what was asked for behind a link."""
    token = request.form.get("token", "")
    asking, values = _read(token), typed(pages.ASKING_FIELDS)
    actor = Actor(
        asking.organization_id,
        asking.principal_id or asking.virtual_key_id,
        "web",
        client_ip(control_plane().settings),
    )
    try:
        new = _new_increase(
            asking.budget_id, values, _holder(asking), asking.principal_id, asking.virtual_key_id
        )
        row = authoring.create(actor, new, utcnow())
    except Refused as refused:
        if refused.fault is not Fault.VALIDATION_ERROR:
            raise
        errors = refused.facts.get("errors", {})
        return _asking(token, values, errors if isinstance(errors, dict) else {})
    tell_approvers(row)
    return see("budget_increases.ask", token=token)


def _asking(token: str, values: dict[str, str], errors: dict[str, str]) -> Response:
    asking, now = _read(token), utcnow()
    budget = budget_authoring.find(asking.organization_id, asking.budget_id)
    (standing,) = standings([budget], now)
    asked = queries.increases_by_link(budget.id, asking.virtual_key_id)
    page = pages.AskingPage(
        token=token,
        row=pages.row_of(standing, queries.labels_of([budget]), False, now),
        asked=tuple(pages.increase_row(row, budget.name) for row in asked),
        is_waiting=any(row.status == authoring.PENDING for row in asked),
        values=values,
        errors=errors,
        now=now,
    )
    return respond("budget_increase.html", status=422 if errors else 200, page=page)


def _read(token: str) -> increase_links.Asking:
    settings = control_plane().settings
    secrets = (settings.jwt_secret, settings.jwt_secret_previous)
    asking = increase_links.read(token, secrets)
    if asking is None:
        remedy = "Send the call once more: as long as it is refused, the answer has a new link."
        raise Refused(Fault.NOT_FOUND, "This link is not ours, or its week is over.", remedy=remedy)
    key = VirtualKey.get_or_none(VirtualKey.id == asking.virtual_key_id)
    # Whoever was shut out holds links still; they end with the key, which off-boarding revokes.
    if key is None or key.status == "revoked":
        raise Refused(
            Fault.NOT_FOUND,
            "This link ended with its virtual key. The refusal of a newer key has a link of its own.",
        )
    return asking


def _holder(asking: increase_links.Asking) -> str:
    """Return how the approver reads who asks: the person the key belongs to, and the key."""
    key = VirtualKey.get_or_none(VirtualKey.id == asking.virtual_key_id)
    person = User.get_or_none(User.id == asking.principal_id) if asking.principal_id else None
    names = [person.email if person else "", f"key {key.name}" if key else ""]
    return ", ".join(name for name in names if name) or "somebody with a virtual key"


# One's own
@blueprint.get(MINE)
@signed_in
def mine() -> Response:
    """Answer with one's own budgets and what one asked for."""
    who, now = viewer(), utcnow()
    rows = queries.personal_budgets(who.organization_id, who.user_id)
    names = {row.id: row.name for row in rows}
    asked = queries.increases_of(who.organization_id, who.user_id)
    page = pages.MyBudgetsPage(
        rows=tuple(
            pages.row_of(s, {("principal", who.user_id): who.name}, False, now)
            for s in standings(rows, now)
        ),
        asked=tuple(pages.increase_row(row, names.get(row.budget_id, "A budget")) for row in asked),
        now=now,
    )
    return respond("my_budgets.html", page=page)


@blueprint.get(f"{MINE}/<budget_id>/request")
@signed_in
def ask_for_mine(budget_id: str) -> Response:
    """Answer with the form to ask for more of one's own budget."""
    return show_form(_my_form(budget_id, {}))


@blueprint.post(f"{MINE}/<budget_id>/request")
@signed_in
def file_for_mine(budget_id: str) -> Response:
    """File a request for one's own budget."""
    who, form = viewer(), _my_form(budget_id, {})
    values = typed(form.fields)
    try:
        new = _new_increase(budget_id, values, requester_of(who), who.user_id, None)
        row = authoring.create(who.actor(), new, utcnow())
    except Refused as refused:
        return show_refused(_my_form(budget_id, values), refused)
    tell_approvers(row)
    flash("Your request is with those who may decide it.", "positive")
    return done("budget_increases.mine")


def _my_form(budget_id: str, values: dict[str, str]) -> FormPage:
    who = viewer()
    budget = own_budget(who, budget_id)
    title = f"Ask for more of {budget.name}"
    action = f"{MINE}/{budget_id}/request"
    return FormPage(
        title, action, MINE, pages.ASKING_FIELDS, values, "", "Ask", trail="Your budgets"
    )


# Deciding
@blueprint.get(REQUESTS)
@requires("gatewayBudgets:update", anywhere=True)
def pending() -> Response:
    """Answer with the requests that the viewer may decide."""
    who, now = viewer(), utcnow()
    waiting = queries.pending_increases(who.organization_id, who.reach("gatewayBudgets:update"))
    oldest = waiting.order_by(BudgetIncrease.id).limit(_SHOWN_REQUESTS)
    rows = [pages.increase_row(each, each.budget_name) for each in oldest.objects()]
    page = pages.IncreasesPage(tuple(rows), now, is_full=len(rows) == _SHOWN_REQUESTS)
    return respond("budget_increases.html", ("requests",), page=page)


@blueprint.get(f"{REQUESTS}/<increase_id>/approve")
@requires("gatewayBudgets:update", at=increase_place)
def decide(increase_id: str) -> Response:
    """Answer with the form to approve a request, filled as it was asked for."""
    row = authoring.find(viewer().organization_id, increase_id)
    until = "" if row.wanted_until is None else f"{row.wanted_until:%Y-%m-%d %H:%M}"
    values = {"limit_usd": pages.plain_usd(row.wanted_limit_nanousd), "until": until}
    return show_form(_deciding(row, values))


@blueprint.post(f"{REQUESTS}/<increase_id>/approve")
@requires("gatewayBudgets:update", at=increase_place)
def approve(increase_id: str) -> Response:
    """Approve a request, as asked or otherwise."""
    who = viewer()
    row = authoring.find(who.organization_id, increase_id)
    values = typed(pages.DECIDING_FIELDS)

    def work() -> None:
        errors: dict[str, str] = {}
        limit_nanousd = pages.amount(values["limit_usd"], "limit_usd", errors)
        until = pages.moment(values["until"], "until", errors)
        if errors:
            raise Refused(Fault.VALIDATION_ERROR, errors=errors)
        authoring.approve(who.actor(), row.id, limit_nanousd, until, values["note"], utcnow())

    return save(_deciding(row, values), work, "budget_increases.pending", "The budget is raised.")


@blueprint.get(f"{REQUESTS}/<increase_id>/decline")
@requires("gatewayBudgets:update", at=increase_place)
def ask_why(increase_id: str) -> Response:
    """Answer with the form to decline a request."""
    return show_form(_declining(authoring.find(viewer().organization_id, increase_id), {}))


@blueprint.post(f"{REQUESTS}/<increase_id>/decline")
@requires("gatewayBudgets:update", at=increase_place)
def decline(increase_id: str) -> Response:
    """Decline a request, with the reason."""
    who = viewer()
    row = authoring.find(who.organization_id, increase_id)
    values = typed(pages.DECLINING_FIELDS)
    return save(
        _declining(row, values),
        lambda: authoring.decline(who.actor(), row.id, values["note"], utcnow()),
        "budget_increases.pending",
        "The request is declined.",
    )


def _deciding(row: BudgetIncrease, values: dict[str, str]) -> FormPage:
    action = f"{REQUESTS}/{row.id}/approve"
    title, fields = f"Raise it for {row.requester}", pages.DECIDING_FIELDS
    return FormPage(
        title, action, REQUESTS, fields, values, row.reason, "Approve", trail="Requests"
    )


def _declining(row: BudgetIncrease, values: dict[str, str]) -> FormPage:
    action = f"{REQUESTS}/{row.id}/decline"
    title, fields = f"Decline {row.requester}", pages.DECLINING_FIELDS
    return FormPage(
        title, action, REQUESTS, fields, values, row.reason, "Decline", trail="Requests"
    )


def _new_increase(
    budget_id: str,
    values: dict[str, str],
    requester: str,
    user_id: str | None,
    virtual_key_id: str | None,
) -> authoring.NewIncrease:
    errors: dict[str, str] = {}
    limit_nanousd = pages.amount(values["limit_usd"], "limit_usd", errors)
    until = pages.moment(values["until"], "until", errors)
    if errors:
        raise Refused(Fault.VALIDATION_ERROR, errors=errors)
    return authoring.NewIncrease(
        budget_id, limit_nanousd, until, values["reason"], requester, user_id, virtual_key_id
    )
