"""Sends queued spans to their destinations: oldest first, again after a failure, for as long as they are kept.

Sent at least once: a sender that dies between the answer and writing it down sends again. What one tenant's
endpoint does, or fails to do, holds up no other's.
"""

import gzip
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx
import orjson
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from core import privacy
from core.authoring.trace_destinations import headers_of
from core.clock import utcnow
from core.database import connection
from core.log import redact
from core.models import (
    CapturedContent,
    Project,
    SpanBatch,
    TraceDestination,
    VirtualKey,
    captures,
    span_queue,
)
from core.secrets import Sealer, SealError
from core.settings import Settings
from rules.captured_parts import without_hidden
from rules.privacy import INPUT, MODES, OUTPUT, STRIP_ALL, SYSTEM, Privacy
from rules.span_attributes import SpanCall
from streamer.alerts.sending import AddressRefused, Answer, Reach, post
from streamer.exporters.spans import facts_of, request_of

LOG = logging.getLogger(__name__)
SPANS_AT_ONCE = 1000
SEND_SECONDS = 10.0
SENDERS = 4
ROUND_SECONDS = 20.0
FIRST_PAUSE = timedelta(seconds=2)
LONGEST_PAUSE = timedelta(minutes=5)
LONGEST_RETRY_AFTER = timedelta(hours=1)
KEEP = timedelta(days=7)
"""How long spans wait for an endpoint that does not answer."""
CONTENT_PATIENCE = timedelta(seconds=15)
"""How long a span waits for the prompt and answer that belong to it, which travel by themselves."""
_KEEPS_CONTENT = frozenset({"redacted", "raw"})
_ERROR_CHARACTERS = 300
# OTLP says which answers are worth another try. Those that only the tenant can mend are too: a wrong key or
# address must not cost the spans of the time until somebody notices.
_FINAL = frozenset({400, 413, 415, 422})


