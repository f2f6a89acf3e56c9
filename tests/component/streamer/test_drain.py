"""The inbox into the lake: every row once, in order, whatever it holds and whenever the streamer dies."""

import os
import random
import signal
import subprocess
import sys
from datetime import datetime, timedelta
from typing import Any

import orjson

from core.database import connection
from core.lake import LakeReader, LakeWriter, activity, open_reader, open_writer
from core.models import InboxRow, IngestionSource, LedgerRow, User, VirtualKey, inbox
from core.settings import Settings
from rules.activity_events import API_CALL, API_REFUSED
from streamer.drain import check_watermark, drain
from tests.component.streamer.inbox_rows import ORG, book, receive, source, span, traces


def waiting() -> int:
    with connection():
        return InboxRow.select().count()


def test_settled_calls_become_events(writer: LakeWriter, reader: LakeReader, now: datetime) -> None:
    with connection():
        User.create(id="user_1", email="dev@acme.test", name="Dan", created_at=now)
        VirtualKey.create(
            id="vk_1",
            organization_id=ORG,
            project_id="project_1",
            name="ci",
            secret_hash="x",
            display_prefix="lw_vk_live_ABCDEF",
            created_at=now,
            updated_at=now,
        )
    at = now - timedelta(minutes=5)
    book(range(1, 3), at)
    book(range(3, 4), at, principal_user_id="user_1")
    book(range(4, 5), at, outcome="refused", code="budget_exceeded", status=402)
    drained = drain(writer, now)
    assert (drained.rows, drained.events, drained.set_aside) == (3, 4, 0)
    assert waiting() == 0
    refused, dan, ci, _ = activity.recent_calls(reader, ORG)
    assert (refused.event_type, refused.outcome, refused.code) == (
        API_REFUSED,
        "refused",
        "budget_exceeded",
    )
    assert (dan.actor, dan.event_type, dan.cost_nanousd) == ("dev@acme.test", API_CALL, 3)
    assert (ci.actor, ci.action, ci.target, ci.tokens_input) == ("key:ci", "chat", "gpt-5", 16)
    assert ci.event_timestamp == at + timedelta(milliseconds=2)
    assert orjson.loads(ci.raw_payload)["call_id"] == ci.event_id


def test_spans_become_events_and_a_replay_changes_nothing(
    writer: LakeWriter, reader: LakeReader, now: datetime
) -> None:
    source("src_1", now, team_id="team_7")
    at = now - timedelta(minutes=3)
    body = traces(
        span(
            "00f067aa0ba902b7",
            at,
            **{
                "gen_ai.request.model": "claude-3-5-sonnet",
                "user.email": "Ada@Acme.test",
                "gen_ai.usage.cost_usd": "0.25",
                "gen_ai.usage.input_tokens": 100,
            },
        )
    )
    receive("otlp_traces", body, "src_1", now)
    receive("otlp_traces", body, "src_1", now + timedelta(seconds=1))
    drained = drain(writer, now)
    assert (drained.events, drained.repeated) == (1, 1)
    [found] = activity.events_for_source(reader, ORG, "src_1")
    assert (found.event_id, found.event_type) == ("00f067aa0ba902b7", API_CALL)
    assert (found.actor, found.target) == ("ada@acme.test", "claude-3-5-sonnet")
    assert (found.cost_nanousd, found.tokens_input) == (250_000_000, 100)
    assert (found.team_id, found.event_timestamp) == ("team_7", at)


def test_a_webhook_body_is_kept_as_one_event(
    writer: LakeWriter, reader: LakeReader, now: datetime
) -> None:
    source("src_1", now, type="workato")
    row_id = receive("webhook", b"\xff not even text", "src_1", now)
    drain(writer, now)
    [found] = activity.events_for_source(reader, ORG, "src_1")
    assert found.event_id.startswith("envelope-") and found.event_id.endswith(f"{row_id:0>8}")
    assert (found.event_type, found.actor, found.event_timestamp) == ("agent.action", "", now)
    assert found.raw_payload.endswith(" not even text")


def test_a_source_with_a_label_takes_only_what_carries_it(
    writer: LakeWriter, reader: LakeReader, now: datetime
) -> None:
    source("src_1", now, parser_config={"allowedSourceTypeLabel": "crew"})
    receive("otlp_traces", traces(span("aa" * 8, now)), "src_1", now)
    labelled = traces(span("bb" * 8, now), resource={"LangWatchSourceType": "crew"})
    receive("otlp_traces", labelled, "src_1", now)
    drained = drain(writer, now + timedelta(seconds=1))
    assert (drained.events, drained.rejected, drained.set_aside) == (1, 1, 0)
    assert [e.event_id for e in activity.events_for_source(reader, ORG, "src_1")] == ["bb" * 8]


POISON: list[tuple[str, bytes]] = [
    ("otlp_traces", b"{"),
    ("otlp_traces", b"\x00\x01garbage"),
    ("otlp_traces", b'{"resourceSpans": {"not": "a list"}}'),
    ("otlp_traces", b'{"resourceSpans": [[]]}'),
    ("otlp_logs", b"[" * 5000),
    ("gateway", b'{"not": "a list"}'),
    ("gateway", b'[{"call_id": "req_x"}]'),
    ("gateway", b"\xff"),
    ("a kind nobody knows", b"x"),
]


