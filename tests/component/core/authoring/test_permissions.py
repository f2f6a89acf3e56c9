"""What principals hold, from their rows: teams, bindings, groups, custom roles, API keys; on both databases."""

from dataclasses import replace
from datetime import timedelta

import pytest

from core.authoring import (
    api_keys,
    bindings,
    custom_roles,
    groups,
    people,
    personal,
    projects,
    service_accounts,
    team_members,
    teams,
)
from core.authoring.api_keys import NewApiKey
from core.authoring.bindings import NewBinding
from core.authoring.custom_roles import NewRole
from core.authoring.people import NewUser
from core.authoring.service_accounts import NewServiceAccount
from core.fault import Fault, Refused
from core.grants import key_grants, person_grants, principal_grants, service_account_grants
from core.models import ApiKey, AuditRow, RoleBinding, User
from core.secrets import Secret
from rules.permissions import EVERYWHERE, Grants, Place, holds
from tests.component.core.authoring.acme import NOW, PEPPER, Acme, acme
from tests.statements import counted

pytestmark = pytest.mark.usefixtures("db")


def member(org: Acme, name: str = "dan", role: str = "member") -> User:
    return people.create(org.actor, NewUser(f"{name}@acme.test", name.title(), role), NOW)


def grants(org: Acme, user: User, role: str = "member") -> Grants:
    return person_grants(org.organization.id, user.id, role)


def refusal(caught: pytest.ExceptionInfo[Refused]) -> tuple[Fault, set[str]]:
    errors = caught.value.facts.get("errors", {})
    assert isinstance(errors, dict)
    return caught.value.fault, set(errors)


def test_a_place_in_a_team_a_binding_and_a_group_add_up_in_two_statements() -> None:
    org, sales = acme(), None
    dan = member(org)
    assert not holds(grants(org, dan), "virtualKeys:view", Place(org.team.id))
    team_members.put(org.actor, org.team.id, dan.id, "member", NOW)
    sales = teams.create(org.actor, "Sales", "sales", NOW)
    crm = projects.create(org.actor, "CRM", "crm", sales.id, NOW)
    viewers = groups.create(org.actor, "Viewers", NOW)
    groups.add_member(org.actor, viewers.id, dan.id, NOW)
    new = NewBinding("group", viewers.id, "viewer", "project", crm.id)
    bindings.create(org.actor, new, NOW)
    analyst = custom_roles.create(org.actor, NewRole("Analyst", ("governance:view",)), NOW)
    bindings.create(
        org.actor,
        NewBinding("user", dan.id, "custom", "organization", org.organization.id, analyst.id),
        NOW,
    )
    with counted() as statements:
        held = grants(org, dan)
    assert len(statements.selects()) == 2
    assert holds(held, "virtualKeys:create", Place(org.team.id, org.project.id))
    assert holds(held, "virtualKeys:view", Place(sales.id, crm.id))
    assert not holds(held, "virtualKeys:create", Place(sales.id, crm.id))
    assert not holds(held, "virtualKeys:view", Place(sales.id))
    assert holds(held, "governance:view")
    groups.remove_member(org.actor, viewers.id, dan.id, NOW)
    assert not holds(grants(org, dan), "virtualKeys:view", Place(sales.id, crm.id))
    with counted() as statements:
        assert holds(grants(org, org.ada, "admin"), "organization:delete")
    assert statements.selects() == []


def test_a_personal_workspace_is_its_owners_and_stays_as_it_is() -> None:
    org = acme()
    dan, eve = member(org), member(org, "eve")
    project = personal.ensure_personal_project(org.actor, dan, NOW)
    again = personal.ensure_personal_project(org.actor, dan, NOW)
    assert again.id == project.id
    place = Place(project.team_id, project.id)
    assert holds(grants(org, dan), "virtualKeys:delete", place)
    assert not holds(grants(org, eve), "virtualKeys:view", place)
    external = grants(org, dan, "external")
    assert holds(external, "virtualKeys:view", place)
    assert not holds(external, "virtualKeys:create", place)
    refused = (
        lambda: team_members.put(org.actor, project.team_id, eve.id, "viewer", NOW),
        lambda: team_members.remove(org.actor, project.team_id, dan.id, NOW),
        lambda: team_members.put(org.actor, project.team_id, dan.id, "viewer", NOW),
        lambda: teams.archive(org.actor, project.team_id, NOW),
        lambda: projects.archive(org.actor, project.id, NOW),
        lambda: projects.update(org.actor, project.id, project.name, org.team.id, NOW),
        lambda: projects.update(org.actor, project.id, "Mine", project.team_id, NOW),
    )
    for attempt in refused:
        with pytest.raises(Refused) as caught:
            attempt()
        assert caught.value.fault is Fault.FORBIDDEN
    with pytest.raises(Refused) as caught:
        projects.update(org.actor, org.project.id, "Coding tools", project.team_id, NOW)
    assert refusal(caught) == (Fault.VALIDATION_ERROR, {"team"})
    with pytest.raises(Refused) as caught:
        projects.create(org.actor, "Second", "second", project.team_id, NOW)
    assert refusal(caught) == (Fault.VALIDATION_ERROR, {"team"})
    with pytest.raises(Refused) as caught:
        new = NewBinding("user", eve.id, "viewer", "team", project.team_id)
        bindings.create(org.actor, new, NOW)
    assert refusal(caught) == (Fault.VALIDATION_ERROR, {"scope"})
    assert teams.rename(org.actor, project.team_id, "Dan's corner", NOW).name == "Dan's corner"


