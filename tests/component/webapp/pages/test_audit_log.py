"""The audit log page: what it shows, what its filters leave, its file, and the proof of its chain."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from core.audit import Entry, append
from core.authoring import budgets, projects, providers, teams, virtual_keys
from core.database import database, transaction
from core.models import AuditRow
from core.secrets import Secret
from tests.component.webapp.pages.world import (
    World,
    fixed_now,
    form_token,
    full_world,
    settings_in,
    signed_in,
)
from tests.statements import counted
from webapp.app import create_app
from webapp.page_models.audit_log import CUT

HERE = "/settings/audit-log"


@dataclass(frozen=True, slots=True)
class Log:
    """A browser of an administrator, and what there is to see."""

    client: FlaskClient
    world: World


@pytest.fixture
def log(db: str, tmp_path: Path) -> Iterator[Log]:
    settings = settings_in(tmp_path / "var")
    world = full_world(settings, fixed_now(), with_events=False)
    yield Log(signed_in(create_app(settings)), world)


def table(log: Log, query: str = "?days=") -> list[dict[str, str]]:
    """The rows of the exported file for a question."""
    answer = log.client.get(f"{HERE}/export{query}")
    assert answer.mimetype == "text/csv"
    assert "audit_logs_" in answer.headers["Content-Disposition"]
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_a_change_shows_who_made_it_and_both_states(log: Log) -> None:
    actor, now = log.world.actor, fixed_now()
    new = budgets.NewBudget("Spring", "organization", actor.organization_id, "month", 10**9)
    budget = budgets.create(actor, new, now)
    budgets.update(
        actor,
        budget.id,
        budgets.NewBudget("Spring", "organization", actor.organization_id, "month", 5 * 10**9),
        now,
    )
    text = log.client.get(f"{HERE}?days=&targetKind=budget&targetId={budget.id}").text
    assert "gateway.budget.updated" in text and "ada@acme.test" in text
    assert "<del>1000000000</del> → <ins>5000000000</ins>" in text
    assert "gateway.anomaly_rule" not in text and "Show all" in text


def test_filters_leave_what_was_asked_for(log: Log) -> None:
    every = table(log)
    assert len(every) == AuditRow.select().count()
    assert [int(row["id"]) for row in every] == sorted((int(r["id"]) for r in every), reverse=True)
    by_ada = table(log, "?days=&who=lovelace")
    assert by_ada and {row["actor"] for row in by_ada} == {"ada@acme.test"}
    assert {row["actor_id"] for row in table(log, "?days=&who=syst")} == {"system"}
    created = table(log, "?days=&action=team.created")
    assert len(created) == 3 and all("team.created" in row["action"] for row in created)
    assert table(log, "?days=&who=nobody-of-this-name") == []
    api = "/api/governance/audit-log?limit=200&since="
    assert log.client.get(f"{api}2999-01-01T02:00:00%2B02:00").json["data"] == []
    assert len(log.client.get(f"{api}2000-01-01T00:00:00Z").json["data"]) == len(every)
    assert log.client.get(f"{api}yesterday").status_code == 400
    assert "Nothing was changed" in log.client.get(f"{HERE}?days=&who=nobody-of-this-name").text


def test_a_project_leaves_what_is_about_it_and_what_stands_in_it(log: Log) -> None:
    actor, now = log.world.actor, fixed_now()
    project, other = (
        projects.create(actor, name, name.lower(), log.world.team_ids[0], now)
        for name in ("Coding", "Writing")
    )
    new = budgets.NewBudget("Coding's", "project", project.id, "month", 10**9)
    budget = budgets.create(actor, new, now)
    budgets.create(actor, replace(new, name="Writing's", scope_id=other.id), now)
    sealer = log.client.application.extensions["control_plane"].sealer
    openai = providers.NewProvider("main", "openai", credential=Secret("sk-x"))
    provider = providers.create(actor, openai, sealer, now)
    keyed = virtual_keys.NewVirtualKey("agent", project.id, (provider.id,))
    key, _ = virtual_keys.create(actor, keyed, Secret("p" * 32), now)
    limit = replace(new, name="Agent's", scope="virtual_key", scope_id=key.id)
    of_key = budgets.create(actor, limit, now)
    with transaction():
        blocked = ("gateway.policy.blocked", "virtual_key", key.id, "gateway")
        append(Entry(actor.organization_id, key.id, *blocked), now)
    told = table(log, f"?days=&projectId={project.id}")
    assert {row["target_id"] for row in told} == {project.id, budget.id, key.id, of_key.id}
    assert told[0]["action"] == "gateway.policy.blocked"
    page = log.client.get(f"{HERE}?days=&projectId={project.id}").text
    assert (
        f'<option value="{project.id}" selected>Coding' in page
        and other.id not in page.split("<tbody>")[1]
    )
    api = log.client.get(f"/api/governance/audit-log?project_id={project.id}").json["data"]
    assert [str(row["id"]) for row in api] == [row["id"] for row in told]


def test_pages_follow_one_another_without_a_gap(log: Log) -> None:
    for number in range(60):
        teams.create(log.world.actor, f"Team {number}", f"team-{number}", fixed_now())
    seen: list[int] = []
    address = f"{HERE}?days="
    while address:
        text = log.client.get(address).text
        seen += [int(part.split('"')[0]) for part in text.split('id="audit-')[1:] if part[0] != "h"]
        older = [p for p in text.split('href="') if p.startswith(HERE) and "before=" in p]
        address = older[0].split('"')[0].replace("&amp;", "&") if older else ""
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == AuditRow.select().count()


def test_a_page_costs_the_same_however_long_the_log_is(log: Log) -> None:
    with counted() as few:
        log.client.get(f"{HERE}?days=")
    for number in range(300):
        teams.create(log.world.actor, f"Team {number}", f"team-{number}", fixed_now())
    with counted() as many:
        log.client.get(f"{HERE}?days=&size=250")
    assert len(many.selects()) == len(few.selects())


def test_the_file_runs_nothing_in_a_spreadsheet_and_says_what_it_cut(log: Log) -> None:
    entry = Entry(
        log.world.organization_id,
        "=cmd()",
        "organization.note",
        "note",
        "-1+1",
        "web",
        after={"text": "x" * 5000},
    )
    with transaction():
        append(entry, fixed_now())
    row = table(log)[0]
    assert row["actor_id"] == "'=cmd()" and row["target_id"] == "'-1+1"
    assert row["after"].endswith(CUT) and len(row["after"]) < 4200


def test_nothing_of_another_organization_is_shown(log: Log) -> None:
    entry = Entry("org_elsewhere", "user_elsewhere", "organization.secret_plan", "plan", "p", "web")
    with transaction():
        append(entry, fixed_now())
    assert "secret_plan" not in log.client.get(f"{HERE}?days=").text
    assert all("secret_plan" not in row["action"] for row in table(log))


def test_verifying_says_that_the_chain_holds_and_where_it_breaks(log: Log) -> None:
    token = {"csrf_token": form_token(log.client)}
    whole = log.client.post(f"{HERE}/verify", data=token).text
    newest = AuditRow.select().order_by(AuditRow.id.desc()).first()
    assert "follow from the first" in whole and newest.hash in whole
    victim = AuditRow.select().order_by(AuditRow.id).offset(2).first()
    with transaction():
        database.execute_sql(f"UPDATE audit_log SET action = 'team.renamed' WHERE id = {victim.id}")
    broken = log.client.post(f"{HERE}/verify", data=token).text
    assert f"broken at row {victim.id}" in broken
