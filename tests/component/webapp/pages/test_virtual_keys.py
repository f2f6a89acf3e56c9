"""The virtual-key pages on both databases: composing, changing, rotating, ending, and who sees which key."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from pathlib import Path

import pytest

from core.authoring import (
    api_keys,
    bindings,
    custom_roles,
    guardrails,
    projects,
    providers,
    search_words,
    team_members,
    teams,
    virtual_keys,
)
from core.authoring.api_keys import NewApiKey
from core.authoring.bindings import NewBinding
from core.authoring.custom_roles import NewRole
from core.authoring.guardrails import NewGuardrail
from core.authoring.providers import NewProvider
from core.authoring.virtual_keys import NewVirtualKey
from core.clock import utcnow
from core.database import connection, transaction
from core.lake import open_writer
from core.models import AuditRow, Budget, Project, Provider, User, VirtualKey
from core.secrets import Secret
from rules.activity_events import API_CALL, GATEWAY_SOURCE, ActivityEvent
from tests.component.webapp.pages.desk import DRAWER, TABLES, Desk, desk, error_of, shown
from tests.component.webapp.pages.world import form_token
from tests.statements import counted

HERE = "/settings/virtual-keys"
PROVIDERS = {"HX-Request": "true", "HX-Target": "fieldset#key-providers"}
pytestmark = pytest.mark.usefixtures("db")


def a_provider(at: Desk, name: str) -> Provider:
    sealer = at.app.extensions["control_plane"].sealer
    new = NewProvider(name, "custom", "https://llm.acme.test/v1", Secret("sk-stored"))
    return providers.create(at.actor, new, sealer, utcnow())


def a_project(at: Desk, slug: str = "coding") -> Project:
    team = teams.create(at.actor, f"Team {slug}", f"t-{slug}", utcnow())
    return projects.create(at.actor, f"Project {slug}", slug, team.id, utcnow())


def a_key(at: Desk, project: Project, name: str = "ci", **more: object) -> VirtualKey:
    provider_ids = (a_provider(at, f"for {name}").id,)
    new = NewVirtualKey(name, project.id, provider_ids, **more)  # type: ignore[arg-type]
    return virtual_keys.create(at.actor, new, at.settings.pepper, utcnow())[0]


def person(email: str) -> str:
    with connection():
        return str(User.get(User.email == email).id)


def places(text: str) -> list[str]:
    """Return what is chosen in each provider's place of a form, in order."""
    found = []
    for select in re.findall(r'<select[^>]*id="provider_\d+".*?</select>', text, re.S):
        chosen = re.search(r'<option value="([^"]*)" selected', select)
        found.append(chosen[1] if chosen else "")
    return found


