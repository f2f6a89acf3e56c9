"""Spans of booked calls at a real OTLP endpoint: whose they are, when they are sent again, what is given up."""

import dataclasses
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import orjson
import pytest

from core.authoring import privacy, trace_destinations
from core.authoring.privacy import NewPrivacyRule
from core.authoring.trace_destinations import NewTraceDestination
from core.database import connection
from core.lake import LakeWriter
from core.models import (
    InboxRow,
    SpanBatch,
    TraceDestination,
    VirtualKey,
    bookkeeping,
    captures,
    inbox,
)
from core.secrets import Secret, sealer_for
from core.settings import Settings
from rules.privacy import PLACEHOLDER
from streamer.drain import drain
from streamer.exporters.queueing import enqueue
from streamer.exporters.sending import KEEP, Exporter, export_due
from tests.component.core.authoring.acme import Acme, acme
from tests.component.streamer.inbox_rows import book
from tests.component.streamer.otlp_peer import OtlpPeer, facts, otlp_peer

HEADERS = {"Authorization": "Bearer a-tenants-token", "X-Dataset": "calls"}


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def peer() -> Iterator[OtlpPeer]:
    with otlp_peer() as running:
        yield running


@pytest.fixture
def clock(now: datetime) -> Clock:
    return Clock(now)


@pytest.fixture
def exporter(settings: Settings, clock: Clock) -> Exporter:
    return Exporter(sealer_for(settings.master_key), settings, threading.Event(), clock, 3.0)


@pytest.fixture
def org(exporter: Exporter) -> Acme:
    return acme(sealer=exporter.sealer)


def send_to(
    org: Acme, exporter: Exporter, url: str, scope: str = "organization", **more: Any
) -> str:
    scope_id = {"organization": org.organization.id, "team": org.team.id, "project": org.project.id}
    new = NewTraceDestination(
        more.pop("name", f"{scope} spans"),
        scope,
        more.pop("scope_id", scope_id[scope]),
        url,
        HEADERS,
        is_operator_address=more.pop("operator", True),
    )
    return trace_destinations.create(org.actor, new, exporter.sealer, exporter.clock()).id


def call(org: Acme, number: int, at: datetime, count: int = 1, **changes: Any) -> list[str]:
    numbers = range(number, number + count)
    ids = {"organization_id": org.organization.id, "project_id": org.project.id}
    spans = {"team_id": org.team.id, "span_id": f"{number:016x}"}
    book(numbers, at, **(ids | spans | changes))
    return [f"req_{n:030x}" for n in numbers]


def row_of(destination_id: str) -> TraceDestination:
    with connection():
        return TraceDestination.get_by_id(destination_id)


def waiting() -> int:
    with connection():
        return sum(batch.spans for batch in SpanBatch.select())


def queue_all() -> None:
    """Queue what the inbox holds and empty it, as the drain does around the lake."""
    rows = inbox.next_rows(0)
    enqueue(rows)
    inbox.remove_through(rows[-1].id)


def test_a_booked_call_arrives_as_a_span_with_its_trace_its_times_and_its_facts(
    peer: OtlpPeer, exporter: Exporter, org: Acme, now: datetime, writer: LakeWriter
) -> None:
    destination = send_to(org, exporter, peer.url)
    [call_id] = call(org, 7, now, parent_span_id="cd" * 8, requested_model="fast")
    assert drain(writer, now).spans == 1
    assert export_due(exporter, now) == {"sent": 1}
    [span] = peer.spans
    assert (span.trace_id.hex(), span.span_id.hex()) == ("ab" * 16, f"{7:016x}")
    assert span.parent_span_id.hex() == "cd" * 8
    assert span.name == "chat fast"
    assert span.end_time_unix_nano - span.start_time_unix_nano == 900_000_000
    told = facts(span)
    assert told["langwatch.gateway_request_id"] == call_id
    assert told["gen_ai.usage.cache_read.input_tokens"] == 5
    assert told["langwatch.cost_nanousd"] == 7
    [headers] = peer.headers
    assert headers["authorization"] == "Bearer a-tenants-token"
    assert headers["content-type"] == "application/x-protobuf"
    assert waiting() == 0
    row = row_of(destination)
    assert (row.sent_spans, row.failures, row.claimed_at) == (1, 0, None)
    assert row.last_sent_at == now


