"""Members of the organization: list, change, shut out and let in again, remove, and a link for a new password."""

from __future__ import annotations

from dataclasses import replace

from flask import Blueprint, Response, flash

from core.authoring import offboarding, password_links, people
from core.authoring.people import Person
from core.authoring.versions import version_of
from core.clock import utcnow
from webapp import letters
from webapp.access import requires, viewer
from webapp.forms import (
    asked_page,
    at_of,
    paged,
    save,
    sent_version,
    show_form,
    show_once,
    show_page,
    told_count,
    typed,
)
from webapp.page_models.inviting import (
    MANY,
    ONE,
    ROLE_CHOICES,
    ROLE_HELP,
    ROLE_TONES,
    WAITING,
    invitations_table,
)
from webapp.page_models.inviting import MEMBERS as HERE
from webapp.page_models.settings_pages import (
    PAGE_ROWS,
    Action,
    Cell,
    Field,
    FormPage,
    Row,
    SettingsPage,
    ShownOnce,
    Table,
)
from webapp.pages import see
from webapp.queries import choices
from webapp.queries.people import MemberRow, members_page, open_invitations, people_named, teams_of
from webapp.state import control_plane

blueprint = Blueprint("members", __name__)


@blueprint.get(HERE)
@requires("organization:manage")
def index() -> Response:
    """Answer with the members, a page at a time, and the newest invitations that wait."""
    who, now, paging = viewer(), utcnow(), asked_page(HERE)
    found, total = members_page(who.organization_id, paging.search, at_of(paging))
    teams = teams_of(who.organization_id, [row.user_id for row in found.rows])
    departments = choices.department_names(who.organization_id)
    rows = [_row(row, teams.get(row.user_id, []), departments, who.user_id) for row in found.rows]
    members = Table(
        "members",
        "Members",
        ("Name", "Role", "Teams", "Department", "State"),
        rows,
        "Nobody matches.",
        paging=replace(paged(paging, found), summary=told_count(total, "person", "people")),
    )
    waiting = open_invitations(who.organization_id, PAGE_ROWS + 1)
    inviters = people_named({row.invited_by_id for row in waiting})
    is_part = len(waiting) > PAGE_ROWS
    invitations = invitations_table(
        waiting[:PAGE_ROWS],
        inviters,
        now,
        caption=f"The newest {PAGE_ROWS}; more are under All invitations." if is_part else "",
    )
    page = SettingsPage(
        "Members",
        "Who belongs to the organization and what they are in it.",
        HERE,
        now,
        (members, invitations) if waiting else (members,),
        actions=(("Invite", ONE, True),),
        links=(
            *((("All invitations", WAITING),) if waiting else ()),
            ("Invite many", MANY),
        ),
        search_label="Find a person",
        search_hint="Words of name or e-mail address",
    )
    return show_page(page)


@blueprint.get(f"{HERE}/<user_id>/edit")
@requires("organization:manage")
def edit(user_id: str) -> Response:
    """Answer with the form over a member."""
    user, member = people.find(viewer().organization_id, user_id)
    values = {
        "name": user.name,
        "email": user.email,
        "role": member.role,
        "department_id": member.department_id or "",
    }
    return show_form(_form(user_id, values, version_of(member), member.department_id))


@blueprint.post(f"{HERE}/<user_id>/edit")
@requires("organization:manage")
def update(user_id: str) -> Response:
    """Change a member's name, address, role or department."""
    actor = viewer().actor()
    _, member = people.find(actor.organization_id, user_id)
    form = _form(user_id, {}, sent_version() or "", member.department_id)
    values = typed(form.fields)
    form = _form(user_id, values, sent_version() or "", member.department_id)
    wanted = Person(
        values["name"],
        values["role"],
        values["department_id"] or None,
        values["email"],
        member.external_id,
    )
    return save(
        form,
        lambda: people.change_person(actor, user_id, wanted, utcnow(), sent_version()),
        "members.index",
        f"{values['name']} is saved.",
    )


@blueprint.post(f"{HERE}/<user_id>/<any(disable, enable):change>")
@requires("organization:manage")
def switch(user_id: str, change: str) -> Response:
    """Shut a member out with everything they hold, or let them sign in again."""
    act = offboarding.disable if change == "disable" else offboarding.enable
    user = act(viewer().actor(), user_id, utcnow())
    ended = "is shut out; their keys are revoked." if change == "disable" else "may sign in again."
    flash(f"{user.name} {ended}", "positive")
    return see("members.index")


