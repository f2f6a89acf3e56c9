"""An empty installation becomes usable, and stays as it is at every later start."""

from datetime import timedelta

import pytest

from core.authoring import first_run, organizations, password_links, people, projects
from core.authoring.actor import Actor
from core.authoring.people import NewUser
from core.authoring.personal_keys import fresh_personal_key
from core.fault import Fault, Refused
from core.models import (
    AuditRow,
    Member,
    OneTimeLink,
    Organization,
    Project,
    Provider,
    Team,
    User,
    VirtualKey,
)
from core.secrets import Secret
from tests.component.core.authoring.acme import NOW, PEPPER, SEALER, acme

pytestmark = pytest.mark.usefixtures("db")
ADA = NewUser("Ada@Acme.test", "Ada", "admin", Secret("correct horse"))


def ensure(after: timedelta = timedelta()) -> Secret | None:
    return first_run.ensure(PEPPER, SEALER, NOW + after)


def set_up(token: Secret, new: NewUser = ADA, after: timedelta = timedelta()) -> User:
    return first_run.create_administrator(PEPPER, token, new, "127.0.0.1", NOW + after)[1]


def test_makes_an_organization_with_a_place_to_book_to_and_the_sandbox() -> None:
    token = ensure()
    assert token is not None
    ensure()
    assert Organization.select().count() == 1
    assert Project.select().get().team_id == Team.select().get().id
    provider = Provider.select().get()
    assert (provider.name, provider.type, provider.base_url) == ("sandbox", "sandbox", "sandbox://")


def test_a_declared_organization_is_kept_and_gets_the_sandbox_too() -> None:
    org = acme()
    assert ensure() is not None
    assert Organization.select().count() == 1
    assert organizations.only() == org.organization
    assert {p.type for p in Provider.select()} == {"openai", "anthropic", "sandbox"}


def test_the_link_makes_one_administrator_and_then_none() -> None:
    token = ensure()
    assert token is not None
    assert first_run.is_open(PEPPER, token.reveal(), NOW)
    ada = set_up(token)
    assert ada.email == "ada@acme.test"
    assert Member.select().get().role == "admin"
    assert not first_run.is_open(PEPPER, token.reveal(), NOW)
    with pytest.raises(Refused) as caught:
        set_up(token, NewUser("eve@acme.test", "Eve", "admin", Secret("correct horse")))
    assert caught.value.fault is Fault.NOT_FOUND
    assert ensure() is None


def test_only_the_newest_link_opens_and_only_for_a_day() -> None:
    first, second = ensure(), ensure()
    assert first is not None
    assert second is not None
    assert not first_run.is_open(PEPPER, first.reveal(), NOW)
    assert not first_run.is_open(PEPPER, second.reveal(), NOW + timedelta(hours=24))
    assert OneTimeLink.select().count() == 1
    assert second.reveal() not in str(OneTimeLink.select().get().__data__)


def test_wrong_fields_do_not_spend_the_link() -> None:
    token = ensure()
    assert token is not None
    with pytest.raises(Refused) as caught:
        set_up(token, NewUser("nobody", "", "admin", Secret("short")))
    assert set(caught.value.facts["errors"]) >= {"name", "password"}
    assert set_up(token).name == "Ada"


def test_a_declared_administrator_without_a_password_sets_it_by_the_link() -> None:
    org = acme()
    token = ensure()
    assert token is not None
    ada = set_up(token, NewUser("ada@acme.test", "Ada L.", "admin", Secret("correct horse")))
    assert ada.id == org.ada.id
    assert people.authenticate("ada@acme.test", Secret("correct horse"), NOW) is not None


def test_a_declared_administrator_with_a_password_needs_no_link() -> None:
    acme(password=Secret("correct horse"))
    assert ensure() is None


def test_a_personal_workspace_is_made_once_and_taken_back_into_use() -> None:
    org = acme()
    project = people.ensure_personal_project(org.actor, org.ada, NOW)
    assert (project.is_personal, project.owner_user_id) == (True, org.ada.id)
    assert people.ensure_personal_project(org.actor, org.ada, NOW).id == project.id
    Project.update(archived_at=NOW).where(Project.id == project.id).execute()
    assert people.ensure_personal_project(org.actor, org.ada, NOW).id == project.id
    assert projects.find(org.organization.id, project.id).archived_at is None


def test_a_personal_key_reaches_every_provider_the_sandbox_last() -> None:
    org = acme()
    ensure()
    actor = Actor(org.organization.id, org.ada.id, "web")
    key, secret = fresh_personal_key(actor, org.ada, PEPPER, NOW)
    types = [Provider.get_by_id(provider_id).type for provider_id in key.provider_ids]
    assert types[-1] == "sandbox"
    assert len(types) == 3
    again, other = fresh_personal_key(actor, org.ada, PEPPER, NOW)
    assert again.id == key.id
    assert other != secret
    assert VirtualKey.select().count() == 1


def test_the_audit_log_says_what_passwords_and_sessions_were_before_and_no_secret() -> None:
    org = acme()
    assert ADA.password is not None
    people.set_password(org.actor, org.ada.id, ADA.password, NOW)
    token = password_links.create(org.actor, org.ada.id, PEPPER, NOW)
    people.end_sessions(org.actor, org.ada.id, NOW)
    rows = {row.action: row for row in AuditRow.select().where(AuditRow.target_id == org.ada.id)}
    told = rows["user.password_set"]
    assert (told.before["has_password"], told.after["has_password"]) == (False, True)
    assert told.after["session_epoch"] == told.before["session_epoch"] + 1
    ended = rows["user.sessions_ended"]
    assert ended.before == {"session_epoch": 1} and ended.after == {"session_epoch": 2}
    link = rows["user.password_link_created"]
    assert link.after == {"expires_at": "2026-11-03T14:00:00.000Z"}
    text = repr([(row.before, row.after) for row in rows.values()])
    assert ADA.password.reveal() not in text and token.reveal() not in text
