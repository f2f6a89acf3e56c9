"""What every settings form does alike: read what was typed, save it, and show it again when it was refused.

A refusal about fields is shown beside them (422); a stale save is told what changed (409) and keeps what was typed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flask import Response, flash, request

from core.authoring.versions import Changed
from core.clock import utcnow
from core.fault import Fault, Refused
from webapp.filters import plural
from webapp.page_models.settings_pages import (
    ChangedField,
    Field,
    FormPage,
    Paging,
    SettingsPage,
    ShownOnce,
)
from webapp.pages import asked_fragment, respond, see
from webapp.queries.keyset import MOST_COUNTED, At, Part, asked_at

DRAWER = ("drawer",)
_SHOWN_CHARACTERS = 120
_CURSOR_CHARACTERS = 2000


def typed(fields: Sequence[Field]) -> dict[str, Any]:
    """Return what was typed into a form's controls: texts without spaces around them, lists for checks."""
    values: dict[str, Any] = {}
    for each in fields:
        if each.kind == "checks":
            values[each.name] = request.form.getlist(each.name)
        elif each.kind == "password":
            values[each.name] = request.form.get(each.name, "")
        else:
            values[each.name] = request.form.get(each.name, "").strip()
    return values


def sent_version() -> str | None:
    """Return the version that a form was opened at; a form without one expects nothing."""
    return request.form.get("version") or None


def show_form(form: FormPage, status: int = 200) -> Response:
    """Answer with a form: in the drawer when htmx asks for that, else as a page. Passwords are never sent back."""
    secret = {each.name for each in form.fields if each.kind == "password"}
    values = {name: value for name, value in form.values.items() if name not in secret}
    as_page = not asked_fragment(DRAWER)
    page = replace(form, values=values, as_page=as_page, now=utcnow())
    return respond("settings_form.html", DRAWER, status, page=page)


def save(
    form: FormPage, work: Callable[[], object], endpoint: str, said: str = "", **values: str
) -> Response:
    """Do the work of a form and return to a page; when it is refused, answer with the form and why."""
    try:
        work()
    except Refused as refused:
        return show_refused(form, refused)
    if said:
        flash(said, "positive")
    return done(endpoint, **values)


def show_refused(form: FormPage, refused: Refused) -> Response:
    """Answer a refused form with 422 or 409; any other refusal is not the form's to answer and is raised on."""
    return show_form(told(form, refused), refused.fault.status)


def told(
    form: FormPage,
    refused: Refused,
    by_control: Callable[[Mapping[str, str]], dict[str, str]] = dict,
) -> FormPage:
    """Return a form with why it was refused: complaints beside its controls, or what changed since it was opened.

    ``by_control`` puts complaints under the names of the controls. Any other refusal is raised on.
    """
    if refused.fault is Fault.VALIDATION_ERROR:
        errors: Any = refused.facts.get("errors", {})
        found = by_control(errors) if isinstance(errors, dict) else {"form": refused.message}
        return replace(form, errors=found)
    if refused.fault is Fault.CONFLICT and "version" in refused.facts:
        return stale(form, refused)
    raise refused


@dataclass(frozen=True, slots=True)
class Stale:
    """What a form is told that was opened before somebody else's change."""

    version: str
    """The version that saving over it names."""
    changes: Sequence[ChangedField]


def stale_of(refused: Refused) -> Stale | None:
    """Return what a stale save is told; None for any other refusal."""
    if refused.fault is not Fault.CONFLICT or "version" not in refused.facts:
        return None
    changes: Any = refused.facts.get("changes", [])
    return Stale(str(refused.facts["version"]), [_in_words(change) for change in changes])


def stale(form: FormPage, refused: Refused) -> FormPage:
    """Return a form with what changed since it was opened; saving it again is saving over that."""
    found = stale_of(refused)
    if found is None:
        raise refused
    return replace(form, is_stale=True, version=found.version, changes=found.changes)


def done(endpoint: str, **values: str) -> Response:
    """Return to a page; from a drawer the whole page is loaded, which closes it."""
    response = see(endpoint, **values)
    if asked_fragment(DRAWER):
        response.status_code = 200
        response.headers["HX-Redirect"] = response.headers.pop("Location")
    return response


def show_once(page: ShownOnce) -> Response:
    """Answer with a secret or link that no other answer holds; the list behind it is fetched again."""
    as_page = not asked_fragment(DRAWER)
    response = respond("settings_shown_once.html", DRAWER, page=replace(page, as_page=as_page))
    response.headers["HX-Trigger"] = "listing-changed"
    return response


def show_page(page: SettingsPage) -> Response:
    """Answer with a page of tables, or with the tables alone."""
    return respond("settings_page.html", ("tables",), page=page)


def asked_page(path: str) -> Paging:
    """Return which part of a list was asked for, as its address says it."""
    given = {name: request.args.get(name, "")[:_CURSOR_CHARACTERS] for name in ("before", "after")}
    asked = tuple((name, text) for name, text in given.items() if text)[:1]
    return Paging(path, request.args.get("q", "").strip()[:100], asked=asked)


def at_of(paging: Paging) -> At:
    """Return the place in a list that was asked for; nonsense asks for the first."""
    asked = dict(paging.asked)
    return asked_at(asked.get("before", ""), asked.get("after", ""))


def paged(paging: Paging, part: Part) -> Paging:
    """Return a paging with what stands before and after the part that was found."""
    return replace(paging, before=part.before, after=part.after)


def told_count(number: int, singular: str, many: str) -> str:
    """Return how many there are in words; beyond what is counted, that there are more."""
    if number > MOST_COUNTED:
        return f"{MOST_COUNTED:,}+ {many}"
    return plural(number, singular, many)


def _in_words(change: Changed) -> ChangedField:
    return ChangedField(
        change.field.replace("_", " ").capitalize(),
        _shown(change.before),
        _shown(change.after),
        change.by,
        change.at,
    )


def _shown(value: Any) -> str:
    if value is None or value == "":
        return "nothing"
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"
