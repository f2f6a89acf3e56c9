"""People, teams, projects, providers, budgets, sources and rules: validated, idempotent, secrets sealed."""

from dataclasses import replace

import pytest

from core import changes
from core.authoring import (
    anomaly_rules,
    budgets,
    destinations,
    ingestion_sources,
    organizations,
    people,
    projects,
    providers,
    teams,
)
from core.authoring.anomaly_rules import NewRule
from core.authoring.budgets import NewBudget
from core.authoring.ingestion_sources import NewSource
from core.authoring.people import NewUser
from core.authoring.providers import NewProvider
from core.authoring.virtual_keys import NewVirtualKey
from core.authoring.virtual_keys import create as create_key
from core.fault import Fault, Refused
from core.models import AnomalyRule, AuditRow, IngestionSource, User
from core.secrets import Secret
from tests.component.core.authoring.acme import NOW, PEPPER, SEALER, Acme, acme

pytestmark = pytest.mark.usefixtures("db")
HOOK = "https://hooks.slack.test/services/T0/B0/secret-part"
THRESHOLD = {"windowSec": 3600, "ratioVsBaseline": 2.0, "minBaselineUsd": 1}


def errors_of(caught: pytest.ExceptionInfo[Refused]) -> set[str]:
    assert caught.value.fault is Fault.VALIDATION_ERROR
    errors = caught.value.facts["errors"]
    assert isinstance(errors, dict)
    return set(errors)


def kinds() -> list[str]:
    return [event.kind for event in changes.since(0)]


def audit_text() -> str:
    return "".join(f"{row.before} {row.after}" for row in AuditRow.select())


def test_people_are_unique_by_address_and_need_a_role() -> None:
    org = acme()
    with pytest.raises(Refused) as caught:
        people.create(org.actor, NewUser(" ADA@acme.test", "Ada", "admin"), NOW)
    assert errors_of(caught) == {"email"}
    with pytest.raises(Refused) as caught:
        people.create(org.actor, NewUser("x", " ", "root", Secret("short")), NOW)
    assert errors_of(caught) == {"email", "name", "role", "password"}
    people.set_password(org.actor, org.ada.id, Secret("correct horse"), NOW)
    assert User.get_by_id(org.ada.id).session_epoch == 1
    assert "argon2" not in audit_text()
    assert people.authenticate("ada@acme.test", Secret("correct horse"), NOW) is not None


def test_the_last_administrator_stays_one() -> None:
    org = acme()
    with pytest.raises(Refused) as caught:
        people.update(org.actor, org.ada.id, "Ada", "member", NOW)
    assert errors_of(caught) == {"role"}
    people.create(org.actor, NewUser("eve@acme.test", "Eve", "admin"), NOW)
    people.update(org.actor, org.ada.id, "Ada", "member", NOW)
    assert people.role_of(org.organization.id, org.ada.id) == "member"


def test_slugs_are_unique_and_well_formed() -> None:
    org = acme()
    for slug in ("eng", "Eng", "a--b", "-a", "", "ü"):
        with pytest.raises(Refused) as caught:
            teams.create(org.actor, "Another", slug, NOW)
        assert errors_of(caught) == {"slug"}
    with pytest.raises(Refused) as caught:
        projects.create(org.actor, "P", "coding", "team_none", NOW)
    assert errors_of(caught) == {"slug", "team"}
    renamed = organizations.update(org.actor, "Acme Inc.", "acme-inc", NOW)
    assert organizations.only() == renamed


def test_moving_a_project_tells_the_gateways_of_its_keys() -> None:
    org = acme()
    key, _ = create_key(
        org.actor, NewVirtualKey("k", org.project.id, (org.openai.id,)), PEPPER, NOW
    )
    second = teams.create(org.actor, "Second", "second", NOW)
    projects.update(org.actor, org.project.id, "Renamed", org.team.id, NOW)
    assert kinds()[-1] == "VK_CREATED"
    projects.update(org.actor, org.project.id, "Renamed", second.id, NOW)
    assert kinds()[-1] == "VK_CONFIG_UPDATED"
    assert type(key).get_by_id(key.id).revision == 2