@dataclass(frozen=True, slots=True)
class Exporter:
    """What sending needs."""

    sealer: Sealer
    settings: Settings
    stopping: threading.Event
    clock: Callable[[], datetime] = utcnow
    send_seconds: float = SEND_SECONDS


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one request."""

    is_sent: bool = False
    is_final: bool = False
    """The endpoint will never take these spans."""
    rejected: int = 0
    """Spans that the endpoint took note of and threw away."""
    error: str = ""
    wait: timedelta | None = None


def export_due(exporter: Exporter, now: datetime) -> dict[str, int]:
    """Send what is due to all destinations; return counts of what happened, without zeros."""
    dropped = span_queue.drop_older(now - KEEP)
    for destination_id, spans in dropped.items():
        LOG.error("spans_dropped", extra={"destination_id": destination_id, "spans": spans})
    counts = {"sent": 0, "failed": 0, "rejected": 0, "dropped": sum(dropped.values())}
    served: set[str] = set()
    with ThreadPoolExecutor(SENDERS) as pool:
        while not exporter.stopping.is_set():
            claimed: list[TraceDestination] = []
            while len(claimed) < SENDERS:
                found = span_queue.claim_next(exporter.clock(), served)
                if found is None:
                    break
                claimed.append(found)
                served.add(found.id)
            if not claimed:
                break
            for done in pool.map(lambda row: _serve(exporter, row), claimed):
                for name, count in done.items():
                    counts[name] += count
    return {name: count for name, count in counts.items() if count}


def _serve(exporter: Exporter, destination: TraceDestination) -> dict[str, int]:
    """Send to one claimed destination until nothing waits, something fails, or others should have their turn."""
    counts = {"sent": 0, "failed": 0, "rejected": 0}
    until = exporter.clock() + timedelta(seconds=ROUND_SECONDS)
    most_spans = SPANS_AT_ONCE
    while not exporter.stopping.is_set() and exporter.clock() < until:
        batches = _complete(span_queue.next_batches(destination.id, most_spans), exporter.clock())
        if not batches:
            break
        outcome = _send(exporter, destination, batches)
        spans = sum(batch.spans for batch in batches)
        if outcome.is_sent:
            counts["sent"] += spans - outcome.rejected
            counts["rejected"] += outcome.rejected
            _note_sent(exporter, destination, batches, outcome)
        elif outcome.is_final and len(batches) > 1:
            # One of them spoils the request: send them one by one.
            most_spans = 1
        elif outcome.is_final:
            counts["rejected"] += spans
            _note_given_up(destination, batches, outcome)
        else:
            counts["failed"] += 1
            _note_failed(exporter, destination, outcome)
            return counts
    span_queue.finish(destination, (), claimed_at=None)
    return counts


def _send(
    exporter: Exporter, destination: TraceDestination, batches: Sequence[SpanBatch]
) -> Outcome:
    try:
        headers = headers_of(destination, exporter.sealer)
    except SealError as error:
        return Outcome(error=f"the headers can't be opened: {error}")
    calls = _calls([row for batch in batches for row in orjson.loads(bytes(batch.payload))])
    request = request_of(calls, exporter.settings.semconv_opt_in)
    body = gzip.compress(request.SerializeToString(), 1)
    settings = exporter.settings
    reach = Reach(
        destination.is_operator_address, settings.allowed_private_networks, exporter.send_seconds
    )
    headers |= {"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"}
    try:
        return judged(post(destination.endpoint, body, headers, reach))
    except AddressRefused as refused:
        return Outcome(error=str(refused))
    except (httpx.HTTPError, httpx.InvalidURL, RuntimeError) as error:
        # The message may hold the address, and that a token; its kind says enough.
        return Outcome(error=f"no answer: {type(error).__name__}")


def _calls(rows: list[dict[str, Any]]) -> list[SpanCall]:
    ids = {str(row["virtual_key_id"]) for row in rows}
    with connection():
        query = VirtualKey.select(VirtualKey.id, VirtualKey.display_prefix, VirtualKey.tags)
        keys = {key.id: key for key in query.where(VirtualKey.id.in_(list(ids)))}
    contents = captures.of_calls(
        [str(row["call_id"]) for row in rows if facts_of(row).get("capture")]
    )
    # Whoever reads at the other end is nobody that rules could name: what is restricted stays here.
    hidden = {key_id: held.hidden_from(None) for key_id, held in _privacy(contents).items()}
    calls = []
    for row in rows:
        key = keys.get(row["virtual_key_id"])
        prefix, tags = ("", []) if key is None else (key.display_prefix, key.tags)
        found = contents.get(str(row["call_id"]))
        content = {} if found is None else _content(found, hidden.get(row["virtual_key_id"]))
        usage = facts_of(row, "usage_raw")
        calls.append(SpanCall(row, facts_of(row), prefix, tags, content, usage))
    return calls


def _privacy(contents: Mapping[str, CapturedContent]) -> dict[str, Privacy]:
    """Return what holds now for the calls of the keys that some content is of."""
    ids = {content.virtual_key_id for content in contents.values()}
    if not ids:
        return {}
    with connection():
        keys = list(VirtualKey.select().where(VirtualKey.id.in_(ids)))
        rows = Project.select().where(Project.id.in_({key.project_id for key in keys}))
        projects = {project.id: project for project in rows}
        return privacy.for_keys(
            [(key, projects[key.project_id]) for key in keys if key.project_id in projects]
        )


def _content(found: CapturedContent, hidden: frozenset[str] | None) -> dict[str, str]:
    texts = {
        INPUT: found.input_messages,
        OUTPUT: found.output_messages,
        SYSTEM: found.system_instructions,
    }
    # Of a key that is no longer known nobody can say what holds.
    return without_hidden(texts, MODES[STRIP_ALL] if hidden is None else hidden)


def _complete(batches: Sequence[SpanBatch], now: datetime) -> Sequence[SpanBatch]:
    """Return the batches, in order, up to the first that waits for content which is still on its way."""
    for place, batch in enumerate(batches):
        if now - batch.queued_at > CONTENT_PATIENCE:
            continue
        rows = orjson.loads(bytes(batch.payload))
        awaited = {r["call_id"] for r in rows if facts_of(r).get("capture") in _KEEPS_CONTENT}
        if awaited - captures.of_calls(awaited).keys():
            return batches[:place]
    return batches


def judged(answer: Answer) -> Outcome:
    """Return what an answer means, as OTLP over HTTP says."""
    error = redact(f"status {answer.status}: {answer.text}")[:_ERROR_CHARACTERS]
    if 200 <= answer.status < 300:
        return _taken(answer)
    if answer.status in _FINAL:
        return Outcome(is_final=True, error=error)
    wait = None
    if answer.retry_after_seconds is not None:
        wait = min(timedelta(seconds=answer.retry_after_seconds), LONGEST_RETRY_AFTER)
    return Outcome(error=error, wait=wait)


def _taken(answer: Answer) -> Outcome:
    try:
        told = ExportTraceServiceResponse.FromString(answer.start).partial_success
    except DecodeError:
        # Some endpoints answer JSON or nothing at all; a good status is what counts.
        return Outcome(is_sent=True)
    text = redact(told.error_message)[:_ERROR_CHARACTERS]
    return Outcome(is_sent=True, rejected=max(0, told.rejected_spans), error=text)


def pause_after(failures: int) -> timedelta:
    """Return how long a destination is left alone after that many failures in a row: doubling, up to 5 minutes."""
    return min(FIRST_PAUSE * (1 << min(failures - 1, 16)), LONGEST_PAUSE)


def _note_sent(
    exporter: Exporter,
    destination: TraceDestination,
    batches: Sequence[SpanBatch],
    outcome: Outcome,
) -> None:
    now, spans = exporter.clock(), sum(batch.spans for batch in batches)
    if destination.failures:
        LOG.info("trace_destination_back", extra={"destination_id": destination.id})
    destination.failures = 0
    # The claim is renewed with each request, so that a long backlog is not taken for a dead sender.
    span_queue.finish(
        destination,
        batches,
        claimed_at=now,
        failures=0,
        retry_at=None,
        last_sent_at=now,
        last_error=outcome.error,
        sent_spans=TraceDestination.sent_spans + spans - outcome.rejected,
        dropped_spans=TraceDestination.dropped_spans + outcome.rejected,
    )
    if outcome.rejected:
        facts = {"destination_id": destination.id, "spans": outcome.rejected}
        LOG.warning("spans_rejected", extra=facts | {"reason": outcome.error})


def _note_given_up(
    destination: TraceDestination, batches: Sequence[SpanBatch], outcome: Outcome
) -> None:
    spans = sum(batch.spans for batch in batches)
    facts = {"destination_id": destination.id, "spans": spans, "reason": outcome.error}
    LOG.error("spans_rejected", extra=facts)
    span_queue.finish(
        destination,
        batches,
        last_error=outcome.error,
        dropped_spans=TraceDestination.dropped_spans + spans,
    )


def _note_failed(exporter: Exporter, destination: TraceDestination, outcome: Outcome) -> None:
    failures = destination.failures + 1
    if failures == 1:
        facts = {"destination_id": destination.id, "reason": outcome.error}
        LOG.warning("trace_destination_failing", extra=facts)
    span_queue.finish(
        destination,
        (),
        claimed_at=None,
        failures=failures,
        retry_at=exporter.clock() + (outcome.wait or pause_after(failures)),
        last_error=outcome.error,
    )