def test_a_key_is_composed_with_everything_and_its_secret_shown_once(tmp_path: Path) -> None:
    at = desk(tmp_path)
    first, second, project = a_provider(at, "first"), a_provider(at, "second"), a_project(at)
    sealer = at.app.extensions["control_plane"].sealer
    check = guardrails.create(
        at.actor, NewGuardrail("No secrets", "organization", "", "secrets", {}, ("request",)),
        sealer, utcnow(),
    )  # fmt: skip
    form = {
        "name": "nightly",
        "project_id": project.id,
        "person": "dan@acme.test",
        "provider_1": second.id,
        "provider_2": "",
        "provider_3": first.id,
        "budget_usd": "25.50",
        "expires": "30",
        "rpm": "60",
        "tpm": "100000",
        "tags": "batch, night ,batch",
        "description": "Runs at night.",
        "models_allowed": "gpt-5*\nclaude-*",
        "model_aliases": "fast = first/gpt-5-mini\nbig @ first = gpt-5\nbig @ second = claude-x",
        "routing_mode": "fallback_all",
        "max_attempts": "2",
        "cache_mode": "force",
        "kept_seconds": "600",
        "tools_deny": "^bash$",
        "models_nothing": "1",
        "models_shadow": "1",
        "guardrails": f"request:{check.id}",
        "capture": "metadata",
    }
    answer = at.post(HERE, DRAWER, **form)
    assert answer.status_code == 200 and answer.headers["Cache-Control"] == "no-store"
    secret = shown(answer)
    for tool in ("Claude Code", "Codex", "Gemini CLI", "OpenAI SDK"):
        assert tool in answer.text
    assert f"ANTHROPIC_AUTH_TOKEN={secret}" in answer.text
    row = VirtualKey.get(VirtualKey.name == "nightly")
    assert row.provider_ids == [second.id, first.id] and row.tags == ["batch", "night"]
    assert row.principal_user_id == person("dan@acme.test")
    assert timedelta(days=29) < row.expires_at - utcnow() <= timedelta(days=30)
    assert row.config == {
        "cache": {"mode": "force", "responses": {"ttl_seconds": 600}},
        "capture": "metadata",
        "fallback": {"max_attempts": 2},
        "guardrails": {"request": [check.id]},
        "model_aliases": {
            "fast": "first/gpt-5-mini",
            "big": {"first": "gpt-5", "second": "claude-x"},
        },
        "models_allowed": ["gpt-5*", "claude-*"],
        "policy_rules": {"tools": {"deny": ["^bash$"]}, "models": {"allow": [], "shadow": True}},
        "rate_limits": {"rpm": 60, "tpm": 100000},
        "routing_mode": "fallback_all",
    }
    budget = Budget.get(Budget.scope_id == row.id)
    assert (budget.limit_nanousd, budget.window) == (25_500_000_000, "month")
    page = at.client.get(f"{HERE}/{row.id}").text
    assert secret not in page + at.client.get(HERE).text
    for words in ("primary", "fallback-1", "Runs at night.", "No secrets: requests", "$25.50"):
        assert words in page, words
    # What the form shows over the stored key makes the very same key again.
    edit = f"{HERE}/{row.id}/edit"
    again = {name: form[name] for name in form if name not in ("project_id", "person", "expires")}
    again |= {"provider_2": first.id, "provider_3": "", "expires": "keep"}
    at.post(edit, version=at.version(edit), **again)
    assert VirtualKey.get_by_id(row.id).revision == row.revision


def test_what_is_wrong_is_told_beside_its_control_and_nothing_is_made(tmp_path: Path) -> None:
    at = desk(tmp_path)
    first, project = a_provider(at, "first"), a_project(at)
    right = {"name": "x", "project_id": project.id, "provider_1": first.id}
    for wrong, field, told in (
        ({"name": ""}, "name", "Give it a name."),
        ({"project_id": "project_no"}, "project_id", "There is no such project."),
        ({"person": "nobody@acme.test"}, "person", "No member has this address."),
        ({"provider_1": ""}, "provider_1", "Choose at least one provider."),
        ({"provider_2": first.id}, "provider_1", "Name each provider once, at most 32."),
        ({"budget_usd": "lots"}, "budget_usd", "Give an amount in dollars"),
        ({"rpm": "-1"}, "rpm", "Give a whole number."),
        ({"expires": "date", "expires_on": "2020-01-01"}, "expires", "Choose a date to come."),
        ({"tools_deny": "fine\n("}, "tools_deny", "Line 2: "),
        ({"kept_seconds": "0"}, "kept_seconds", "Give 1 to 86,400 seconds."),
        ({"model_aliases": "fast"}, "model_aliases", "as alias = provider/model."),
        ({"model_aliases": "a @ nowhere = m"}, "model_aliases", "there is no provider"),
        ({"routing_policy_id": "routing_no"}, "routing_policy_id", "no such routing policy"),
    ):
        answer = at.post(HERE, DRAWER, **(right | wrong))
        assert answer.status_code == 422, wrong
        assert told in error_of(answer, field), (wrong, error_of(answer, field))
    assert not VirtualKey.select().exists()
    # A budget that can't be made takes the key back with it.
    assert at.post(HERE, DRAWER, **right, budget_usd="4000000001").status_code == 422
    assert not VirtualKey.select().exists() and not Budget.select().exists()