@pytest.mark.parametrize(
    "url",
    [
        "ftp://api.test",
        "api.test/v1",
        "https://",
        "https://user:pw@api.test",
        "https://api.test/v1?key=1",
        "https://api.test/#x",
        "https://api.test:99999",
        "https://api test",
        "file:///etc/passwd",
        "javascript:alert(1)",
    ],
)
def test_refuses_addresses_that_are_none(url: str) -> None:
    org = acme()
    with pytest.raises(Refused) as caught:
        providers.create(org.actor, NewProvider("p", "custom", url), SEALER, NOW)
    assert errors_of(caught) == {"base_url"}


def test_a_credential_is_sealed_compared_and_kept() -> None:
    org = acme()
    assert "sk-up" not in str(org.openai.__data__)
    assert "sk-up" not in audit_text()
    same = NewProvider("openai-main", "openai", "https://api.openai.com/v1", Secret("sk-up"))
    assert providers.differences(org.openai, same, SEALER) == []
    other = replace(same, credential=Secret("sk-other"), is_operator_address=True)
    assert providers.differences(org.openai, other, SEALER) == ["is_operator_address", "credential"]
    before = len(kinds())
    providers.update(org.actor, org.openai.id, same, SEALER, NOW)
    assert len(kinds()) == before
    providers.update(org.actor, org.openai.id, other, SEALER, NOW)
    assert kinds()[before:] == ["PROVIDER_UPDATED"]
    kept = providers.update(
        org.actor, org.openai.id, replace(other, credential=None, name="renamed"), SEALER, NOW
    )
    opened = providers.credential_of(kept, SEALER)
    assert opened == Secret("sk-other")


def wanted_budget(org: Acme) -> NewBudget:
    return NewBudget("month", "project", org.project.id, "month", 100 * 10**9)


def test_a_budget_is_made_changed_and_archived_and_each_is_announced() -> None:
    org = acme()
    row = budgets.create(org.actor, wanted_budget(org), NOW)
    raised = replace(wanted_budget(org), limit_nanousd=200 * 10**9)
    assert budgets.differences(row, raised) == ["limit_nanousd"]
    budgets.update(org.actor, row.id, raised, NOW)
    budgets.update(org.actor, row.id, raised, NOW)
    budgets.archive(org.actor, row.id, NOW)
    assert kinds()[-3:] == ["BUDGET_CREATED", "BUDGET_UPDATED", "BUDGET_DELETED"]
    assert budgets.create(org.actor, wanted_budget(org), NOW).id != row.id


def test_refuses_budgets_that_could_not_work() -> None:
    org, other = acme(), acme("globex")
    wrong = NewBudget("", "galaxy", "x", "fortnight", 0, "explode", "maybe", "perhaps")
    with pytest.raises(Refused) as caught:
        budgets.create(org.actor, wrong, NOW)
    fields = {"name", "scope", "window", "limit_usd", "on_breach", "on_unpriced", "on_outage"}
    assert errors_of(caught) == fields
    for scope, scope_id in (
        ("organization", other.organization.id),
        ("team", other.team.id),
        ("project", other.project.id),
        ("principal", other.ada.id),
        ("virtual_key", "vk_none"),
    ):
        with pytest.raises(Refused) as caught:
            foreign = replace(wanted_budget(org), scope=scope, scope_id=scope_id)
            budgets.create(org.actor, foreign, NOW)
        assert errors_of(caught) == {"scope_id"}


