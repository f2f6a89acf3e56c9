"""The project of an organization's governance comes with the first source, once, and stands on no surface."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.authoring import api_keys, ingestion_sources, projects, teams
from core.authoring.api_keys import NewApiKey
from core.authoring.governance_project import KIND, NAME
from core.authoring.ingestion_sources import NewSource
from core.authoring.scopes import scope_error
from core.clock import utcnow
from core.fault import Fault, Refused
from core.models import AuditRow, Project
from tests.component.webapp.pages.desk import desk
from tests.component.webapp.pages.test_virtual_keys import a_provider

SURFACES = (
    "/settings/projects",
    "/settings/projects?q=governance",
    "/settings/teams",
    "/settings/teams/{team}",
    "/settings/roles/bindings/new",
    "/settings/virtual-keys/new",
    "/settings/guardrails/new",
    "/settings/policy-rules/new",
    "/settings/routing-policies/new",
    "/settings/privacy/rules/new",
    "/settings/retention/policies/new",
    "/settings/trace-destinations/new",
    "/settings/governance/anomaly-rules/new",
    "/gateway/budgets/new",
    "/api/governance/projects",
)


@pytest.mark.usefixtures("sqlite_db")
def test_the_hidden_project_is_made_once_and_shown_nowhere(tmp_path: Path) -> None:
    at, now = desk(tmp_path), utcnow()
    home, pepper = at.actor.organization_id, at.settings.pepper
    team = teams.create(at.actor, "Engineering", "eng", now)
    a_provider(at, "main")
    for name in ("agents", "more agents"):
        ingestion_sources.create(at.actor, NewSource("otel_generic", name), pepper, now)
    (hidden,) = Project.select().where(Project.kind == KIND)
    # The oldest shared team: no person's workspace, though theirs are older.
    assert (hidden.team_id, hidden.slug) == (team.id, f"governance-{home}")
    made = [row.target_id for row in AuditRow.select() if row.action == "project.created"]
    assert made.count(hidden.id) == 1
    _, key = api_keys.create(at.actor, NewApiKey("k", "user", at.actor.actor_id), pepper, now)
    headers = {"Authorization": f"Bearer {key.reveal()}"}
    for path in SURFACES:
        answer = at.client.get(
            path.format(team=team.id), headers=headers if "/api/" in path else {}
        )
        assert answer.status_code == 200, path
        assert NAME not in answer.text and hidden.id not in answer.text, path
    with pytest.raises(Refused) as refused:
        projects.find(home, hidden.id)
    assert refused.value.fault is Fault.NOT_FOUND
    assert scope_error(home, "project", hidden.id) == "There is no such project."
    # It holds nothing that anybody would have to move first.
    assert teams.archive(at.actor, team.id, now).archived_at is not None
