"""Virtual keys: list, composer, a key's own page, rotation with the secret shown once, switching off, revoking."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from flask import Blueprint, Response, flash, request

from core.authoring import looking, routing_policies
from core.authoring import virtual_keys as authoring
from core.authoring.validation import not_found
from core.clock import utcnow
from core.models import Project, Provider, VirtualKey
from core.secrets import Secret
from core.spending import standings
from rules.permissions import Place
from rules.windows import Window, period
from webapp.access import requires, viewer
from webapp.forms import DRAWER, asked_page, at_of, paged, show_page
from webapp.lake import lake_activity
from webapp.page_models import budgets as budget_pages
from webapp.page_models import virtual_keys as pages
from webapp.page_models.connecting import model_for, snippets
from webapp.page_models.settings_pages import SettingsPage, Table
from webapp.page_models.virtual_keys import HERE, KeyPage, May, SecretPage, Sees
from webapp.pages import asked_fragment, respond, see
from webapp.places import virtual_key_place
from webapp.queries import virtual_keys as queries
from webapp.queries.budgets import labels_of
from webapp.queries.bundle import budgets_on
from webapp.state import control_plane
from webapp.views.welcome import gateway_address

blueprint = Blueprint("virtual_keys", __name__)


@blueprint.get(HERE)
@requires(queries.VIEW, anywhere=True)
def index() -> Response:
    """Answer with the keys within reach, a page at a time."""
    who, now = viewer(), utcnow()
    asked = request.args.get("status", "")
    status = asked if asked in queries.STATUSES else queries.STATUSES[0]
    kept = (("status", status),) if status != queries.STATUSES[0] else ()
    paging = replace(asked_page(HERE), kept=kept)
    found = queries.keys_page(who, status, paging.search, at_of(paging), now)
    since = period(Window.MONTH, now)[0]
    spent = lake_activity(who.organization_id).key_spend(
        [row.id for row in found.part.rows], since, now
    )
    rows = []
    for row in found.part.rows:
        project = found.projects.get(row.project_id)
        person = found.people.get(row.principal_user_id or "")
        place = Place(project.team_id, project.id) if project else Place()
        amount = spent.get(row.id, 0) if who.may(pages.USAGE, place) else None
        rows.append(pages.list_row(row, project, person, amount, _may(place), now))
    paging = paged(paging, found.part)
    table = Table("keys", "Virtual keys", pages.COLUMNS, rows, "No key matches.", paging=paging)
    may_create = who.may_somewhere("virtualKeys:create")
    page = SettingsPage(
        "Virtual keys",
        "What tools and services call models with. Providers' own credentials never leave the gateway.",
        HERE,
        now,
        (table,),
        actions=(("New key", f"{HERE}/new", True),) if may_create else (),
        search_label="Find a key",
        search_hint="Words of name, tag, owner or prefix",
        choices=tuple(
            (label, replace(paging, kept=(("status", name),)).address(), name == status)
            for name, label in pages.STATUS_LABELS.items()
        ),
    )
    return show_page(page)


@blueprint.get(f"{HERE}/<key_id>")
@requires(queries.VIEW, at=virtual_key_place)
def show(key_id: str) -> Response:
    """Answer with one key: its chain, its settings, its use, its budgets.

    Whoever sees another person's calls there leaves a row in the audit log.
    """
    who, now = viewer(), utcnow()
    row, place = found_key(key_id)
    project = Project.get_by_id(row.project_id)
    person = queries.people_of([row]).get(row.principal_user_id or "")
    policy = routing_policies.applying_to(row, project)
    chain = policy.provider_ids if policy else row.provider_ids
    lake = lake_activity(who.organization_id)
    state, tone = pages.state_of(row, now)
    sees = Sees(*(who.may(each, place) for each in (pages.USAGE, pages.LOGS, pages.BUDGETS)))
    owner = row.principal_user_id
    looks_at = owner if owner and owner != who.user_id and sees.calls else ""
    if looks_at:
        looking.looked_at(who.actor(), looks_at, row.id, now)
    on_it = budgets_on(row, project) if sees.budgets else []
    labels = labels_of(on_it)
    since = now - timedelta(days=pages.USAGE_DAYS)
    page = KeyPage(
        row=row,
        state=state,
        tone=tone,
        facts=pages.facts_of(row, project, person),
        chain=pages.chain_of(chain, queries.providers_named(chain)),
        routed_by=pages.routed_by(row, policy),
        settings=pages.settings_of(
            row.config, dict(queries.guardrail_choices(who.organization_id))
        ),
        usage=pages.usage_of(lake.key_usage(row.id, since, now) if sees.usage else [], now),
        calls=lake.calls_of("virtual_key", row.id, now, pages.CALLS) if sees.calls else [],
        budgets=tuple(
            budget_pages.row_of(each, labels, False, now) for each in standings(on_it, now)
        ),
        sees=sees,
        looks_at=person.name if person and looks_at else "",
        may=May() if row.status == "revoked" else _may(place),
        grace_until=_grace_of(row, now),
        now=now,
    )
    return respond("virtual_key.html", ("virtual_key",), page=page)


@blueprint.post(f"{HERE}/<key_id>/rotate")
@requires("virtualKeys:rotate", at=virtual_key_place)
def rotate(key_id: str) -> Response:
    """Give a key a new secret and show it."""
    row, _ = found_key(key_id)
    return rotated(row, f"{HERE}/{row.id}")


@blueprint.post(f"{HERE}/<key_id>/disable")
@requires("virtualKeys:update", at=virtual_key_place)
def disable(key_id: str) -> Response:
    """Turn a key off."""
    row, _ = found_key(key_id)
    authoring.disable(viewer().actor(), row.id, utcnow(), request.form.get("reason", ""))
    flash(f"{row.name} is disabled; gateways refuse it within two seconds.", "positive")
    return _after(row.id)


@blueprint.post(f"{HERE}/<key_id>/enable")
@requires("virtualKeys:update", at=virtual_key_place)
def enable(key_id: str) -> Response:
    """Turn a disabled key on again."""
    row, _ = found_key(key_id)
    authoring.enable(viewer().actor(), row.id, utcnow())
    flash(f"{row.name} is enabled.", "positive")
    return _after(row.id)


@blueprint.post(f"{HERE}/<key_id>/revoke")
@requires("virtualKeys:delete", at=virtual_key_place)
def revoke(key_id: str) -> Response:
    """End a key for good."""
    row, _ = found_key(key_id)
    authoring.revoke(viewer().actor(), row.id, utcnow(), request.form.get("reason", ""))
    flash(f"{row.name} is revoked; gateways refuse it within two seconds.", "positive")
    return _after(row.id)


def found_key(key_id: str) -> tuple[VirtualKey, Place]:
    """Return a key that the viewer may see, and where it is. Raises Refused(NOT_FOUND)."""
    who = viewer()
    row = authoring.find(who.organization_id, key_id)
    place = virtual_key_place(who.organization_id, {"key_id": key_id})
    if not queries.may_see(who, row, place):
        raise not_found("virtual key")
    return row, place


def rotated(row: VirtualKey, back: str) -> Response:
    """Give a key a new secret and answer with it."""
    pepper, now = control_plane().settings.pepper, utcnow()
    fresh, secret = authoring.rotate(viewer().actor(), row.id, pepper, now)
    until = fresh.previous_valid_until
    grace = f"The secret before it works until {until:%Y-%m-%d %H:%M} UTC." if until else ""
    return show_secret(fresh, secret, back, f"{row.name} has a new secret", grace)


def show_secret(
    row: VirtualKey, secret: Secret, back: str, title: str, grace: str = ""
) -> Response:
    """Answer with a key's secret, which no other answer holds, and what each tool needs of it."""
    first: Provider | None = Provider.get_or_none(Provider.id == next(iter(row.provider_ids), ""))
    model = model_for(first.type if first else "")
    text = secret.reveal()
    page = SecretPage(
        title,
        "Use it wherever a tool asks for an API key.",
        text,
        snippets(gateway_address(), text, model),
        back,
        grace,
        as_page=not asked_fragment(DRAWER),
    )
    response = respond("virtual_key_secret.html", DRAWER, page=page)
    response.headers["HX-Trigger"] = "listing-changed"
    return response


def _may(place: Place) -> May:
    return May(
        *(viewer().may(f"virtualKeys:{verb}", place) for verb in ("update", "rotate", "delete"))
    )


def _grace_of(row: VirtualKey, now: datetime) -> datetime | None:
    until: datetime | None = row.previous_valid_until
    return until if until is not None and until > now else None


def _after(key_id: str) -> Response:
    # A change from the list fetches the list again; from the key's page, that page.
    if asked_fragment(("tables",)):
        return see("virtual_keys.index")
    return see("virtual_keys.show", key_id=key_id)