def test_providers_change_their_order_without_anything_being_saved(tmp_path: Path) -> None:
    at = desk(tmp_path)
    ids = [a_provider(at, f"p{number}").id for number in range(5)]
    chosen = {f"provider_{place}": ids[place - 1] for place in (1, 2, 3)}
    up = f"{HERE}/new/providers?up=3"
    answer = at.post(up, PROVIDERS, name="kept", **chosen)
    assert answer.status_code == 200 and answer.text.lstrip().startswith("<fieldset")
    assert places(answer.text) == [ids[0], ids[2], ids[1], ""]
    whole = at.post(up, name="kept", **chosen)
    assert 'value="kept"' in whole.text and places(whole.text) == [ids[0], ids[2], ids[1], ""]
    assert places(at.post(f"{HERE}/new/providers?up=x", PROVIDERS, **chosen).text)[:3] == ids[:3]
    assert not VirtualKey.select().exists()


def test_the_second_of_two_editors_is_told_what_changed(tmp_path: Path) -> None:
    at = desk(tmp_path)
    row = a_key(at, a_project(at))
    edit = f"{HERE}/{row.id}/edit"
    opened = at.version(edit)
    form = {"provider_1": row.provider_ids[0], "expires": "keep"}
    first = at.post(edit, version=opened, name="ci", rpm="10", **form)
    assert first.status_code == 303
    answer = at.post(edit, DRAWER, version=opened, name="ci-two", tags="mine", **form)
    assert answer.status_code == 409
    assert "Somebody changed this" in answer.text and "Ada Lovelace" in answer.text
    assert 'value="ci-two"' in answer.text and "rpm" in answer.text
    assert VirtualKey.get_by_id(row.id).config == {"rate_limits": {"rpm": 10}}
    newer = re.search(r'name="version" value="(\w+)"', answer.text)
    assert newer
    assert at.post(edit, version=newer[1], name="ci-two", **form).status_code == 303
    assert VirtualKey.get_by_id(row.id).name == "ci-two"


def test_a_change_keeps_what_the_form_has_no_control_for(tmp_path: Path) -> None:
    at = desk(tmp_path)
    config = {
        "policy_rules": {"models": {"deny": ["^gpt-3"]}},
        "cache": {"mode": "respect", "responses": {"ttl_seconds": 60}},
        "fallback": {"timeout_ms": 5000},
    }
    row = a_key(at, a_project(at), config=config)
    edit = f"{HERE}/{row.id}/edit"
    shown_over_it = at.client.get(edit).text
    assert "^gpt-3</textarea>" in shown_over_it and 'value="60"' in shown_over_it
    form = {"name": "ci", "provider_1": row.provider_ids[0], "expires": "keep", "cache_mode": ""}
    form |= {"models_deny": "^gpt-3", "kept_seconds": "60"}
    at.post(edit, **form, tags="a")
    stored = VirtualKey.get_by_id(row.id).config
    assert stored == config | {"cache": {"responses": {"ttl_seconds": 60}}}
    at.post(edit, **(form | {"models_deny": "", "kept_seconds": ""}))
    assert VirtualKey.get_by_id(row.id).config == {"fallback": {"timeout_ms": 5000}}