def test_a_source_is_validated_rotated_and_archived() -> None:
    org = acme()
    new = NewSource("otel_generic", "agents", team_id=org.team.id)
    source, first = ingestion_sources.create(org.actor, new, PEPPER, NOW)
    assert first.reveal() not in str(source.__data__) + audit_text()
    for wrong, fields in (
        (replace(new, name="agents"), {"name"}),
        (replace(new, name="b", type="carrier_pigeon"), {"type"}),
        (replace(new, name="b", team_id="team_none"), {"team_id"}),
        (replace(new, name="b", parser_config={"_rotation": "x"}), {"parser_config"}),
        (replace(new, name="b", parser_config={"allowedSourceTypeLabel": 7}), {"parser_config"}),
    ):
        with pytest.raises(Refused) as caught:
            ingestion_sources.create(org.actor, wrong, PEPPER, NOW)
        assert errors_of(caught) == fields
    _, second = ingestion_sources.rotate(org.actor, source.id, PEPPER, NOW)
    for secret in (first, second):
        found = ingestion_sources.find_by_secret(PEPPER, secret.reveal(), NOW)
        assert found is not None
        assert found.id == source.id
    ingestion_sources.archive(org.actor, source.id, NOW)
    assert ingestion_sources.find_by_secret(PEPPER, second.reveal(), NOW) is None
    assert IngestionSource.get_by_id(source.id).status == "disabled"
    assert ingestion_sources.create(org.actor, new, PEPPER, NOW)[0].id != source.id


def wanted_rule(**values: object) -> NewRule:
    slack = {"slack": {"webhookUrl": HOOK}}
    rule = NewRule("spend doubled", "warning", "spend_spike", "organization", "", THRESHOLD, slack)
    return replace(rule, **values)  # type: ignore[arg-type]


def test_a_rules_destinations_are_sealed_and_can_be_opened() -> None:
    org = acme()
    row = anomaly_rules.create(org.actor, wanted_rule(), SEALER, NOW)
    assert row.scope_id == org.organization.id
    assert "secret-part" not in str(AnomalyRule.get_by_id(row.id).__data__) + audit_text()
    stored = AnomalyRule.get_by_id(row.id)
    assert destinations.opened(stored, SEALER) == [{"type": "slack", "webhookUrl": HOOK}]
    assert anomaly_rules.differences(org.actor, stored, wanted_rule(), SEALER) == []
    listed = wanted_rule(destinations={"destinations": [{"type": "slack", "webhookUrl": HOOK}]})
    assert anomaly_rules.differences(org.actor, stored, listed, SEALER) == []
    kept = anomaly_rules.update(
        org.actor, row.id, wanted_rule(name="renamed", destinations=None), SEALER, NOW
    )
    assert destinations.opened(kept, SEALER)[0]["webhookUrl"] == HOOK


def test_refuses_rules_that_could_not_fire() -> None:
    org = acme()
    for wrong, fields in (
        (wanted_rule(threshold={"windowSec": "3600"}), {"threshold"}),
        (wanted_rule(threshold=[]), {"threshold"}),
        (wanted_rule(type="tea_leaves"), {"type"}),
        (wanted_rule(severity="mild"), {"severity"}),
        (wanted_rule(scope="team", scope_id=""), {"scope_id"}),
        (wanted_rule(scope="source_type", scope_id="tea"), {"scope_id"}),
        (wanted_rule(destinations=[{"type": "pigeon"}]), {"destinations"}),
        (wanted_rule(destinations={"slack": {"webhookUrl": "ftp://x"}}), {"destinations"}),
        (wanted_rule(destinations="slack"), {"destinations"}),
    ):
        with pytest.raises(Refused) as caught:
            anomaly_rules.create(org.actor, wrong, SEALER, NOW)
        assert errors_of(caught) == fields
        assert "secret-part" not in str(caught.value)


def test_a_rule_is_switched_and_archived() -> None:
    org = acme()
    row = anomaly_rules.create(org.actor, wanted_rule(), SEALER, NOW)
    assert anomaly_rules.set_status(org.actor, row.id, "disabled", NOW).status == "disabled"
    with pytest.raises(Refused):
        anomaly_rules.set_status(org.actor, row.id, "asleep", NOW)
    anomaly_rules.archive(org.actor, row.id, NOW)
    with pytest.raises(Refused) as caught:
        anomaly_rules.find(org.organization.id, row.id)
    assert caught.value.fault is Fault.NOT_FOUND
