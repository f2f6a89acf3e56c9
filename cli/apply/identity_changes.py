"""Carries out what a governance file says of people and what they are, one entry at a time. Decides no order."""

from collections.abc import Callable
from datetime import datetime

from cli.apply.identity import (
    BUILT_IN,
    Binding,
    Connection,
    CustomRole,
    Department,
    Group,
    Identity,
    Invitation,
    Organization,
    Project,
    ServiceAccount,
    Team,
    User,
)
from cli.apply.result import Keys
from core.authoring import (
    bindings,
    capture,
    custom_roles,
    departments,
    groups,
    invitations,
    organizations,
    people,
    privacy,
    projects,
    request_channel,
    service_accounts,
    sign_in_connections,
    team_members,
    teams,
)
from core.authoring.actor import Actor
from core.models import User as UserRow
from core.secrets import Secret

Find = Callable[[str, str], str | None]
"""Returns the id of a kind's row by the name a file uses, or None."""
Work = Callable[[Actor, datetime], Secret | None]
"""Does one thing, and returns a secret that was made for it and can't be read again."""


def set_up(actor: Actor, wanted: Organization, keys: Keys, now: datetime) -> None:
    """Make the organization what the file says. Raises Refused."""
    organizations.update(actor, wanted.name, wanted.slug, now)
    there = organizations.find(actor.organization_id)
    contact, days = wanted.support_contact, wanted.max_session_days
    settings = organizations.Settings(
        wanted.name,
        there.support_contact if contact is None else contact,
        there.max_session_days if days is None else days,
    )
    organizations.configure(actor, settings, now)
    if wanted.content_mode:
        privacy.set_mode(actor, wanted.content_mode, now)
    if wanted.capture:
        capture.set_allowed(actor, wanted.capture == "allowed", now)
    if wanted.request_slack is not None:
        request_channel.set_channel(actor, wanted.request_slack, keys.sealer, now)


def name_of(told: Identity) -> str:
    """Return the name that a file knows an entry by."""
    if isinstance(told, User | Invitation):
        return told.email
    return told.slug if isinstance(told, Team | Project) else told.name


def work_of(told: Identity, id_of: Find, keys: Keys) -> Work | None:
    """Return what creates or changes an entry; None when something it names was refused itself."""
    if isinstance(told, User):
        return _user(told, id_of)
    if isinstance(told, Team):
        return _team(told, id_of)
    if isinstance(told, Project):
        return _project(told, id_of)
    if isinstance(told, Group):
        return _group(told, id_of)
    if isinstance(told, Binding):
        return _binding(told, id_of)
    if isinstance(told, Invitation):
        return _invitation(told, id_of, keys)
    if isinstance(told, Connection):
        return _connection(told, id_of, keys)
    return _named(told, id_of)


def members_of(team: Team, id_of: Find) -> Work | None:
    """Return what puts a team's people in their roles; whom the file does not name stays."""
    team_id = id_of("team", team.slug)
    placed = [(id_of("user", email), _role(role, id_of)) for email, role in team.members.items()]
    if team_id is None or any(user_id is None or role is None for user_id, role in placed):
        return None

    def work(actor: Actor, now: datetime) -> None:
        for user_id, role in placed:
            assert user_id is not None and role is not None
            team_members.put(actor, team_id, user_id, role[0], now, role[1])

    return work


def _role(role: str, id_of: Find) -> tuple[str, str | None] | None:
    if role in BUILT_IN:
        return role, None
    custom_id = id_of("custom role", role)
    return None if custom_id is None else ("custom", custom_id)


def _department(name: str | None, id_of: Find) -> tuple[bool, str | None]:
    """Return whether what an entry says of a department can be carried out, and its id."""
    found = id_of("department", name) if name else None
    return name is None or found is not None, found


def _user(told: User, id_of: Find) -> Work | None:
    is_right, department_id = _department(told.department, id_of)
    user_id = id_of("user", told.email)

    def work(actor: Actor, now: datetime) -> None:
        if user_id is None:
            new = people.NewUser(told.email, told.name, told.role, told.password, department_id)
            people.create(actor, new, now)
            return
        user, member = people.find(actor.organization_id, user_id)
        # What a file does not say of somebody's department stays.
        kept = member.department_id if told.department is None else department_id
        wanted = people.Person(told.name, told.role, kept, external_id=member.external_id)
        people.change_person(actor, user.id, wanted, now)
        if told.password is not None and user.password_hash is None:
            people.set_password(actor, user.id, told.password, now)

    return work if is_right else None