@blueprint.post(f"{HERE}/<user_id>/remove")
@requires("organization:manage")
def remove(user_id: str) -> Response:
    """End a membership for good."""
    offboarding.remove(viewer().actor(), user_id, utcnow())
    flash("The person is no member any more. What they used stays in the records.", "positive")
    return see("members.index")


@blueprint.post(f"{HERE}/<user_id>/password-link")
@requires("organization:manage")
def password_link(user_id: str) -> Response:
    """Answer with a link that lets a member choose a new password, and mail it where that is possible."""
    who, settings = viewer(), control_plane().settings
    user, _ = people.find(who.organization_id, user_id)
    token = password_links.create(who.actor(), user_id, settings.pepper, utcnow())
    link = letters.link_to("/password", token)
    was_sent = letters.mail_password_link(user.email, who.organization_name, link)
    return show_once(
        ShownOnce(
            f"A new password for {user.name}",
            "Whoever has this link can sign in as them",
            f"It works once, for two hours. {_where(was_sent, user.email)}",
            "Link",
            link,
            HERE,
        )
    )


def _where(was_sent: bool, email: str) -> str:
    return (
        f"It was mailed to {email}." if was_sent else "Hand it over yourself; nothing was mailed."
    )


def _form(
    user_id: str, values: dict[str, str], version: str, department_id: str | None
) -> FormPage:
    fields = (
        Field("name", "Name", attrs={"autocomplete": "off"}),
        Field("email", "E-mail", "email", help="They sign in with it."),
        Field("role", "Role", "select", ROLE_HELP, ROLE_CHOICES),
        Field(
            "department_id",
            "Department",
            "select",
            "Where their costs are counted. It lets nobody in anywhere.",
            choices.departments(viewer().organization_id, department_id),
        ),
    )
    return FormPage(
        "Edit member",
        f"{HERE}/{user_id}/edit",
        HERE,
        fields,
        values,
        version=version,
        trail="Members",
    )


def _row(
    row: MemberRow, teams: list[tuple[str, str]], departments: dict[str, str], own_id: str
) -> Row:
    path = f"{HERE}/{row.user_id}"
    is_on = row.disabled_at is None
    cells = (
        Cell(row.name, href=f"{path}/data", note=row.email),
        Cell(row.role.capitalize(), "badge", ROLE_TONES.get(row.role, "")),
        Cell("" if teams else "–", badges=tuple((f"{n} · {r}", "") for n, r in teams[:4])),
        Cell(departments.get(row.department_id or "", "Unassigned")),
        Cell("Active" if is_on else "Disabled", "badge", "positive" if is_on else "critical"),
    )
    actions = [Action("pencil", f"Edit {row.name}", f"{path}/edit")]
    if is_on:
        actions.append(_password_action(row, path))
    if row.user_id != own_id:
        actions += _leaving_actions(row, path, is_on)
    return Row(row.user_id, cells, tuple(actions), is_off=not is_on)


def _password_action(row: MemberRow, path: str) -> Action:
    return Action(
        "key",
        f"New password for {row.name}",
        post=f"{path}/password-link",
        title=f"A new password for {row.name}?",
        body="You get a link with which they choose it. Their present password works until then.",
        yes="Make a link",
        is_danger=False,
        opens_drawer=True,
    )


def _leaving_actions(row: MemberRow, path: str, is_on: bool) -> list[Action]:
    switch_action = (
        Action(
            "pause",
            f"Disable {row.name}",
            post=f"{path}/disable",
            title=f"Disable {row.name}?",
            body="They are signed out everywhere, and their virtual keys and API keys are revoked for good.",
            yes="Disable",
        )
        if is_on
        else Action("play", f"Enable {row.name}", post=f"{path}/enable")
    )
    return [
        switch_action,
        Action(
            "leave",
            f"Remove {row.name}",
            post=f"{path}/remove",
            title=f"Remove {row.name}?",
            body="They lose every role, team and key. Their name stays in the ledger and the audit log.",
            yes="Remove",
        ),
    ]
