"""One call's page and its JSON twin: what became of it, whose words are shown to whom, and what looking leaves."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from core.authoring import bindings, custom_roles, organizations, privacy, team_members
from core.authoring.bindings import NewBinding
from core.authoring.custom_roles import NewRole
from core.authoring.privacy import NewPrivacyRule
from core.clock import utcnow
from core.database import transaction
from core.models import AuditRow, CapturedContent, LedgerRow, Provider, VirtualKey
from rules.privacy import PLACEHOLDER
from tests.component.webapp.pages.desk import Desk, desk
from tests.component.webapp.pages.test_virtual_keys import a_key, a_project, person
from tests.component.webapp.pages.world import fixed_now, full_world, settings_in, signed_in
from tests.statements import counted
from webapp.app import create_app

CANARY = "canary-of-a-question-57721"
ANSWER = "canary-of-an-answer-56649"
COMMAND = "canary-of-a-command-27182"
pytestmark = pytest.mark.usefixtures("sqlite_db")


def a_call(key: VirtualKey, call_id: str, keeps: bool = True, **more: Any) -> None:
    now = utcnow()
    same = {
        "call_id": call_id,
        "organization_id": key.organization_id,
        "project_id": key.project_id,
        "virtual_key_id": key.id,
    }
    values = {
        "team_id": "team_1",
        "principal_user_id": key.principal_user_id,
        "request_type": "chat",
        "model": "gpt-5",
        "requested_model": "gpt-5",
        "outcome": "completed",
        "status": 200,
        "admitted_at": now,
        "duration_ms": 1234,
        "first_byte_ms": 210,
        "input_tokens": 1000,
        "cache_read_tokens": 500,
        "output_tokens": 42,
        "cost_nanousd": 1_500_000,
    }
    with transaction():
        LedgerRow.create(**(same | values | more))
        if keeps:
            asked = [{"role": "user", "parts": [{"type": "text", "content": CANARY}]}]
            call = {"type": "tool_call", "name": "bash", "arguments": {"command": COMMAND}}
            parts = [{"type": "text", "content": ANSWER}, call]
            CapturedContent.create(
                **same,
                mode="redacted",
                input_messages=orjson.dumps(asked).decode(),
                output_messages=orjson.dumps([{"role": "assistant", "parts": parts}]).decode(),
                system_instructions='[{"type":"text","content":"Be brief."}]',
                captured_at=now,
            )


def test_a_calls_page_tells_what_became_of_it_and_what_was_said(tmp_path: Path) -> None:
    at = desk(tmp_path)
    key = a_key(at, a_project(at), "service")
    provider = Provider.get_by_id(key.provider_ids[0])
    facts = {
        "attempts": [
            {"provider_id": provider.id, "model": "m1", "outcome": "server_error", "ms": 90},
            {"provider_id": "gone", "model": "m2", "outcome": "fallback_success", "ms": 1100},
        ],
        "policy_shadow": [
            {"dimension": "urls", "pattern": "x", "value": "evil.test", "rule": "r"},
        ],
        "guardrails": [{"id": "g", "direction": "response", "verdict": "modify"}],
        "budget_warnings": ["team:month"],
        "answer_id": "not shown",
    }
    a_call(key, "req_told", facts=facts)
    page = at.client.get("/gateway/calls/req_told").text
    for words in (CANARY, ANSWER, COMMAND, "Be brief.", "Tool call: bash", provider.name):
        assert words in page, words
    for words in ("Server error", "Fallback success", "Would block", "evil.test", "Modify"):
        assert words in page, words
    for words in ("$0.0015", "1.2 s", "First byte after 210 ms", "1,500", "Estimated", "req_told"):
        assert words in page, words
    assert f"/settings/virtual-keys/{key.id}" in page and "not shown" not in page
    a_call(key, "req_silent", keeps=False, outcome="refused", code="model_not_allowed", status=403)
    page = at.client.get("/gateway/calls/req_silent").text
    assert "capture is off" in page and "403 model_not_allowed" in page and "Refused" in page
    told = at.client.get("/api/gateway/v1/calls/req_silent").json
    assert (told["code"], told["content"], told["cost_nanousd"]) == (
        "model_not_allowed",
        None,
        1_500_000,
    )
    a_call(key, "req_lost", keeps=False, facts={"capture": "raw"})
    assert "let go by retention" in at.client.get("/gateway/calls/req_lost").text


def test_what_is_restricted_is_read_by_its_audience_on_the_page_and_through_the_api(
    tmp_path: Path,
) -> None:
    at, dan_id = desk(tmp_path), person("dan@acme.test")
    project = a_project(at)
    team_members.put(at.actor, project.team_id, dan_id, "member", utcnow())
    a_call(a_key(at, project, "service"), "req_1", facts={"policy_shadow": [{"value": "found"}]})
    dan = at.browser("dan@acme.test")
    for browser in (at.client, dan):
        page = browser.get("/gateway/calls/req_1").text
        assert CANARY in page and ANSWER in page and "Restricted" not in page
    restrict = {"input": "restrict", "tool_calls": "restrict"}
    rule = NewPrivacyRule("project", project.id, restrict, audience=("admins",))
    privacy.create(at.actor, rule, utcnow())
    page = dan.get("/gateway/calls/req_1").text
    assert CANARY not in page and COMMAND not in page and ANSWER in page
    assert "Restricted: input, tool calls" in page and "found" not in page
    told = dan.get("/api/gateway/v1/calls/req_1").json
    assert told["content"]["input"][0]["parts"][0]["content"] == PLACEHOLDER
    assert told["content"]["restricted"] == ["input", "tool_calls"]
    assert told["facts"]["policy_shadow"][0]["value"] == PLACEHOLDER
    assert CANARY not in str(told) and COMMAND not in str(told)
    assert CANARY in at.client.get("/gateway/calls/req_1").text
    assert CANARY in str(at.client.get("/api/gateway/v1/calls/req_1").json)


def test_calls_are_read_where_one_may_and_anothers_own_ones_leave_a_trace(tmp_path: Path) -> None:
    at, dan_id = desk(tmp_path), person("dan@acme.test")
    project = a_project(at)
    service = a_key(at, project, "service")
    dans = a_key(at, project, "dans", principal_user_id=dan_id)
    adas = a_key(at, project, "adas", principal_user_id=at.actor.actor_id)
    for key in (service, dans, adas):
        a_call(key, f"req_{key.name}")
    dan = at.browser("dan@acme.test")
    assert _statuses(dan, "req_service") == (403, 403), "of no team that it was made in"
    assert _statuses(dan, "req_adas") == (404, 403)
    assert dan.get("/gateway/calls/req_dans").status_code == 200, "one's own, on one's own page"
    team_members.put(at.actor, project.team_id, dan_id, "member", utcnow())
    assert _statuses(dan, "req_service") == (200, 200)
    assert _statuses(dan, "req_dans") == (200, 200)
    assert _statuses(dan, "req_adas") == (404, 404)
    looks = AuditRow.select().where(AuditRow.action == "governance.viewWorkspaceAs")
    assert looks.count() == 0
    page = at.client.get("/gateway/calls/req_dans").text
    assert "audit log" in page and "own call" in page
    assert at.client.get("/api/gateway/v1/calls/req_dans").status_code == 200
    assert [(row.actor_id, row.target_id) for row in looks] == [(at.actor.actor_id, dan_id)]
    LedgerRow.update(organization_id=_elsewhere(at)).where(
        LedgerRow.call_id == "req_service"
    ).execute()
    assert _statuses(at.client, "req_service") == _statuses(at.client, "req_none") == (404, 404)


def test_calls_are_listed_within_reach_filtered_and_a_page_at_a_time(tmp_path: Path) -> None:
    at, dan_id = desk(tmp_path), person("dan@acme.test")
    project = a_project(at)
    service = a_key(at, project, "service")
    dans = a_key(at, project, "dans", principal_user_id=dan_id)
    adas = a_key(at, project, "adas", principal_user_id=at.actor.actor_id)
    early = utcnow() - timedelta(hours=2)
    for number in range(53):
        a_call(service, f"req_{number:03d}", keeps=False, admitted_at=early)
    a_call(dans, "req_dans", keeps=False, model="claude-x", session_id="s1")
    a_call(adas, "req_adas", keeps=False, outcome="refused", code="model_not_allowed", status=403)
    here, api = "/gateway/calls", "/api/gateway/v1/calls"
    page = at.client.get(here).text
    assert page.count('<tr id="call-') == 50 and "req_adas" in page and "model_not_allowed" in page
    older = re.search(r'href="(/gateway/calls\?[^"]*before=[^"]*)"', page)
    assert older
    rest = at.client.get(html.unescape(older[1])).text
    assert rest.count('<tr id="call-') == 5 and "req_000" in rest
    ids = [row["call_id"] for row in at.client.get(f"{api}?limit=200").json["data"]]
    assert len(ids) == 55 and ids[-1] == "req_000"
    looks = AuditRow.select().where(AuditRow.action == "governance.viewWorkspaceAs")
    assert looks.count() == 0, "looking at all is looking at nobody"
    for asked in ("model=claude", "id=s1", f"principalUserId={dan_id}", f"virtualKeyId={dans.id}"):
        page = at.client.get(f"{here}?{asked}").text
        assert page.count('<tr id="call-') == 1 and "req_dans" in page, asked
    assert [row.target_id for row in looks] == [dan_id], "once, for all within five minutes"
    page = at.client.get(f"{here}?outcome=refused").text
    assert page.count('<tr id="call-') == 1 and "req_adas" in page
    a_call(service, "req_old", keeps=False, admitted_at=early - timedelta(days=200))
    assert at.client.get(f"{here}?id=req_old").text.count('<tr id="call-') == 1, "however old"
    assert "No call" in at.client.get(f"{here}?model=nothing&before=nonsense").text
    dan = at.browser("dan@acme.test")
    told = [row["call_id"] for row in dan.get(api).json["data"]]
    assert told == ["req_dans"], "one's own, wherever they were made"
    team_members.put(at.actor, project.team_id, dan_id, "member", utcnow())
    told = [row["call_id"] for row in dan.get(f"{api}?limit=200").json["data"]]
    assert len(told) == 54 and "req_adas" not in told
    assert dan.get(f"{api}?cursor=nonsense").status_code == 400
    with counted() as statements:
        dan.get(f"{here}?days=90")
    assert len(statements.selects()) <= 9


def test_the_governance_home_leads_to_calls_where_they_open(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "var")
    world = full_world(settings, fixed_now())
    app = create_app(settings)
    link = 'href="/gateway/calls/'
    assert link in signed_in(app).get("/governance").text
    role = custom_roles.create(
        world.actor, NewRole("analyst", ("governance:view", "activityMonitor:view")), utcnow()
    )
    dan_id = person("dan@acme.test")
    bound = NewBinding(
        "user", dan_id, "custom", "organization", world.actor.organization_id, role.id
    )
    bindings.create(world.actor, bound, utcnow())
    page = signed_in(app, "dan@acme.test").get("/governance").text
    assert "Latest requests" in page and link not in page


def _statuses(browser: Any, call_id: str) -> tuple[int, int]:
    paths = (f"/gateway/calls/{call_id}", f"/api/gateway/v1/calls/{call_id}")
    page, told = (browser.get(path).status_code for path in paths)
    return page, told


def _elsewhere(at: Desk) -> str:
    return organizations.create("Other", "other", utcnow()).id
