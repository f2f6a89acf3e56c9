"""Sends one span to a trace destination and says in words what came of it. Stores nothing and counts nothing."""

import gzip
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import httpx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from core.clock import to_ms
from core.log import redact
from core.outbound import AddressRefused, Answer, NameUnknown, Reach, exchange

TRIAL_SECONDS = 8.0
SPAN_NAME = "langwatch.test"
_SHOWN_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class TraceTried:
    """What came of a test. ``said`` are the endpoint's own words."""

    is_ok: bool
    sentence: str
    said: str = ""
    status: int | None = None
    milliseconds: int = 0


def try_destination(
    endpoint: str, headers: Mapping[str, str], reach: Reach, now: datetime
) -> TraceTried:
    """Send one span with made-up ids to an endpoint, as the exporter sends spans of calls."""
    body = gzip.compress(_request(now).SerializeToString(), 1)
    own = {"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"}
    begun = time.monotonic()
    try:
        answer = exchange("POST", endpoint, {**headers, **own}, body, reach)
    except AddressRefused as refused:
        return TraceTried(False, f"The address may not be contacted: {refused}.")
    except NameUnknown:
        return TraceTried(False, "The name of the endpoint can't be resolved.")
    except (httpx.HTTPError, httpx.InvalidURL, RuntimeError) as error:
        # The message may hold the address, and that a token; its kind says enough.
        return TraceTried(False, f"No answer came: {type(error).__name__}.")
    return _judged(answer, round((time.monotonic() - begun) * 1000))


def _request(now: datetime) -> ExportTraceServiceRequest:
    """Return an export request with one span that says it is a test."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.add(key="service.name").value.string_value = "langwatch-gateway"
    span = group.scope_spans.add().spans.add(
        name=SPAN_NAME,
        trace_id=secrets.token_bytes(16),
        span_id=secrets.token_bytes(8),
        start_time_unix_nano=to_ms(now) * 1_000_000,
        end_time_unix_nano=to_ms(now) * 1_000_000 + 1,
    )
    span.attributes.add(key="langwatch.test").value.bool_value = True
    return request


def _judged(answer: Answer, milliseconds: int) -> TraceTried:
    said = redact(answer.text)[:_SHOWN_CHARACTERS]
    if answer.status in (401, 403):
        sentence = "The endpoint does not accept the headers."
    elif answer.status == 404:
        sentence = "Nothing takes spans at this path; OTLP over HTTP usually ends in /v1/traces."
    elif not 200 <= answer.status < 300:
        sentence = "The endpoint refuses the span."
    else:
        return _taken(answer, milliseconds)
    return TraceTried(False, sentence, said, answer.status, milliseconds)


def _taken(answer: Answer, milliseconds: int) -> TraceTried:
    try:
        partial = ExportTraceServiceResponse.FromString(answer.start).partial_success
    except DecodeError:
        # Some endpoints answer JSON or nothing at all; a good status is what counts.
        return TraceTried(True, "The endpoint took the span.", "", answer.status, milliseconds)
    if partial.rejected_spans:
        said = redact(partial.error_message)[:_SHOWN_CHARACTERS]
        sentence = "The endpoint answered, and threw the span away."
        return TraceTried(False, sentence, said, answer.status, milliseconds)
    return TraceTried(True, "The endpoint took the span.", "", answer.status, milliseconds)
