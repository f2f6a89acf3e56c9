"""Fills a control database with a company of any size in bulk, for tests and the bench. Measures and judges nothing.

Rows are what authoring would have written, but for the audit log's hashes, which are made up.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from core.authoring import organizations, people, search_words, virtual_keys
from core.authoring import providers as provider_authoring
from core.authoring.actor import Actor, system
from core.authoring.people import NewUser
from core.authoring.providers import NewProvider
from core.authoring.virtual_keys import NewVirtualKey
from core.bulk import insert_new
from core.database import Model, transaction
from core.models import AuditRow, Budget, Member, Project, Team, TeamMember, User, VirtualKey
from core.secrets import Sealer, Secret
from core.settings import Settings
from rules.pricing import NANOUSD_PER_USD

ADMINISTRATOR = "ada@acme.test"
LOGIN = Secret("correct horse battery")
PEOPLE_A_TEAM = 50


@dataclass(frozen=True, slots=True)
class Size:
    """How many of each there are; teams, projects and budgets follow from the people."""

    members: int
    keys: int
    audit_rows: int

    @property
    def teams(self) -> int:
        """Teams of fifty."""
        return max(1, self.members // PEOPLE_A_TEAM)


@dataclass(frozen=True, slots=True)
class Company:
    """What there is to ask for: the organization, its administrator, and a key that works."""

    organization_id: str
    actor: Actor
    key_id: str
    secret: Secret


def founded(settings: Settings, sealer: Sealer, now: datetime) -> Company:
    """Make an organization with an administrator, a provider, and a key by way of authoring."""
    organization = organizations.create("Acme", "acme", now)
    actor = system(organization.id)
    ada = people.create(actor, NewUser(ADMINISTRATOR, "Ada", "admin", LOGIN), now)
    own = NewProvider("main", "openai", credential=Secret("sk-upstream"))
    provider = provider_authoring.create(actor, own, sealer, now)
    grow(organization.id, provider.id, Size(0, 0, 0), Size(1, 0, 0), now)
    new = NewVirtualKey("known", "project_0000000", (provider.id,), ada.id)
    row, secret = virtual_keys.create(actor, new, settings.pepper, now)
    return Company(organization.id, Actor(organization.id, ada.id, "web"), row.id, secret)


def grow(organization_id: str, provider_id: str, there: Size, wanted: Size, now: datetime) -> None:
    """Add what a company of one size lacks to be one of another."""
    home = {"organization_id": organization_id, "created_at": now}
    teams = range(there.teams if there.members else 0, wanted.teams)
    members = range(there.members, wanted.members)
    keys = range(there.keys, wanted.keys)
    rows = range(there.audit_rows, wanted.audit_rows)
    with transaction():
        _insert(Team, (_team(number, home) for number in teams))
        _insert(Project, (_project(number, home) for number in teams))
        _insert(Budget, (_budget(number, home) for number in teams))
        _insert(User, (_user(number, now) for number in members))
        _insert(Member, (_member(number, home) for number in members))
        _insert(TeamMember, (_placed(number, wanted.teams, home) for number in members))
        _insert(Team, (_own_team(number, home) for number in members))
        _insert(Project, (_own_project(number, home) for number in members))
        _insert(TeamMember, (_owning(number, home) for number in members))
        _insert(VirtualKey, (_key(number, wanted, provider_id, home) for number in keys))
        search_words.insert_words(_words(organization_id, members, keys))
        _insert(AuditRow, (_audited(number, organization_id, now) for number in rows))


def _words(
    organization_id: str, members: Iterable[int], keys: Iterable[int]
) -> Iterator[tuple[Any, ...]]:
    for number in members:
        name, email = f"Person {number:06d}", f"person{number:06d}@acme.test"
        yield from search_words.person_words(organization_id, f"user_{number:07d}", name, email)
    for number in keys:
        name, prefix = f"Key {number:06d}", f"lw_vk_live_{number:06d}"
        yield from search_words.key_words(organization_id, f"vk_{number:07d}", name, prefix, ())


def _insert(model: type[Model], rows: Iterable[Mapping[str, Any]]) -> None:
    fields = [
        f
        for f in model._meta.sorted_fields
        if not (f.primary_key and f.name == "id" and f.auto_increment)
    ]
    names = [f.column_name for f in fields]
    insert_new(model, names, (tuple(_stored(f, row) for f in fields) for row in rows))


def _stored(field: Any, row: Mapping[str, Any]) -> Any:
    value = row.get(field.name, field.default)
    return field.db_value(value() if callable(value) else value)


def _team(number: int, home: Mapping[str, Any]) -> dict[str, Any]:
    name = f"Team {number:04d}"
    return {**home, "id": f"team_{number:07d}", "name": name, "slug": f"team-{number}"}


def _project(number: int, home: Mapping[str, Any]) -> dict[str, Any]:
    own = {"id": f"project_{number:07d}", "team_id": f"team_{number:07d}"}
    return {**home, **own, "name": f"Project {number:04d}", "slug": f"project-{number}"}


def _budget(number: int, home: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **home,
        "id": f"budget_{number:07d}",
        "name": f"Month of team {number:04d}",
        "scope": "team",
        "scope_id": f"team_{number:07d}",
        "window": "month",
        "limit_nanousd": 1000 * NANOUSD_PER_USD,
        "updated_at": home["created_at"],
    }


def _user(number: int, now: datetime) -> dict[str, Any]:
    email = f"person{number:06d}@acme.test"
    return {
        "id": f"user_{number:07d}",
        "email": email,
        "name": f"Person {number:06d}",
        "created_at": now,
    }


def _member(number: int, home: Mapping[str, Any]) -> dict[str, Any]:
    return {**home, "id": f"member_{number:07d}", "user_id": f"user_{number:07d}", "role": "member"}


def _placed(number: int, teams: int, home: Mapping[str, Any]) -> dict[str, Any]:
    where = {"team_id": f"team_{number % teams:07d}", "user_id": f"user_{number:07d}"}
    return {**home, "id": f"place_{number:07d}", **where, "role": "member"}


def _own(number: int, home: Mapping[str, Any]) -> dict[str, Any]:
    owner = {"is_personal": True, "owner_user_id": f"user_{number:07d}"}
    return {**home, **owner, "slug": f"personal-{number}"}


def _own_team(number: int, home: Mapping[str, Any]) -> dict[str, Any]:
    name = f"Person {number:06d}'s Workspace"
    return _own(number, home) | {"id": f"team_own_{number:07d}", "name": name}


def _own_project(number: int, home: Mapping[str, Any]) -> dict[str, Any]:
    own = {"id": f"project_own_{number:07d}", "team_id": f"team_own_{number:07d}"}
    return _own(number, home) | own | {"name": "Personal Workspace"}


def _owning(number: int, home: Mapping[str, Any]) -> dict[str, Any]:
    where = {"team_id": f"team_own_{number:07d}", "user_id": f"user_{number:07d}"}
    return {**home, "id": f"place_own_{number:07d}", **where, "role": "admin"}


def _key(number: int, size: Size, provider_id: str, home: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **home,
        "id": f"vk_{number:07d}",
        "project_id": f"project_{number % size.teams:07d}",
        "name": f"Key {number:06d}",
        "secret_hash": hashlib.sha256(b"%d" % number).hexdigest(),
        "display_prefix": f"lw_vk_live_{number:06d}",
        "principal_user_id": f"user_{number % max(1, size.members):07d}",
        "provider_ids": [provider_id],
        "updated_at": home["created_at"],
    }


def _audited(number: int, organization_id: str, now: datetime) -> dict[str, Any]:
    made_up = hashlib.sha256(b"audit %d" % number).hexdigest()
    return {
        "organization_id": organization_id,
        "actor_id": f"user_{number % 100:07d}",
        "action": "gateway.virtual_key.created",
        "target_kind": "virtual_key",
        "target_id": f"vk_{number:07d}",
        "after": {"name": f"Key {number:06d}"},
        "surface": "api",
        "created_at": now + timedelta(milliseconds=number),
        "previous_hash": made_up,
        "hash": made_up,
    }