def test_refused_and_failed_calls_have_spans_too(
    peer: OtlpPeer, exporter: Exporter, org: Acme, now: datetime
) -> None:
    send_to(org, exporter, peer.url)
    call(org, 1, now, outcome="refused", code="budget_exceeded", status=402)
    call(org, 2, now, outcome="failed", code="provider_error", status=502)
    queue_all()
    export_due(exporter, now)
    refused, failed = peer.spans
    assert [span.status.code for span in peer.spans] == [2, 2]
    assert facts(refused)["langwatch.status"] == "budget_exceeded"
    assert facts(failed)["error.type"] == "provider_error"


def test_a_span_goes_to_the_destinations_of_its_own_project_and_to_no_other(
    peer: OtlpPeer, exporter: Exporter, org: Acme, now: datetime
) -> None:
    other = acme("other", sealer=exporter.sealer)
    with otlp_peer() as team, otlp_peer() as project, otlp_peer() as stranger:
        send_to(org, exporter, peer.url)
        send_to(org, exporter, team.url, "team")
        send_to(org, exporter, project.url, "project")
        send_to(other, exporter, stranger.url)
        [mine] = call(org, 1, now)
        [neighbour] = call(org, 2, now, project_id="project_of_the_same_team")
        [elsewhere] = call(org, 3, now, project_id="another", team_id="another")
        [theirs] = call(other, 4, now)
        queue_all()
        export_due(exporter, now)
        assert sorted(peer.call_ids) == [mine, neighbour, elsewhere]
        assert sorted(team.call_ids) == [mine, neighbour]
        assert project.call_ids == [mine]
        assert stranger.call_ids == [theirs]


def test_nothing_is_lost_while_the_endpoint_is_down(
    peer: OtlpPeer, exporter: Exporter, org: Acme, now: datetime, clock: Clock
) -> None:
    destination = send_to(org, exporter, peer.url)
    peer.answer_with(503, 500, 401, 404)
    expected = []
    for number in range(5):
        expected += call(org, 10 * number + 1, now, 3)
        queue_all()
        export_due(exporter, now)
        clock.now = row_of(destination).retry_at or clock.now
    assert peer.refused == 4
    export_due(exporter, now)
    assert peer.call_ids == expected
    assert waiting() == 0
    assert row_of(destination).failures == 0


def test_a_failure_leaves_the_endpoint_alone_for_as_long_as_it_asks(
    peer: OtlpPeer, exporter: Exporter, org: Acme, now: datetime, clock: Clock
) -> None:
    destination = send_to(org, exporter, peer.url)
    peer.answer_with(429, Retry_After="90")
    call(org, 1, now)
    queue_all()
    assert export_due(exporter, now) == {"failed": 1}
    assert export_due(exporter, now) == {}
    row = row_of(destination)
    assert (row.retry_at, row.failures) == (now + timedelta(seconds=90), 1)
    assert row.last_error == "status 429: no"
    clock.now = now + timedelta(seconds=91)
    assert export_due(exporter, clock.now) == {"sent": 1}


def test_one_request_that_is_refused_for_good_costs_only_what_spoils_it(
    peer: OtlpPeer, exporter: Exporter, org: Acme, now: datetime
) -> None:
    destination = send_to(org, exporter, peer.url)
    good = [call(org, 1, now)[0]]
    [bad] = call(org, 2, now)
    good += call(org, 3, now)
    peer.poison = bad
    queue_all()
    assert export_due(exporter, now) == {"sent": 2, "rejected": 1}
    assert peer.call_ids == good
    row = row_of(destination)
    assert (row.sent_spans, row.dropped_spans) == (2, 1)
    assert waiting() == 0


def test_spans_that_an_endpoint_says_it_threw_away_are_counted(
    peer: OtlpPeer, exporter: Exporter, org: Acme, now: datetime
) -> None:
    destination = send_to(org, exporter, peer.url)
    peer.rejects = 2
    call(org, 1, now, 5)
    queue_all()
    assert export_due(exporter, now) == {"sent": 3, "rejected": 2}
    assert row_of(destination).dropped_spans == 2


def test_an_inbox_row_that_is_drained_again_after_a_crash_is_queued_once(
    peer: OtlpPeer, exporter: Exporter, org: Acme, now: datetime, writer: LakeWriter
) -> None:
    send_to(org, exporter, peer.url)
    [call_id] = call(org, 1, now)
    enqueue(inbox.next_rows(0))
    drain(writer, now)
    assert waiting() == 1
    export_due(exporter, now)
    assert peer.call_ids == [call_id]