def test_a_key_is_rotated_switched_and_ended(tmp_path: Path) -> None:
    at = desk(tmp_path)
    row = a_key(at, a_project(at))
    here = f"{HERE}/{row.id}"
    answer = at.post(f"{here}/rotate", DRAWER)
    assert "The secret before it works until" in answer.text
    assert answer.headers["HX-Trigger"] == "listing-changed"
    found = virtual_keys.find_by_secret(at.settings.pepper, shown(answer), utcnow())
    assert found is not None and found.id == row.id
    assert "Two secrets work" in at.client.get(here).text
    assert at.post(f"{here}/disable", reason="on leave").headers["Location"] == here
    page = at.client.get(here).text
    assert "Disabled" in page and "on leave" in page
    assert at.post(f"{here}/enable", TABLES).headers["Location"] == HERE
    assert VirtualKey.get_by_id(row.id).status == "active"
    assert VirtualKey.get_by_id(row.id).status_reason == "", "it is on again"
    api = f"/api/gateway/v1/virtual-keys/{row.id}"
    token = {"X-CSRF-Token": form_token(at.client)}
    long = at.client.post(f"{api}/disable", json={"reason": "x" * 301}, headers=token)
    assert (long.status_code, list(long.json["error"]["errors"])) == (422, ["reason"])
    assert at.client.post(f"{api}/disable", headers=token).json["status_reason"] == ""
    ended = at.client.post(f"{api}/revoke", json={"reason": "leaked"}, headers=token)
    assert ended.json["status_reason"] == "leaked"
    assert AuditRow.select().order_by(AuditRow.id.desc()).get().after["status_reason"] == "leaked"
    page = at.client.get(here).text
    assert "Revoked" in page and "leaked" in page and "/rotate" not in page
    assert at.post(f"{here}/enable").status_code == 409
    actions = [audit.action for audit in AuditRow.select().where(AuditRow.target_id == row.id)]
    verbs = ("created", "rotated", "disabled", "enabled", "disabled", "revoked")
    assert actions == [f"gateway.virtual_key.{verb}" for verb in verbs]
    audit = at.client.get(f"/settings/audit-log?targetKind=virtual_key&targetId={row.id}&days=")
    assert "gateway.virtual_key.rotated" in audit.text
    assert re.search(r'href="(/settings/audit-log\?[^"]*)"', page)


def test_expiry_is_extended_and_taken_away_and_a_past_one_has_to_be_chosen_anew(
    tmp_path: Path,
) -> None:
    at = desk(tmp_path)
    row = a_key(at, a_project(at), expires_at=utcnow() + timedelta(days=1))
    edit, form = f"{HERE}/{row.id}/edit", {"name": "ci", "provider_1": row.provider_ids[0]}
    at.post(edit, **form, expires="keep", expires_on="2040-02-29")
    assert f"{VirtualKey.get_by_id(row.id).expires_at:%Y-%m-%d %H:%M:%S}" == "2040-02-29 23:59:59"
    VirtualKey.update(expires_at=utcnow() - timedelta(hours=1)).execute()
    assert "Expired" in at.client.get(f"{HERE}?status=expired").text
    assert f"row-{row.id}" not in at.client.get(f"{HERE}?status=active").text
    kept = at.post(edit, DRAWER, **form, expires="keep")
    assert kept.status_code == 422 and "past its date" in error_of(kept, "expires")
    at.post(edit, **form, expires="")
    assert VirtualKey.get_by_id(row.id).expires_at is None


def test_whoever_is_in_a_team_sees_its_keys_and_no_other_persons_own(tmp_path: Path) -> None:
    at = desk(tmp_path)
    mine, theirs = a_project(at, "mine"), a_project(at, "theirs")
    dan = person("dan@acme.test")
    team_members.put(at.actor, mine.team_id, dan, "member", utcnow())
    seen = a_key(at, mine, "seen")
    own = a_key(at, mine, "own", principal_user_id=dan)
    adas = a_key(at, mine, "adas", principal_user_id=at.actor.actor_id)
    elsewhere = a_key(at, theirs, "elsewhere")
    browser = at.browser("dan@acme.test")
    listed = browser.get(HERE).text
    assert [f"row-{row.id}" in listed for row in (seen, own, adas, elsewhere)] == [
        True, True, False, False,
    ]  # fmt: skip
    codes = [browser.get(f"{HERE}/{row.id}").status_code for row in (seen, own, adas, elsewhere)]
    assert codes == [200, 200, 404, 403]
    # A member may create and rotate there, and not revoke.
    assert f"{HERE}/{seen.id}/rotate" in listed and f"{HERE}/{seen.id}/revoke" not in listed
    with browser.session_transaction() as session:
        token = str(session["csrf"])
    form = {"csrf_token": token, "name": "new", "provider_1": seen.provider_ids[0]}
    refused = browser.post(HERE, data=form | {"project_id": theirs.id})
    assert refused.status_code == 422 and "no such project" in refused.text
    others = browser.post(HERE, data=form | {"project_id": mine.id, "person": "ada@acme.test"})
    assert "virtualKeys:viewOtherPersonal" in error_of(others, "person")
    raw = browser.post(HERE, data=form | {"project_id": mine.id, "capture": "raw"})
    assert "virtualKeys:capturePayload:raw" in raw.text and raw.status_code == 422
    assert browser.post(HERE, data=form | {"project_id": mine.id}).status_code == 200