def test_a_binding_is_unique_validated_and_goes_with_its_team() -> None:
    org, other = acme(), acme("globex")
    dan = member(org)
    new = NewBinding("user", dan.id, "viewer", "team", org.team.id)
    first = bindings.create(org.actor, new, NOW)
    assert bindings.create(org.actor, new, NOW).id == first.id
    wrong = (
        (replace(new, principal_id=other.ada.id), {"principal"}),
        (replace(new, principal_kind="robot"), {"principal"}),
        (replace(new, role="root"), {"role"}),
        (replace(new, role="custom"), {"role"}),
        (replace(new, scope="galaxy"), {"scope"}),
        (replace(new, scope_id=other.team.id), {"scope"}),
    )
    for bad, fields in wrong:
        with pytest.raises(Refused) as caught:
            bindings.create(org.actor, bad, NOW)
        assert refusal(caught) == (Fault.VALIDATION_ERROR, fields)
    analyst = custom_roles.create(org.actor, NewRole("Analyst", ("governance:view",)), NOW)
    with pytest.raises(Refused) as caught:
        misplaced = replace(new, role="custom", custom_role_id=analyst.id)
        bindings.create(org.actor, misplaced, NOW)
    assert "governance:view" in str(caught.value.facts)
    with pytest.raises(Refused) as caught:
        teams.archive(org.actor, org.team.id, NOW)
    assert caught.value.fault is Fault.CONFLICT
    projects.archive(org.actor, org.project.id, NOW)
    teams.archive(org.actor, org.team.id, NOW)
    assert RoleBinding.select().count() == 0
    with pytest.raises(Refused):
        bindings.find(other.organization.id, first.id)


def test_a_role_in_use_is_kept_and_a_changed_role_changes_what_people_hold() -> None:
    org = acme()
    dan = member(org)
    role = custom_roles.create(org.actor, NewRole("Keys", ("virtualKeys:manage",)), NOW)
    team_members.put(org.actor, org.team.id, dan.id, "custom", NOW, role.id)
    place = Place(org.team.id)
    assert holds(grants(org, dan), "virtualKeys:rotate", place)
    with pytest.raises(Refused) as caught:
        custom_roles.delete(org.actor, role.id, NOW)
    assert caught.value.fault is Fault.CONFLICT
    custom_roles.update(org.actor, role.id, NewRole("Keys", ("gatewayProviders:view",)), NOW)
    assert not holds(grants(org, dan), "virtualKeys:rotate", place)
    assert holds(grants(org, dan), "modelProviders:view", place)
    team_members.remove(org.actor, org.team.id, dan.id, NOW)
    custom_roles.delete(org.actor, role.id, NOW)
    with pytest.raises(Refused) as caught:
        custom_roles.create(org.actor, NewRole("", ("tea:brew",)), NOW)
    assert refusal(caught) == (Fault.VALIDATION_ERROR, {"name", "permissions"})