def test_one_tenants_dead_endpoint_does_not_hold_up_anothers(
    peer: OtlpPeer, exporter: Exporter, org: Acme, now: datetime
) -> None:
    send_to(org, exporter, "http://127.0.0.1:9/v1/traces", name="dead")
    send_to(org, exporter, peer.url, name="alive")
    [call_id] = call(org, 1, now)
    queue_all()
    assert export_due(exporter, now) == {"sent": 1, "failed": 1}
    assert peer.call_ids == [call_id]


def test_a_tenants_endpoint_may_not_be_in_a_private_network(
    peer: OtlpPeer, exporter: Exporter, org: Acme, now: datetime
) -> None:
    destination = send_to(org, exporter, peer.url, operator=False)
    call(org, 1, now)
    queue_all()
    assert export_due(exporter, now) == {"failed": 1}
    assert not peer.requests
    assert "loopback address" in row_of(destination).last_error


def test_what_waits_for_a_week_is_dropped_and_counted(
    peer: OtlpPeer, exporter: Exporter, org: Acme, now: datetime, clock: Clock
) -> None:
    destination = send_to(org, exporter, peer.url)
    call(org, 1, now, 4)
    queue_all()
    clock.now = now + KEEP + timedelta(seconds=1)
    assert export_due(exporter, clock.now) == {"dropped": 4}
    assert row_of(destination).dropped_spans == 4
    assert not peer.requests


def test_a_sender_that_died_is_succeeded(
    peer: OtlpPeer, exporter: Exporter, org: Acme, now: datetime, clock: Clock
) -> None:
    destination = send_to(org, exporter, peer.url)
    call(org, 1, now)
    queue_all()
    with connection():
        TraceDestination.update(claimed_at=now).where(TraceDestination.id == destination).execute()
    assert export_due(exporter, now) == {}
    clock.now = now + timedelta(seconds=121)
    assert export_due(exporter, clock.now) == {"sent": 1}


def test_a_changed_destination_is_tried_at_once_and_an_archived_one_not_at_all(
    peer: OtlpPeer, exporter: Exporter, org: Acme, now: datetime
) -> None:
    destination = send_to(org, exporter, "http://127.0.0.1:9/v1/traces")
    [call_id] = call(org, 1, now)
    queue_all()
    export_due(exporter, now)
    new = NewTraceDestination(
        "moved", "organization", org.organization.id, peer.url, HEADERS, is_operator_address=True
    )
    trace_destinations.update(org.actor, destination, new, exporter.sealer, now)
    assert export_due(exporter, now) == {"sent": 1}
    assert peer.call_ids == [call_id]
    renamed = dataclasses.replace(new, name="moved and named", headers=None)
    trace_destinations.update(org.actor, destination, renamed, exporter.sealer, now)
    call(org, 4, now)
    queue_all()
    assert export_due(exporter, now) == {"sent": 1}
    assert peer.headers[-1]["x-dataset"] == "calls", "headers that were not given stay"
    call(org, 2, now)
    queue_all()
    trace_destinations.archive(org.actor, destination, now)
    assert waiting() == 0
    call(org, 3, now)
    queue_all()
    assert waiting() == 0


def test_a_batch_that_the_drain_would_set_aside_queues_nothing(
    exporter: Exporter, org: Acme
) -> None:
    now = exporter.clock()
    send_to(org, exporter, "http://127.0.0.1:9/v1/traces")
    for payload in (b"{", b'{"a":1}', b"[1]"):
        row = InboxRow(
            kind="gateway", organization_id=org.organization.id, payload=payload, received_at=now
        )
        assert enqueue([row]) == 0


def test_headers_that_another_master_key_sealed_wait_for_the_operator(
    peer: OtlpPeer, exporter: Exporter, org: Acme, now: datetime
) -> None:
    destination = send_to(org, exporter, peer.url)
    call(org, 1, now)
    queue_all()
    stranger = Exporter(
        sealer_for(Secret("another master key, long enough")),
        exporter.settings,
        exporter.stopping,
        exporter.clock,
    )
    assert export_due(stranger, now) == {"failed": 1}
    assert "can't be opened" in row_of(destination).last_error
    assert waiting() == 1


