"""The ledger through the management API: pages without a gap, filters, sums by anything, on both databases."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.clock import to_ms, utcnow
from core.database import transaction
from core.models import LedgerRow
from tests.component.webapp.app.site import sign_in, site
from tests.statements import counted

EVENTS, SUMS = "/api/gateway/v1/spend-events", "/api/gateway/v1/spend-summaries"
pytestmark = pytest.mark.usefixtures("db")


def call(organization_id: str, number: int, at: datetime, **more: Any) -> None:
    values = {
        "call_id": f"req_{number:04d}",
        "organization_id": organization_id,
        "project_id": "project_1",
        "team_id": "team_1",
        "virtual_key_id": f"vk_{number % 2}",
        "request_type": "chat",
        "model": "gpt-5",
        "outcome": "completed",
        "admitted_at": at,
        "cost_nanousd": 1_000_000_000,
        "input_tokens": 10,
        "output_tokens": 5,
    }
    LedgerRow.create(**(values | more))


def test_calls_are_listed_filtered_and_summed_up(tmp_path: Path) -> None:
    made, now = site(tmp_path), utcnow()
    org = made.org.organization.id
    ada, dan = sign_in(made.app, "ada@acme.test"), sign_in(made.app, "dan@acme.test")
    noon = now.replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)
    with transaction():
        for number in range(5):
            # Two calls of the same microsecond: the id tells them apart.
            call(org, number, noon - timedelta(days=number // 2))
        call(org, 5, noon, outcome="refused", cost_nanousd=0, model="")
        call(org, 6, noon, principal_user_id="user_1", model="claude-x", cost_nanousd=3 * 10**9)
        call(org, 7, noon - timedelta(days=40))
        call("org_other", 8, noon)
    assert dan.get(EVENTS).json["error"]["permission"] == "gatewaySpend:view"
    ids: list[str] = []
    cursor = ""
    while True:
        page = ada.get(f"{EVENTS}?limit=2&cursor={cursor}").json
        ids += [row["call_id"] for row in page["data"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert ids == [f"req_{number:04d}" for number in (6, 5, 1, 0, 3, 2, 4)]
    (one,) = ada.get(f"{EVENTS}?model=claude-x").json["data"]
    assert (one["cost_nanousd"], one["principal_user_id"]) == (3 * 10**9, "user_1")
    early, late = to_ms(noon - timedelta(days=41)), to_ms(noon - timedelta(days=39))
    (old,) = ada.get(f"{EVENTS}?from={early}&to={late}").json["data"]
    assert old["call_id"] == "req_0007"
    for by, first in (
        ("model", ("gpt-5", "5", 5)),
        ("virtual_key", ("vk_0", "6", 4)),
        ("principal", ("", "5", 5)),
        ("project", ("project_1", "8", 6)),
        ("day", (f"{noon - timedelta(days=2):%Y-%m-%d}", "1", 1)),
    ):
        told = ada.get(f"{SUMS}?group_by={by}").json["data"][0]
        assert (told["group"], told["spent_usd"], told["requests"]) == first, by
    days = ada.get(SUMS).json["data"]
    assert sum(day["spent_nanousd"] for day in days) == 8 * 10**9
    one_key = ada.get(f"{SUMS}?group_by=model&virtual_key_id=vk_1").json["data"]
    assert [(row["group"], row["input_tokens"]) for row in one_key] == [("gpt-5", 20)]
    with counted() as asked:
        ada.get(f"{EVENTS}?limit=200")
    assert sum("ledger" in text for text in asked.all()) == 1
    for address, status in (
        (f"{EVENTS}?from=2&to=1", 422),
        (f"{SUMS}?group_by=model&from=0", 422),
        (f"{SUMS}?group_by=nothing", 400),
        (f"{EVENTS}?cursor=nonsense", 400),
    ):
        assert ada.get(address).status_code == status, address