def event(at: Desk, row: VirtualKey, number: int, **more: object) -> ActivityEvent:
    moment = utcnow() - timedelta(seconds=number + 1)
    values: dict[str, object] = {
        "virtual_key_id": row.id, "principal_user_id": row.principal_user_id, "model": "gpt-5",
        "cost_nanousd": 1_250_000_000, "outcome": "completed", "event_type": API_CALL,
    }  # fmt: skip
    ids = (f"use_{number}", at.actor.organization_id, GATEWAY_SOURCE, GATEWAY_SOURCE)
    values |= {"event_timestamp": moment, "ingested_at": moment}
    return ActivityEvent(*ids, **(values | more))  # type: ignore[arg-type]


def test_what_a_key_has_spent_is_on_its_page_in_the_list_and_on_its_owners_page(
    tmp_path: Path,
) -> None:
    at = desk(tmp_path)
    row = a_key(at, a_project(at), principal_user_id=at.actor.actor_id)
    events = [event(at, row, number) for number in range(2)]
    events.append(event(at, row, 2, model="claude-x", cost_nanousd=500_000_000))
    events.append(event(at, row, 3, event_type="api.refused", cost_nanousd=0, code="rate_limited"))
    writer = open_writer(at.settings)
    writer.append(events, 1, utcnow())
    writer.close()
    page = at.client.get(f"{HERE}/{row.id}").text
    for words in ("$3.00", "claude-x", "rate_limited", "Refused"):
        assert words in page, words
    if utcnow().day > 1 or utcnow().hour > 0:
        assert "$3.00" in at.client.get(HERE).text
        assert "$3.00 was spent with them this month" in at.client.get("/me").text
    assert "rate_limited" in at.client.get("/me").text
    _, secret = api_keys.create(
        at.actor, NewApiKey("k", "user", at.actor.actor_id), at.settings.pepper, utcnow()
    )
    headers = {"Authorization": f"Bearer {secret.reveal()}"}
    there = f"/api/gateway/v1/virtual-keys/{row.id}/spend"
    spend = at.client.get(there, headers=headers).json
    assert (spend["spent_usd"], spend["requests"]) == ("3", 3)
    by_model = {each["model"]: each["spent_nanousd"] for each in spend["days"]}
    assert by_model["claude-x"] == 500_000_000
    early = at.client.get(f"{there}?from=0&to=86400000", headers=headers).json
    assert (early["since"][:10], early["spent_nanousd"], early["days"]) == ("1970-01-01", 0, [])
    wrong = at.client.get(f"{there}?from=2&to=1", headers=headers)
    assert (wrong.status_code, list(wrong.json["error"]["errors"])) == (422, ["from"])


