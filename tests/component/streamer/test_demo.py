"""The demo: believable, the same twice, and the lake equals the ledger."""

from datetime import timedelta

from core.authoring import organizations
from core.database import connection
from core.lake import activity, open_reader, open_writer
from core.models import (
    AlertDelivery,
    Anomaly,
    AuditRow,
    Budget,
    BudgetIncrease,
    CapturedContent,
    InboxRow,
    LedgerRow,
    LimitPeriod,
    Organization,
)
from core.secrets import sealer_for
from core.settings import load
from core.spending import standings
from streamer import anomalies
from streamer.demo import fill
from streamer.demo.entities import EVALS
from streamer.drain import drain
from tests.component.streamer.conftest import NOW


def test_the_demo_fills_every_page_once(sqlite_db: str, tmp_path: object) -> None:
    settings = load(
        {
            "LANGWATCH_DATA_DIR": f"{tmp_path}/var",
            "DATABASE_URL": sqlite_db,
            "LANGWATCH_MASTER_KEY": "m" * 40,
        }
    )
    fill(settings, NOW)
    with connection():
        assert CapturedContent.select().count() > 20, "calls whose words were kept can be read"
        queued, booked = InboxRow.select().count(), LedgerRow.select().count()
        settled = {row.limit_id: row.settled for row in LimitPeriod.select()}
        assert {row.created_at for row in Budget.select()} == {NOW - timedelta(days=60)}
        assert organizations.only().name == "Northwind"
        order = [row.created_at for row in AuditRow.select().order_by(AuditRow.id)]
        assert order == sorted(order) and order[-1] == NOW - timedelta(hours=2)
        spent = [
            one.budget.name for one in standings(list(Budget.select()), NOW) if not one.left_nanousd
        ]
        waiting = BudgetIncrease.get()
        assert EVALS in spent and waiting.status == "pending" and waiting.budget_id
    fill(settings, NOW + timedelta(seconds=30))
    with connection():
        assert (InboxRow.select().count(), LedgerRow.select().count()) == (queued, booked)
        assert settled == {row.limit_id: row.settled for row in LimitPeriod.select()}
        organization_id = Organization.select().first().id
        ledger = list(LedgerRow.select())
    writer, reader = open_writer(settings), open_reader(settings)
    drained = drain(writer, NOW)
    assert drained.set_aside == 0 and drained.repeated == 0
    month = activity.summary(reader, organization_id, NOW)
    since = NOW - timedelta(days=30)
    billed = [row for row in ledger if since <= row.admitted_at < NOW]
    gateway = activity.window_spend(reader, organization_id, ("source_type", "gateway"), since, NOW)
    assert gateway.spend_nanousd == sum(row.cost_nanousd for row in billed)
    assert gateway.requests == len([row for row in billed if row.outcome != "refused"])
    assert month.active_users == 16 and month.change_pct is not None and month.unpriced_calls == 0
    assert {row.outcome for row in ledger} == {"completed", "cancelled", "failed", "refused"}
    sources = activity.source_activity(reader, organization_id, NOW)
    assert len(sources) == 3 and all(counts.events_7d for counts in sources.values())
    by_day = activity.spend_over_time(reader, organization_id, NOW, group_by="model")
    spend = {p.day: sum(q.spend_nanousd for q in by_day if q.day == p.day) for p in by_day}
    assert max(spend, key=lambda day: spend[day]) == (NOW - timedelta(days=1)).date()
    decisions = anomalies.evaluate_all(reader, sealer_for(settings.master_key), NOW)
    with connection():
        raised = {row.severity for row in Anomaly.select()}
        assert AlertDelivery.select().count() == 0
    assert decisions["fire"] == 2 and raised == {"critical", "warning"}
    reader.close()
    writer.close()