def _team(told: Team, id_of: Find) -> Work | None:
    is_right, department_id = _department(told.department, id_of)
    team_id = id_of("team", told.slug)

    def work(actor: Actor, now: datetime) -> None:
        if team_id is None:
            teams.create(actor, told.name, told.slug, now, department_id)
            return
        row = teams.find(actor.organization_id, team_id)
        kept = row.department_id if told.department is None else department_id
        teams.update(actor, team_id, told.name, kept, now)

    return work if is_right else None


def _project(told: Project, id_of: Find) -> Work | None:
    is_right, department_id = _department(told.department, id_of)
    team_id, project_id = id_of("team", told.team), id_of("project", told.slug)
    if team_id is None or not is_right:
        return None

    def work(actor: Actor, now: datetime) -> None:
        if project_id is None:
            projects.create(actor, told.name, told.slug, team_id, now, department_id)
            return
        kept = projects.KEEP if told.department is None else department_id
        projects.update(actor, project_id, told.name, team_id, now, kept)

    return work


def _group(told: Group, id_of: Find) -> Work | None:
    found = [id_of("user", email) for email in told.members]
    known = [user_id for user_id in found if user_id is not None]
    group_id = id_of("group", told.name)

    def work(actor: Actor, now: datetime) -> None:
        made = group_id or groups.create(actor, told.name, now).id
        groups.put_members(actor, made, known, now)

    return work if len(known) == len(found) else None


def _binding(told: Binding, id_of: Find) -> Work | None:
    kind = told.principal_kind
    principal_id = id_of(kind.replace("_", " "), told.principal)
    role = _role(told.role, id_of)
    scope_id = "" if told.scope == "organization" else id_of(told.scope, told.target)
    if principal_id is None or role is None or scope_id is None:
        return None

    def work(actor: Actor, now: datetime) -> None:
        at = scope_id or actor.organization_id
        new = bindings.NewBinding(kind, principal_id, role[0], told.scope, at, role[1] or "")
        bindings.create(actor, new, now)

    return work


def _invitation(told: Invitation, id_of: Find, keys: Keys) -> Work | None:
    found = [id_of("team", slug) for slug in told.teams]
    known = tuple(invitations.TeamPlace(each, "member") for each in found if each is not None)
    is_right, department_id = _department(told.department, id_of)

    def work(actor: Actor, now: datetime) -> Secret | None:
        is_there = UserRow.select().where(UserRow.email == told.email).exists()
        if is_there or invitations.open_for(actor.organization_id, told.email, now):
            return None
        new = invitations.NewInvitation(told.email, told.role, known, told.name, department_id)
        _, token = invitations.create(actor, new, keys.pepper, now)
        return Secret(f"/invitation?token={token.reveal()}")

    return work if is_right and len(known) == len(found) else None


def _connection(told: Connection, id_of: Find, keys: Keys) -> Work:
    connection_id = id_of(told.kind, told.name)
    new = sign_in_connections.NewConnection(
        told.name,
        told.issuer,
        told.client_id,
        told.client_secret,
        domains=told.domains,
        is_forced=told.is_forced,
        default_role=told.default_role,
        groups_claim=told.groups_claim,
        group_roles=tuple(told.group_roles.items()),
        syncs_groups=told.syncs_groups,
        is_enabled=told.is_enabled,
        is_operator_address=True,
    )

    def work(actor: Actor, now: datetime) -> None:
        if connection_id is None:
            sign_in_connections.create(actor, new, keys.sealer, now)
        else:
            sign_in_connections.update(actor, connection_id, new, keys.sealer, now)

    return work


def _named(told: Department | CustomRole | ServiceAccount, id_of: Find) -> Work:
    row_id = id_of(told.kind, told.name)

    def work(actor: Actor, now: datetime) -> None:
        if isinstance(told, Department):
            departments.named(actor, told.name, now)
        elif isinstance(told, CustomRole):
            role = custom_roles.NewRole(told.name, told.permissions, told.description)
            if row_id is None:
                custom_roles.create(actor, role, now)
            else:
                custom_roles.update(actor, row_id, role, now)
        else:
            account = service_accounts.NewServiceAccount(told.name, told.description)
            if row_id is None:
                service_accounts.create(actor, account, now)
            else:
                service_accounts.update(actor, row_id, account, now)

    return work