def content(call_id: str, org: Acme, now: datetime, mode: str = "redacted") -> dict[str, Any]:
    payload = {
        "call_id": call_id,
        "captured_at_ms": int(now.timestamp() * 1000),
        "organization_id": org.organization.id,
        "project_id": org.project.id,
        "virtual_key_id": "vk_1",
        "mode": mode,
        "input_messages": '[{"role":"user","parts":[{"type":"text","content":"hi"}]}]',
        "output_messages": '[{"role":"assistant"}]',
    }
    return {"command": "captureContent", "payload": payload}


def a_key(org: Acme, now: datetime) -> None:
    """Make the key that the calls are made with."""
    same = {"organization_id": org.organization.id, "project_id": org.project.id}
    secret = {"secret_hash": "00", "display_prefix": "lw_vk_live_01"}
    dates = {"created_at": now, "updated_at": now}
    with connection():
        VirtualKey.create(id="vk_1", name="cli", **same, **secret, **dates)


def test_captured_content_is_on_the_span_even_when_it_comes_later(
    peer: OtlpPeer, exporter: Exporter, org: Acme, now: datetime
) -> None:
    send_to(org, exporter, peer.url)
    a_key(org, now)
    [call_id] = call(org, 1, now, facts={"capture": "redacted"})
    [plain] = call(org, 2, now)
    queue_all()
    assert export_due(exporter, now) == {}, (
        "it waits for what is still on its way, and keeps the order"
    )
    booked = bookkeeping.record([content(call_id, org, now)], now)
    assert (booked.accepted, booked.rejected) == (1, ())
    assert export_due(exporter, now) == {"sent": 2}
    assert peer.call_ids == [call_id, plain]
    told, other = (facts(span) for span in peer.spans)
    assert told["gen_ai.input.messages"].startswith('[{"role":"user"')
    assert told["gen_ai.output.messages"] == '[{"role":"assistant"}]'
    assert "gen_ai.input.messages" not in other


def test_what_is_restricted_stays_here_though_it_was_kept(
    peer: OtlpPeer, exporter: Exporter, org: Acme, now: datetime
) -> None:
    send_to(org, exporter, peer.url)
    a_key(org, now)
    rule = NewPrivacyRule("team", org.project.team_id, {"input": "restrict"}, audience=("admins",))
    privacy.create(org.actor, rule, now)
    [call_id] = call(org, 1, now, facts={"capture": "redacted"})
    queue_all()
    bookkeeping.record([content(call_id, org, now)], now)
    assert export_due(exporter, now) == {"sent": 1}
    [told] = (facts(span) for span in peer.spans)
    assert orjson.loads(told["gen_ai.input.messages"])[0]["parts"][0]["content"] == PLACEHOLDER
    assert told["gen_ai.output.messages"] == '[{"role":"assistant"}]'
    assert '"hi"' in captures.of_calls([call_id])[call_id].input_messages


def test_a_span_does_not_wait_for_ever_for_content_that_was_lost(
    peer: OtlpPeer, exporter: Exporter, org: Acme, now: datetime, clock: Clock
) -> None:
    send_to(org, exporter, peer.url)
    call(org, 1, now, facts={"capture": "raw"})
    queue_all()
    assert export_due(exporter, now) == {}
    clock.now = now + timedelta(seconds=16)
    assert export_due(exporter, clock.now) == {"sent": 1}


def test_content_is_kept_once_and_for_a_while_only(org: Acme, now: datetime) -> None:
    first = content("req_1", org, now)
    bookkeeping.record([first, first], now)
    changed = content("req_1", org, now, mode="raw")
    bookkeeping.record([changed], now)
    [row] = captures.of_calls(["req_1", "req_2"]).values()
    assert row.mode == "redacted"
    assert row.captured_at == now
    assert captures.drop_older(now) == 0
    assert captures.drop_older(now + timedelta(microseconds=1)) == 1
    assert captures.of_calls(["req_1"]) == {}


def test_content_that_is_none_is_rejected_and_holds_up_nothing(org: Acme, now: datetime) -> None:
    long = content("req_1", org, now)
    long["payload"]["input_messages"] = "x" * 300_000
    booked = bookkeeping.record(
        [{"command": "captureContent"}, long, content("req_2", org, now)], now
    )
    assert [(r.index, r.code) for r in booked.rejected] == [
        (0, "invalid_payload"),
        (1, "invalid_payload"),
    ]
    assert set(captures.of_calls(["req_1", "req_2"])) == {"req_2"}
