"""Retention in the browser: what a policy would delete is said before it is saved, and has to be agreed to."""

from datetime import timedelta
from pathlib import Path

import pytest

from core.clock import utcnow
from core.lake import open_writer
from core.models import AuditRow, CapturedContent, RetentionPolicy
from rules.activity_events import ActivityEvent
from tests.component.webapp.pages.desk import DRAWER, Desk, desk, error_of
from tests.component.webapp.pages.world import form_token

HERE = "/settings/retention"


@pytest.mark.usefixtures("sqlite_db")
def test_what_would_be_deleted_is_said_and_agreed_to_before_a_policy_is_saved(
    tmp_path: Path,
) -> None:
    at = desk(tmp_path)
    fill(at)
    form = {
        "applies_to": f"organization:{at.actor.organization_id}",
        "activity_days": "30",
        "content_days": "5",
        "is_retroactive": "1",
    }
    asked = at.post(f"{HERE}/policies", DRAWER, **form)
    assert asked.status_code == 422
    assert "2 events and the prompts and answers of 1 call" in asked.text
    assert RetentionPolicy.select().count() == 0
    assert at.post(f"{HERE}/policies", is_confirmed="1", **form).status_code == 303
    row = RetentionPolicy.get()
    assert (row.activity_days, row.content_days, row.holds_from) == (30, 5, None)
    edit = f"{HERE}/policies/{row.id}/edit"
    version = at.version(edit)
    gentle = {"activity_days": "400", "content_days": "", "version": version}
    assert at.post(edit, **gentle).status_code == 303, "what deletes nothing needs no second look"
    assert at.post(edit, DRAWER, **gentle | {"activity_days": "500"}).status_code == 409
    assert RetentionPolicy.get().holds_from is not None
    assert "400 days" in at.client.get(HERE).text
    assert at.post(f"{HERE}/policies/{row.id}/delete").status_code == 303
    actions = [a.action for a in AuditRow.select() if "retention" in a.action]
    assert actions == [
        f"governance.retention_policy.{v}" for v in ("created", "updated", "deleted")
    ]
    # The API asks the same question.
    days = {"activity_days": 30, "content_days": 5, "is_retroactive": True}
    new = {"scope": "organization", "scope_id": at.actor.organization_id, **days}
    api, headers = "/api/governance/retention-policies", {"X-CSRF-Token": form_token(at.client)}
    asked = at.client.post(api, json=new, headers=headers)
    assert asked.status_code == 422 and asked.json
    told = asked.json["error"]["errors"]["is_agreed"]
    assert "2 events and the prompts and answers of 1 call" in told
    agreed = at.client.post(api, json=new | {"is_agreed": True}, headers=headers)
    assert agreed.status_code == 201 and RetentionPolicy.get().activity_days == 30


@pytest.mark.usefixtures("sqlite_db")
def test_what_is_wrong_is_said_beside_it_and_members_only_look(tmp_path: Path) -> None:
    at = desk(tmp_path)
    organization = f"organization:{at.actor.organization_id}"
    for days, words in (("0", "whole number"), ("4000", "whole number"), ("soon", "not a number")):
        bad = at.post(f"{HERE}/policies", DRAWER, applies_to=organization, activity_days=days)
        assert words in error_of(bad, "activity_days")
    assert "at least one" in error_of(at.post(f"{HERE}/policies", DRAWER), "activity_days")
    form = {"applies_to": organization, "activity_days": "9"}
    assert at.post(f"{HERE}/policies", **form).status_code == 303
    assert "already" in error_of(at.post(f"{HERE}/policies", DRAWER, **form), "applies_to")
    page = at.browser("dan@acme.test").get(HERE)
    assert (page.status_code, "9 days" in page.text, "New policy" in page.text) == (
        200,
        True,
        False,
    )


def fill(at: Desk) -> None:
    now = utcnow()
    writer = open_writer(at.settings)
    try:
        events = [
            ActivityEvent(
                f"e{age}", at.actor.organization_id, "otel_generic", "src", "api.call",
                now - timedelta(days=age), now - timedelta(days=age),
            )
            for age in (1, 40, 50)
        ]  # fmt: skip
        writer.append(events, 1, now)
    finally:
        writer.close()
    for age in (1, 6):
        CapturedContent.create(
            call_id=f"c{age}", organization_id=at.actor.organization_id, project_id="p",
            virtual_key_id="vk", mode="raw", captured_at=now - timedelta(days=age),
        )  # fmt: skip
