"""The daily job: what is due goes, at the narrowest policy's word; sums, spend and the audit log stay."""

from dataclasses import replace
from datetime import datetime, timedelta

from core.authoring import retention as authoring
from core.authoring.retention import NewRetentionPolicy
from core.lake import LakeReader, LakeWriter
from core.lake.expiry import expired_events
from core.models import AuditRow, CapturedContent, LedgerRow, Project
from rules.activity_events import ActivityEvent
from rules.retention import ACTIVITY, slices
from streamer import upkeep
from streamer.retention import forget_expired
from tests.component.core.authoring.acme import Acme, acme

DAY = timedelta(days=1)
KEEP = timedelta(days=30)


def event(org: Acme, now: datetime, age_days: int, **more: str | None) -> ActivityEvent:
    at = now - age_days * DAY
    made = ActivityEvent(
        f"{age_days} {sorted(more.items())}",
        org.organization.id,
        "otel_generic",
        "src",
        "api.call",
        at,
        at,
        "ada@acme.test",
        cost_nanousd=5,
    )
    return replace(made, **more)


def left(writer: LakeWriter) -> list[int]:
    rows = writer._connection.execute(
        "SELECT event_id FROM lake.gateway_activity_events ORDER BY event_timestamp DESC"
    ).fetchall()
    return [int(row[0].split()[0]) for row in rows]


def test_events_go_when_they_are_due_and_their_sums_stay(
    writer: LakeWriter, reader: LakeReader, now: datetime
) -> None:
    org = acme()
    team, project = org.team.id, org.project.id
    events = [event(org, now, age) for age in (1, 89, 91, 200, 400)]
    events += [event(org, now, age, team_id=team) for age in (20, 40)]
    events += [event(org, now, age, team_id=team, project_id=project) for age in (5, 10)]
    writer.append(events, 1, now)
    writer.flush()
    for scope, scope_id, days in (
        ("organization", org.organization.id, 90),
        ("team", team, 30),
        ("project", project, 7),
    ):
        new = NewRetentionPolicy(scope, scope_id, days, is_retroactive=True)
        authoring.create(org.actor, new, now)
    policies = [authoring.policy_of(row) for row in authoring.all_of(org.organization.id)]
    parts = slices(org.organization.id, policies, ACTIVITY, now)
    due = {part.scope: expired_events(reader, part) for part in parts}
    assert due == {"organization": 3, "team": 1, "project": 1}
    audited = AuditRow.select().count()
    assert forget_expired(writer, now, KEEP).facts() == {"events": 5}
    assert left(writer) == [1, 5, 20, 89]
    assert forget_expired(writer, now, KEEP).facts() == {}
    spent = writer._connection.execute("SELECT sum(cost_nanousd) FROM lake.rollup_hour")
    assert spent.fetchone() == (45,)
    assert AuditRow.select().count() == audited


def test_a_policy_that_is_not_retroactive_leaves_what_was_there(
    writer: LakeWriter, now: datetime
) -> None:
    org = acme()
    writer.append([event(org, now, 50)], 1, now)
    new = NewRetentionPolicy("organization", org.organization.id, 10)
    authoring.create(org.actor, new, now)
    later = now + 20 * DAY
    writer.append([event(org, later, 12)], 2, later)
    assert forget_expired(writer, later, KEEP).events == 1
    assert left(writer) == [50]


def test_content_goes_by_its_projects_policy_and_by_the_setting_elsewhere(
    writer: LakeWriter, now: datetime
) -> None:
    org = acme()
    other = Project.create(
        id="project_other", organization_id=org.organization.id, team_id="team_other",
        name="Other", slug="other", created_at=now,
    )  # fmt: skip
    for project, age in ((org.project, 2), (org.project, 4), (other, 20), (other, 31)):
        content(f"{project.id} {age}", org, project.id, now - age * DAY)
    new = NewRetentionPolicy("team", org.team.id, content_days=3, is_retroactive=True)
    authoring.create(org.actor, new, now)
    assert upkeep.purge_expired(now, DAY) == {}, "where policies speak the short purge is silent"
    assert forget_expired(writer, now, KEEP).facts() == {"content": 2}
    kept = {row.call_id.split()[1] for row in CapturedContent.select()}
    assert kept == {"2", "20"}


def test_ledger_rows_stay_13_months_whatever_policies_say(
    writer: LakeWriter, now: datetime
) -> None:
    org = acme()
    for call_id, at in (("old", now - 400 * DAY), ("new", now - 390 * DAY)):
        LedgerRow.create(
            call_id=call_id, organization_id=org.organization.id, project_id=org.project.id,
            team_id=org.team.id, virtual_key_id="vk", request_type="chat", outcome="completed",
            admitted_at=at,
        )  # fmt: skip
    new = NewRetentionPolicy("organization", org.organization.id, 1, 1, is_retroactive=True)
    authoring.create(org.actor, new, now)
    assert forget_expired(writer, now, KEEP).facts() == {"ledger": 1}
    assert [row.call_id for row in LedgerRow.select()] == ["new"]


def content(call_id: str, org: Acme, project_id: str, at: datetime) -> None:
    CapturedContent.create(
        call_id=call_id,
        organization_id=org.organization.id,
        project_id=project_id,
        virtual_key_id="vk",
        mode="raw",
        input_messages="[]",
        captured_at=at,
    )
