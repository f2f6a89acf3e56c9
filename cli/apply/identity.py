"""What a governance file says of people and what they are: who is here, in which team and role, how they sign in.

The entries as frozen values, and how they are read. Applies nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cli.apply.entries import Entry
from core.secrets import Secret
from rules.permissions import ROLES, SCOPES
from rules.privacy import MODES

BUILT_IN = ("admin", "member", "viewer")
CAPTURE = ("allowed", "forbidden")
PRINCIPALS = {"user": "user", "group": "group", "service_account": "service account"}


@dataclass(frozen=True, slots=True)
class Organization:
    """The tenant; the file renames the one there is. What is None stays as it is."""

    line: int
    name: str
    slug: str
    support_contact: str | None
    max_session_days: int | None
    content_mode: str = ""
    capture: str = ""
    """Whether keys may keep prompts and answers. Either is empty where the file leaves it as it is."""
    request_slack: Secret | None = None
    """Where in Slack requests for more are told of."""


@dataclass(frozen=True, slots=True)
class Department:
    """Where costs are counted."""

    line: int
    name: str

    kind = "department"


@dataclass(frozen=True, slots=True)
class CustomRole:
    """A role of the organization's own."""

    line: int
    name: str
    permissions: tuple[str, ...]
    description: str

    kind = "custom role"


@dataclass(frozen=True, slots=True)
class User:
    """A person. The password is the first one only: a password that exists is never reset by a file."""

    line: int
    email: str
    name: str
    role: str
    password: Secret | None
    department: str | None

    kind = "user"


@dataclass(frozen=True, slots=True)
class Team:
    """A team, known by its slug; ``members`` are e-mail addresses with a role each."""

    line: int
    name: str
    slug: str
    department: str | None
    members: Mapping[str, str]

    kind = "team"


@dataclass(frozen=True, slots=True)
class Project:
    """A project, known by its slug, and the slug of its team."""

    line: int
    name: str
    slug: str
    team: str
    department: str | None

    kind = "project"


@dataclass(frozen=True, slots=True)
class Group:
    """A group and who is in it, by e-mail."""

    line: int
    name: str
    members: tuple[str, ...]

    kind = "group"


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """An identity of a program."""

    line: int
    name: str
    description: str

    kind = "service account"


@dataclass(frozen=True, slots=True)
class Binding:
    """A role for a principal at a scope; ``target`` is a slug, empty for the organization."""

    line: int
    principal_kind: str
    principal: str
    role: str
    scope: str
    target: str

    kind = "role binding"

    @property
    def name(self) -> str:
        """Who gets what where, in words."""
        where = f"{self.scope} {self.target}".strip()
        return f"{self.role} for {self.principal} at {where}"


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection to a company's OpenID provider."""

    line: int
    name: str
    issuer: str
    client_id: str
    client_secret: Secret | None
    domains: tuple[str, ...]
    is_forced: bool
    default_role: str
    groups_claim: str
    group_roles: Mapping[str, str]
    syncs_groups: bool
    is_enabled: bool

    kind = "sign-in connection"


@dataclass(frozen=True, slots=True)
class Invitation:
    """A place offered to an address, unless it is taken; ``teams`` are slugs."""

    line: int
    email: str
    role: str
    teams: tuple[str, ...]
    name: str
    department: str | None

    kind = "invitation"


Identity = (
    Department
    | CustomRole
    | User
    | Team
    | Project
    | Group
    | ServiceAccount
    | Binding
    | Connection
    | Invitation
)


def read_organization(entry: Entry) -> Organization:
    """Return the organization that the file declares."""
    value = Organization(
        entry.line,
        entry.text("name"),
        entry.text("slug"),
        entry.optional("support_contact"),
        entry.whole("max_session_days", "number of days"),
        entry.choice("content_mode", tuple(MODES), ""),
        entry.choice("capture", CAPTURE, ""),
        entry.secret("request_slack"),
    )
    entry.finish()
    return value


def read_department(entry: Entry) -> Department:
    """Return the department that an entry declares."""
    return Department(entry.line, entry.text("name"))


