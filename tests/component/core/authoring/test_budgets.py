"""Budgets: what may be made, resets that touch no spend, raises that end by themselves."""

from dataclasses import replace
from datetime import timedelta

import pytest

from core import changes
from core.authoring import budgets, virtual_keys
from core.authoring.budgets import NewBudget
from core.authoring.virtual_keys import NewVirtualKey
from core.clock import to_ms
from core.database import connection, database
from core.fault import Fault, Refused
from core.models import AuditRow, Budget, LimitPeriod
from core.models.leasing import Amount, charge, lease
from rules.windows import Window, period
from tests.component.core.authoring.acme import NOW, PEPPER, Acme, acme

pytestmark = pytest.mark.usefixtures("db")
USD = 10**9


def month(org: Acme, **values: object) -> NewBudget:
    given = {"name": "coding", "scope": "project", "scope_id": org.project.id, "window": "month"}
    return NewBudget(**(given | {"limit_nanousd": 10 * USD} | values))  # type: ignore[arg-type]


def a_key(org: Acme) -> None:
    new = NewVirtualKey("dev", org.project.id, (org.openai.id,), org.ada.id)
    virtual_keys.create(org.actor, new, PEPPER, NOW)


def spend(row: Budget, nanousd: int, after: timedelta = timedelta()) -> None:
    now = NOW + after
    start = period(Window(row.window), now, row.cycle_anchor_at, row.last_reset_at)[0]
    with connection(), database.atomic():
        charge("w", [Amount(row.id, to_ms(start), nanousd)], now)


def free(row: Budget, after: timedelta = timedelta()) -> int:
    now = NOW + after
    start = period(Window(row.window), now, row.cycle_anchor_at, row.last_reset_at)[0]
    state = lease("w", [Amount(row.id, to_ms(start), 0)], [], now)[0][0]
    return state.limit - state.settled


def errors_of(new: NewBudget, org: Acme) -> dict[str, str]:
    with pytest.raises(Refused) as caught:
        budgets.create(org.actor, new, NOW)
    errors = caught.value.facts["errors"]
    assert isinstance(errors, dict)
    return errors


def test_a_reset_begins_the_period_anew_and_touches_no_spend() -> None:
    org = acme()
    row = budgets.create(org.actor, month(org), NOW)
    spend(row, 9 * USD)
    later = NOW + timedelta(hours=1)
    row = budgets.reset(org.actor, row.id, later)
    assert free(row, timedelta(hours=2)) == 10 * USD
    with connection():
        assert [p.settled for p in LimitPeriod.select() if p.settled] == [9 * USD]
    start, end = period(Window.MONTH, later, None, row.last_reset_at)
    assert (start, end) == (later, period(Window.MONTH, NOW)[1])
    assert [r.action for r in AuditRow.select()][-1] == "gateway.budget.reset"
    assert changes.since(0)[-1].kind == "BUDGET_UPDATED"


def test_a_total_is_never_reset_and_a_manual_window_only_by_hand() -> None:
    org = acme()
    total = budgets.create(org.actor, month(org, window="total"), NOW)
    with pytest.raises(Refused) as caught:
        budgets.reset(org.actor, total.id, NOW)
    assert caught.value.fault is Fault.CONFLICT
    manual = budgets.create(org.actor, month(org, name="by hand", window="manual"), NOW)
    spend(manual, 4 * USD)
    assert free(manual, timedelta(days=900)) == 6 * USD
    manual = budgets.reset(org.actor, manual.id, NOW + timedelta(days=900))
    assert free(manual, timedelta(days=901)) == 10 * USD


def test_a_raise_for_a_time_ends_by_the_clock_alone() -> None:
    org = acme()
    row = budgets.create(org.actor, month(org), NOW)
    spend(row, 9 * USD)
    until = NOW + timedelta(days=2)
    row = budgets.raise_limit(org.actor, row.id, 15 * USD, until, NOW)
    assert (row.limit_nanousd, free(row)) == (10 * USD, 6 * USD)
    assert free(row, timedelta(days=2)) == USD
    assert [r.action for r in AuditRow.select()][-1] == "gateway.budget.raised"


def test_a_raise_for_good_is_the_limit_from_now_on() -> None:
    org = acme()
    row = budgets.create(org.actor, month(org), NOW)
    row = budgets.raise_limit(org.actor, row.id, 15 * USD, None, NOW)
    assert (row.limit_nanousd, row.raised_until) == (15 * USD, None)
    for amount, until in ((15 * USD, None), (20 * USD, NOW)):
        with pytest.raises(Refused):
            budgets.raise_limit(org.actor, row.id, amount, until, NOW)


def test_a_budget_that_no_key_feeds_is_refused_unless_it_is_meant() -> None:
    org = acme()
    unfed = month(org, scope="principal", scope_id=org.ada.id)
    early = budgets.create(org.actor, unfed, NOW)
    assert early.scope == "principal", "an organization without keys is about to get some"
    new = NewVirtualKey("service", org.project.id, (org.openai.id,))
    virtual_keys.create(org.actor, new, PEPPER, NOW)
    again = replace(unfed, name="again")
    with pytest.raises(Refused) as caught:
        budgets.create(org.actor, again, NOW)
    assert caught.value.fault is Fault.GATEWAY_BUDGET_SCOPE_UNREACHABLE
    assert caught.value.facts["reachable_project_ids"] == [org.project.id]
    meant = budgets.create(org.actor, replace(again, allow_unreachable=True), NOW)
    assert meant.id
    for scope, scope_id in (("team", org.team.id), ("project", org.project.id)):
        budgets.create(org.actor, month(org, name=scope, scope=scope, scope_id=scope_id), NOW)


def test_a_budget_for_a_provider_that_no_key_uses_is_unreachable_too() -> None:
    org = acme()
    a_key(org)
    fed = month(org, provider_id=org.openai.id)
    assert budgets.create(org.actor, fed, NOW).provider_id == org.openai.id
    with pytest.raises(Refused) as caught:
        budgets.create(org.actor, month(org, name="b", provider_id=org.anthropic.id), NOW)
    assert caught.value.fault is Fault.GATEWAY_BUDGET_SCOPE_UNREACHABLE


def test_wrong_anchors_and_providers_are_named_at_their_field() -> None:
    org = acme()
    assert (
        "turns by itself"
        in errors_of(month(org, window="total", cycle_anchor_at=NOW), org)["cycle_anchor_at"]
    )
    assert "provider" in errors_of(month(org, provider_id="prov_none"), org)["provider_id"]


def test_a_budget_keeps_its_provider_and_its_anchor() -> None:
    org = acme()
    a_key(org)
    row = budgets.create(org.actor, month(org, cycle_anchor_at=NOW), NOW)
    with pytest.raises(Refused) as caught:
        budgets.update(org.actor, row.id, month(org, provider_id=org.openai.id), NOW)
    assert "provider_id" in caught.value.facts["errors"]  # type: ignore[operator]