def test_poison_is_set_aside_and_the_rows_behind_it_go_on(
    writer: LakeWriter, reader: LakeReader, now: datetime
) -> None:
    source("src_1", now)
    for at, (kind, payload) in enumerate(POISON, 1):
        receive(kind, payload, "src_1", now)
        book(range(at, at + 1), now - timedelta(minutes=1))
        drained = drain(writer, now)
        assert (drained.set_aside, drained.events, waiting()) == (1, 1, 0), (kind, payload[:40])
        assert len(activity.recent_calls(reader, ORG)) == at
        with connection():
            assert IngestionSource.get_by_id("src_1").error_count == at


def test_what_the_lake_cannot_hold_does_not_stop_its_batch(
    writer: LakeWriter, reader: LakeReader, now: datetime
) -> None:
    at = now - timedelta(minutes=1)
    book(range(1, 2), at)
    row = {**_stored_call(), "call_id": "req_too_large", "status": 2**40}
    receive("gateway", orjson.dumps([row]), "src_1", now)
    book(range(2, 3), at)
    drained = drain(writer, now)
    assert (drained.events, drained.set_aside, waiting()) == (2, 1, 0)


def _stored_call() -> dict[str, Any]:
    with connection():
        row: dict[str, Any] = orjson.loads(bytes(InboxRow.select().first().payload))[0]
    return row


def test_ids_are_never_used_twice_even_when_the_inbox_was_empty(
    writer: LakeWriter, reader: LakeReader, now: datetime
) -> None:
    for number in range(1, 4):
        book(range(number, number + 1), now - timedelta(minutes=1))
        drain(writer, now)
        assert (writer.watermark(), inbox.last_id_given()) == (number, number)
    assert len(activity.recent_calls(reader, ORG)) == 3


def test_a_lake_that_outlived_its_control_database_starts_over(
    writer: LakeWriter, reader: LakeReader, now: datetime
) -> None:
    writer.append([], 900, now)
    book(range(1, 3), now - timedelta(minutes=1))
    check_watermark(writer, now)
    assert drain(writer, now).events == 2


def test_the_lake_equals_the_ledger(writer: LakeWriter, reader: LakeReader, now: datetime) -> None:
    pick = random.Random(5)
    first = 1
    while first < 400:
        size = pick.randrange(1, 60)
        outcome = pick.choice(["completed", "cancelled", "failed", "refused"])
        at = now - timedelta(seconds=pick.randrange(20 * 86_400))
        book(range(first, first + size), at, outcome=outcome)
        first += size
        if pick.random() < 0.4:
            drain(writer, now)
    drain(writer, now)
    assert_lake_equals_ledger(reader)


def assert_lake_equals_ledger(reader: LakeReader) -> None:
    with connection():
        ledger = {
            row.call_id: (row.outcome, row.cost_nanousd, row.input_tokens, row.admitted_at)
            for row in LedgerRow.select()
        }
    events = activity.recent_calls(reader, ORG, limit=1_000_000)
    lake = {
        e.event_id: (e.outcome, e.cost_nanousd, e.fresh_input_tokens, e.event_timestamp)
        for e in events
    }
    assert len(events) == len(lake) == len(ledger)
    assert lake == ledger
    far = max(row[3] for row in ledger.values()) + timedelta(seconds=1)
    total = activity.summary(reader, ORG, far, 3650)
    assert total.spent_nanousd == sum(row[1] for row in ledger.values())
    assert total.calls == len([row for row in ledger.values() if row[0] != "refused"])


DRAINER = """
import sys
from datetime import UTC, datetime
from core.database import open_database
from core.lake import open_writer
from core.settings import load
from streamer.drain import drain
import os
settings = load(dict(os.environ))
open_database(settings.control_database_url)
writer = open_writer(settings)
print("ready", flush=True)
while True:
    drain(writer, datetime.now(UTC))
    writer.compact_rollups()
    writer.flush()
"""


def test_killed_at_any_moment_nothing_is_lost_or_doubled(settings: Settings, now: datetime) -> None:
    pick = random.Random(3)
    environ = {
        "PATH": os.environ["PATH"],
        "LANGWATCH_DATA_DIR": str(settings.data_dir),
        "DATABASE_URL": settings.database_url,
    }
    first = 1
    for _ in range(6):
        drainer = subprocess.Popen(
            [sys.executable, "-c", DRAINER], env=environ, stdout=subprocess.PIPE
        )
        assert drainer.stdout is not None
        assert drainer.stdout.readline() == b"ready\n"
        for _ in range(pick.randrange(3, 25)):
            book(range(first, first + 20), now - timedelta(hours=1))
            first += 20
        drainer.send_signal(signal.SIGKILL)
        drainer.wait()
        drainer.stdout.close()
    writer = open_writer(settings)
    drain(writer, now)
    reader = open_reader(settings)
    assert_lake_equals_ledger(reader)
    assert waiting() == 0
    reader.close()
    writer.close()