def test_looking_at_another_persons_calls_leaves_one_row_in_the_audit_log(tmp_path: Path) -> None:
    at, dan = desk(tmp_path), person("dan@acme.test")
    project = a_project(at)
    team_members.put(at.actor, project.team_id, dan, "member", utcnow())
    dans = a_key(at, project, "dans", principal_user_id=dan)
    service = a_key(at, project, "service")
    looks = AuditRow.select().where(AuditRow.action == "governance.viewWorkspaceAs")
    browser = at.browser("dan@acme.test")
    for row in (dans, service):
        assert "own key" not in browser.get(f"{HERE}/{row.id}").text
    assert "own key" not in at.client.get(f"{HERE}/{service.id}").text
    assert not looks.exists()
    for _ in range(2):
        assert "This is Dan&#39;s own key" in at.client.get(f"{HERE}/{dans.id}").text
    (told,) = looks
    assert (told.actor_id, told.target_id) == (at.actor.actor_id, dan)
    assert told.after == {"virtual_key_id": dans.id}
    AuditRow.update(created_at=utcnow() - timedelta(minutes=6)).where(
        AuditRow.id == told.id
    ).execute()
    at.client.get(f"{HERE}/{dans.id}")
    assert looks.count() == 2


def test_what_a_key_was_used_for_needs_permissions_of_its_own(tmp_path: Path) -> None:
    at, now = desk(tmp_path), utcnow()
    row, dan = a_key(at, a_project(at)), person("dan@acme.test")
    here = f"{HERE}/{row.id}"
    role = custom_roles.create(at.actor, NewRole("keys", ("virtualKeys:view",), ""), now)
    new = NewBinding("user", dan, "custom", "project", row.project_id, role.id)
    bindings.create(at.actor, new, now)
    browser = at.browser("dan@acme.test")
    page = browser.get(here).text
    for permission in ("gatewayUsage:view", "gatewayLogs:view", "gatewayBudgets:view"):
        assert permission in page, permission
    assert "Spent (30 d)" not in page and "Latest calls" not in page
    assert "Needs gatewayUsage:view" in browser.get(HERE).text
    spend = browser.get(f"/api/gateway/v1/virtual-keys/{row.id}/spend")
    assert (spend.status_code, spend.json["error"]["permission"]) == (403, "gatewayUsage:view")
    team_members.put(at.actor, Project.get_by_id(row.project_id).team_id, dan, "viewer", now)
    page = browser.get(here).text
    assert "Spent (30 d)" in page and "Latest calls" in page and "Budgets that stand" in page


def fill(at: Desk, row: VirtualKey, count: int) -> None:
    values = {name: getattr(row, name) for name in VirtualKey._meta.sorted_field_names}
    with transaction():
        for start in range(0, count, 500):
            rows = [
                values | {
                    "id": f"vk_{number:026d}", "name": f"key {number:06d}", "secret_hash": f"h{number}",
                    "lookup_hash": None, "status": "disabled" if number % 100 == 0 else "active",
                }
                for number in range(start, min(start + 500, count))
            ]  # fmt: skip
            VirtualKey.insert_many(rows).execute()
            for each in rows:
                search_words.insert_words(
                    search_words.key_words(row.organization_id, each["id"], each["name"], "", ())
                )


def test_the_list_costs_the_same_statements_for_one_key_and_for_thousands(tmp_path: Path) -> None:
    at = desk(tmp_path)
    row = a_key(at, a_project(at))
    at.client.get(HERE)
    with counted() as few:
        at.client.get(HERE)
    fill(at, row, 2000)
    with counted() as many:
        listed = at.client.get(HERE).text
    assert len(many.all()) == len(few.all())
    assert listed.count('id="row-vk_') == 50 and ">Next</a>" in listed
    some = at.client.get(f"{HERE}?status=disabled&q=key+0019").text
    assert "key 001900" in some and "key 001901" not in some
    # Everything has this word; the list is then read in its own order.
    third = at.client.get(_next(at.client.get(_next(at.client.get(f"{HERE}?q=key").text)).text))
    assert "key 000100" in third.text and "key 000099" not in third.text
    assert ">Previous</a>" in third.text and "q=key&amp;after=" in third.text


def _next(page: str) -> str:
    found = re.search(r'href="([^"]+)">Next</a>', page)
    assert found, page
    return html.unescape(found[1])