def test_an_api_key_is_shown_once_narrowed_and_ends_with_its_revocation() -> None:
    org = acme()
    new = NewApiKey("ci", "user", org.ada.id, "restricted", ("virtualKeys:view",))
    key, secret = api_keys.create(org.actor, new, PEPPER, NOW)
    assert secret.reveal().startswith("sk-lw-")
    stored = f"{ApiKey.get_by_id(key.id).__data__}"
    audit = "".join(f"{row.before} {row.after}" for row in AuditRow.select())
    assert secret.reveal() not in stored + audit
    assert api_keys.find_by_secret(PEPPER, secret.reveal(), NOW) is not None
    assert api_keys.find_by_secret(Secret("other"), secret.reveal(), NOW) is None
    owner = grants(org, org.ada, "admin")
    assert holds(key_grants(key, owner), "virtualKeys:view")
    assert not holds(key_grants(key, owner), "virtualKeys:create")
    bindings.create(org.actor, NewBinding("api_key", key.id, "admin", "team", org.team.id), NOW)
    assert not holds(key_grants(key, owner), "virtualKeys:view")
    assert holds(key_grants(key, owner), "virtualKeys:view", Place(org.team.id))
    api_keys.note_use(key, NOW)
    assert ApiKey.get_by_id(key.id).last_used_at == NOW
    api_keys.revoke(org.actor, key.id, NOW)
    assert api_keys.find_by_secret(PEPPER, secret.reveal(), NOW) is None
    assert principal_grants(org.organization.id, "api_key", key.id) == ()


def test_an_api_key_ends_when_it_expires_and_needs_an_owner_and_a_mode() -> None:
    org = acme()
    later = NOW + timedelta(days=1)
    new = NewApiKey("ci", "user", org.ada.id, expires_at=later)
    _, secret = api_keys.create(org.actor, new, PEPPER, NOW)
    assert api_keys.find_by_secret(PEPPER, secret.reveal(), later - timedelta(seconds=1))
    assert api_keys.find_by_secret(PEPPER, secret.reveal(), later) is None
    wrong = NewApiKey("", "user", "user_none", "half", ("tea:brew",), NOW)
    with pytest.raises(Refused) as caught:
        api_keys.create(org.actor, wrong, PEPPER, NOW)
    fields = {"name", "owner", "permission_mode", "scopes", "expires_at"}
    assert refusal(caught) == (Fault.VALIDATION_ERROR, fields)
    with pytest.raises(Refused) as caught:
        empty = NewApiKey("x", "user", org.ada.id, "restricted")
        api_keys.create(org.actor, empty, PEPPER, NOW)
    assert refusal(caught) == (Fault.VALIDATION_ERROR, {"scopes"})


def test_a_service_account_holds_its_bindings_and_leaves_with_its_keys() -> None:
    org = acme()
    account = service_accounts.create(org.actor, NewServiceAccount("terraform"), NOW)
    assert service_account_grants(org.organization.id, account.id) == ()
    bindings.create(
        org.actor,
        NewBinding("service_account", account.id, "admin", "organization", org.organization.id),
        NOW,
    )
    held = service_account_grants(org.organization.id, account.id)
    assert holds(held, "organization:manage", EVERYWHERE)
    new = NewApiKey("ci", "service_account", account.id)
    key, secret = api_keys.create(org.actor, new, PEPPER, NOW)
    service_accounts.archive(org.actor, account.id, NOW)
    assert api_keys.find_by_secret(PEPPER, secret.reveal(), NOW) is None
    assert service_account_grants(org.organization.id, account.id) == ()
    with pytest.raises(Refused):
        service_accounts.find(org.organization.id, account.id)
    assert service_accounts.create(org.actor, NewServiceAccount("terraform"), NOW).id != account.id
    assert ApiKey.get_by_id(key.id).revoked_at == NOW


def test_whoever_saves_second_is_told_what_changed_and_by_whom() -> None:
    org = acme()
    ada = replace(org.actor, actor_id=org.ada.id)
    role = custom_roles.create(ada, NewRole("Analyst", ("governance:view",)), NOW)
    opened = str(role.revision)
    custom_roles.update(ada, role.id, NewRole("Analyst", ("governance:manage",)), NOW, opened)
    custom_roles.update(ada, role.id, NewRole("Auditor", ("governance:manage",)), NOW)
    with pytest.raises(Refused) as caught:
        custom_roles.update(ada, role.id, NewRole("Mine", ()), NOW, opened)
    assert caught.value.fault is Fault.CONFLICT
    changes = caught.value.facts["changes"]
    assert isinstance(changes, list)
    told = {each.field: (each.before, each.after, each.by) for each in changes}
    assert told == {
        "name": ("Analyst", "Auditor", "Ada"),
        "permissions": (["governance:view"], ["governance:manage"], "Ada"),
    }
    newer = str(caught.value.facts["version"])
    assert custom_roles.update(ada, role.id, NewRole("Mine", ()), NOW, newer).name == "Mine"