def read_custom_role(entry: Entry) -> CustomRole:
    """Return the role that an entry declares."""
    name = entry.text("name")
    if name in BUILT_IN:
        entry.wrong("name", f"`{name}` is a built-in role; choose another name")
    return CustomRole(entry.line, name, entry.texts("permissions"), entry.text("description", ""))


def read_user(entry: Entry) -> User:
    """Return the person that an entry declares."""
    return User(
        entry.line,
        entry.text("email").lower(),
        entry.text("name"),
        entry.choice("role", ROLES, "member"),
        entry.secret("password"),
        entry.optional("department"),
    )


def read_team(entry: Entry) -> Team:
    """Return the team that an entry declares."""
    return Team(
        entry.line,
        entry.text("name"),
        entry.text("slug"),
        entry.optional("department"),
        {email.lower(): role for email, role in _words(entry, "members").items()},
    )


def read_project(entry: Entry) -> Project:
    """Return the project that an entry declares."""
    return Project(
        entry.line,
        entry.text("name"),
        entry.text("slug"),
        entry.text("team"),
        entry.optional("department"),
    )


def read_group(entry: Entry) -> Group:
    """Return the group that an entry declares."""
    members = tuple(email.lower() for email in entry.texts("members"))
    return Group(entry.line, entry.text("name"), members)


def read_service_account(entry: Entry) -> ServiceAccount:
    """Return the service account that an entry declares."""
    return ServiceAccount(entry.line, entry.text("name"), entry.text("description", ""))


def read_binding(entry: Entry) -> Binding:
    """Return the role binding that an entry declares."""
    named = {kind: entry.optional(kind) for kind in PRINCIPALS}
    given = [kind for kind, name in named.items() if name]
    if len(given) != 1:
        entry.wrong("role", f"a role binding needs one of {', '.join(PRINCIPALS)}")
    kind = given[0] if given else "user"
    principal = named[kind] or ""
    scope, target = entry.scope(SCOPES)
    return Binding(
        entry.line,
        kind,
        principal.lower() if kind == "user" else principal,
        entry.text("role"),
        scope,
        target,
    )


def read_connection(entry: Entry) -> Connection:
    """Return the sign-in connection that an entry declares."""
    return Connection(
        entry.line,
        entry.text("name"),
        entry.text("issuer"),
        entry.text("client_id"),
        entry.secret("client_secret"),
        entry.texts("domains"),
        entry.switch("forced", False),
        entry.choice("default_role", ROLES, "member"),
        entry.text("groups_claim", "groups"),
        _words(entry, "group_roles"),
        entry.switch("sync_groups", False),
        entry.switch("enabled", True),
    )


def read_invitation(entry: Entry) -> Invitation:
    """Return the invitation that an entry declares."""
    return Invitation(
        entry.line,
        entry.text("email").lower(),
        entry.choice("role", ROLES, "member"),
        entry.texts("teams"),
        entry.text("name", ""),
        entry.optional("department"),
    )


def names_in(told: Identity) -> Iterator[tuple[str, str]]:
    """Return kind and name of everything that an entry refers to."""
    department = getattr(told, "department", None)
    if department:
        yield "department", department
    if isinstance(told, Team):
        yield from _roles(told.members.values())
        yield from (("user", email) for email in told.members)
    elif isinstance(told, Project):
        yield "team", told.team
    elif isinstance(told, Group):
        yield from (("user", email) for email in told.members)
    elif isinstance(told, Invitation):
        yield from (("team", slug) for slug in told.teams)
    elif isinstance(told, Binding):
        yield from _roles([told.role])
        yield PRINCIPALS[told.principal_kind], told.principal
        if told.target:
            yield told.scope, told.target


def _roles(roles: Any) -> Iterator[tuple[str, str]]:
    return (("custom role", role) for role in roles if role not in BUILT_IN)


def _words(entry: Entry, name: str) -> dict[str, str]:
    """Return a mapping of texts to texts."""
    found = entry.free(name)
    if not all(isinstance(value, str) for value in found.values()):
        entry.wrong(name, f"`{name}` must be a mapping such as {{one: admin}}")
        return {}
    return {str(key): value for key, value in found.items()}
