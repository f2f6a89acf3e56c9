"""Calls: the list of those within reach, and one with what became of it and what was kept of its words."""

from __future__ import annotations

from flask import Blueprint, Response, request

from core.authoring import looking
from core.clock import utcnow
from webapp.access import requires, signed_in, viewer
from webapp.page_models import call_list as lists
from webapp.page_models import calls as pages
from webapp.page_models.calls import CallPage
from webapp.page_models.privacy import hidden_words
from webapp.pages import respond
from webapp.queries import calls as queries
from webapp.queries.calls import Wanted
from webapp.queries.ledger import cursor_behind, place_behind
from webapp.queries.virtual_keys import may_see

blueprint = Blueprint("calls", __name__)


@blueprint.get(pages.HERE)
@requires(queries.LOGS, anywhere=True)
def index() -> Response:
    """Answer with the calls asked for, newest first.

    Whoever narrows them to another person, or to a key of another person's own, leaves a row in the audit log.
    """
    who, now = viewer(), utcnow()
    asked = lists.Asked.read(request.args)
    behind = place_behind(asked.cursor)
    wanted = Wanted(asked.since(now), now, asked.id, asked.model, asked.equal)
    found = queries.calls_page(who, wanted, behind, lists.ROWS)
    if looks_at := queries.looked_into(who, wanted, found):
        looking.looked_at(who.actor(), looks_at, asked.key_id, now)
    narrowed = tuple(
        (f"Only {found.names.get(its_id, its_id)}", asked.address(**{name: ""}))
        for name, its_id in (("virtualKeyId", asked.key_id), ("principalUserId", asked.user_id))
        if its_id
    )
    page = lists.CallListPage(
        now=now,
        asked=asked,
        rows=tuple(lists.row_of(row, found.names) for row in found.rows),
        older=cursor_behind(found.rows[-1]) if found.is_more else "",
        narrowed=narrowed,
    )
    return respond("calls.html", ("calls",), page=page)


@blueprint.get(f"{pages.HERE}/<call_id>")
@signed_in
def show(call_id: str) -> Response:
    """Answer with one call: one's own, or with ``gatewayLogs:view`` one of a place.

    Whoever looks at a call that another person made with a key of their own leaves a row in the audit log.
    """
    who, now = viewer(), utcnow()
    found = queries.found_call(who, call_id)
    row, place = found.row, queries.place_of(found.row)
    is_own = row.principal_user_id == who.user_id
    if not is_own:
        who.need_at(queries.LOGS, place, "call")
    names = queries.names_in(found)
    looks_at = "" if is_own else found.looks_at
    if looks_at:
        looking.looked_at(who.actor(), looks_at, row.virtual_key_id, now)
    key, opens = found.key, found.key is not None and may_see(who, found.key, place)
    key_path = f"/settings/virtual-keys/{row.virtual_key_id}" if opens else ""
    key_name = "A key that is gone" if key is None else key.name
    outcome, tone = pages.outcome_of(row)
    page = CallPage(
        title=row.model or row.requested_model or row.request_type,
        call_id=row.call_id,
        outcome=outcome,
        tone=tone,
        stats=pages.stats_of(row),
        facts=pages.facts_of(
            row, found.facts, names, "" if found.project is None else found.project.name
        ),
        attempts=pages.attempts_of(row, found.facts, names),
        checks=pages.checks_of(found.facts, names),
        key=(key_path, key_name),
        sides=pages.sides_of(found.texts),
        kept=pages.kept_words(found.content, str((row.facts or {}).get("capture") or "")),
        is_cut=found.content is not None and found.content.is_cut,
        hidden=hidden_words(found.hidden) if found.content is not None else "",
        looks_at=names.get(looks_at, ""),
        back=("Calls", pages.HERE) if who.may_somewhere(queries.LOGS) else ("My workspace", "/me"),
        now=now,
    )
    return respond("call.html", page=page)
