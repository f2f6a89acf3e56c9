"""Spend commands become ledger rows, charges and inbox rows: each call once, whatever is repeated."""

import orjson
import pytest

from core.audit import verify
from core.clock import to_ms, utcnow
from core.database import connection
from core.models import AuditRow, Budget, InboxRow, LedgerRow, LimitPeriod
from core.models.bookkeeping import record

NOW = utcnow().replace(microsecond=0)
START_MS = to_ms(NOW.replace(minute=0, second=0))


def admit(call_id="req_1", **more):
    payload = {
        "call_id": call_id,
        "admitted_at_ms": to_ms(NOW),
        "organization_id": "org_1",
        "project_id": "prj_1",
        "team_id": "team_1",
        "virtual_key_id": "vk_1",
        "provider_id": "prov_1",
        "provider_type": "openai",
        "request_type": "chat",
        "model": "gpt-4o-mini",
        "requested_model": "gpt-4o-mini",
        "estimate_nanousd": 900,
        "charges": [["bud_1", START_MS]],
    }
    return {"command": "admitSpend", "payload": payload | more}


def settle(call_id="req_1", command="confirmSpend", **more):
    payload = {
        "call_id": call_id,
        "settled_at_ms": to_ms(NOW) + 1200,
        "outcome": "completed",
        "status": 200,
        "model": "gpt-4o-mini-2024-07-18",
        "duration_ms": 1200,
        "input_tokens": 10,
        "output_tokens": 20,
        "cost_nanousd": 700,
        "is_estimated": False,
        "usage_raw": {"prompt_tokens": 10},
        "charges": [["bud_1", START_MS]],
        "owner": "w1",
    }
    return {"command": command, "payload": payload | more}


@pytest.fixture
def budget(db):
    with connection():
        Budget.create(
            id="bud_1",
            organization_id="org_1",
            name="b",
            scope="organization",
            scope_id="org_1",
            window="hour",
            limit_nanousd=10_000,
            created_at=NOW,
            updated_at=NOW,
        )


def ledger() -> list[LedgerRow]:
    with connection():
        return list(LedgerRow.select())


def inbox() -> list[dict]:
    with connection():
        return [row for batch in InboxRow.select() for row in orjson.loads(bytes(batch.payload))]


def settled_nanousd() -> int:
    with connection():
        period = LimitPeriod.get_or_none()
        return 0 if period is None else period.settled


def test_an_admission_alone_is_a_row_under_way_at_its_estimate(budget):
    assert record([admit()], NOW).accepted == 1
    (row,) = ledger()
    assert (row.outcome, row.cost_nanousd, row.is_estimated) == ("admitted", 900, True)
    assert inbox() == []


def test_a_settlement_in_the_same_batch_or_a_later_one_gives_the_same_row(budget):
    record([admit("req_1"), settle("req_1")], NOW)
    record([admit("req_2")], NOW)
    record([settle("req_2")], NOW)
    one, two = ({k: v for k, v in row.__data__.items() if k != "call_id"} for row in ledger())
    assert one == two
    assert one["cost_nanousd"] == 700 and one["usage_raw"] == {"prompt_tokens": 10}
    assert [row["call_id"] for row in inbox()] == ["req_1", "req_2"]
    assert settled_nanousd() == 1400


def test_a_batch_that_arrives_again_changes_nothing(budget):
    batch = [admit(), settle()]
    assert record(batch, NOW).settled == 1
    again = record(batch, NOW)
    assert (again.accepted, again.settled) == (2, 0)
    assert len(ledger()) == 1 and len(inbox()) == 1 and settled_nanousd() == 700


def test_a_call_that_appears_twice_in_one_batch_is_booked_once(budget):
    record([admit(), settle(), admit(), settle(cost_nanousd=5)], NOW)
    assert ledger()[0].cost_nanousd == 700 and settled_nanousd() == 700


def test_a_second_settlement_does_not_replace_the_first(budget):
    record([admit(), settle()], NOW)
    record([settle(outcome="unsettled", cost_nanousd=900, command="failSpend")], NOW)
    assert ledger()[0].outcome == "completed" and settled_nanousd() == 700


def test_a_refused_call_brings_its_own_admission(budget):
    refusal = settle(
        "req_9",
        "failSpend",
        outcome="refused",
        code="budget_exceeded",
        status=402,
        cost_nanousd=0,
        charges=[],
        model="",
        admission=admit("req_9")["payload"],
    )
    assert record([refusal], NOW).accepted == 1
    (row,) = ledger()
    assert (row.outcome, row.code, row.cost_nanousd, row.model) == (
        "refused",
        "budget_exceeded",
        0,
        "gpt-4o-mini",
    )
    assert settled_nanousd() == 0 and len(inbox()) == 1


def test_bad_commands_are_named_and_the_rest_is_booked(budget):
    bad = [{"command": "drop"}, admit(call_id=7), settle(cost_nanousd=-1), settle(outcome="fine")]
    bad += [settle(cost_nanousd=2**63), settle(output_tokens=2**63)]
    answer = record([*bad, admit(), settle(), settle("req_unknown")], NOW)
    assert [(r.index, r.code) for r in answer.rejected] == [
        *((i, "invalid_payload") for i in range(6)),
        (8, "admission_missing"),
    ]
    assert answer.accepted == 2 and len(ledger()) == 1


def test_what_policies_did_is_in_the_audit_log_once(budget):
    finding = {"dimension": "tools", "pattern": "^bash$", "value": "bash", "rule": "policy_1"}
    refused = settle(
        command="failSpend", outcome="refused", code="tool_not_allowed", cost_nanousd=0
    )
    refused["payload"]["facts"] = {"policy_blocked": [finding], "policy_shadow": [finding]}
    commands = [admit(principal_user_id="user_1"), refused]
    record(commands, NOW)
    record(commands, NOW)
    record([admit("req_2"), settle("req_2", facts={"policy_shadow": [finding, finding]})], NOW)
    with connection():
        rows = list(AuditRow.select().order_by(AuditRow.id))
    assert [(r.action, r.actor_id, r.target_id, r.surface) for r in rows] == [
        ("gateway.policy.blocked", "user_1", "vk_1", "gateway"),
        ("gateway.policy.shadow_hit", "user_1", "vk_1", "gateway"),
        ("gateway.policy.shadow_hit", "vk_1", "vk_1", "gateway"),
    ]
    assert rows[0].after == {
        "request_id": "req_1",
        "request_type": "chat",
        "model": "gpt-4o-mini-2024-07-18",
        "findings": [finding],
    }
    assert verify("org_1") is None
