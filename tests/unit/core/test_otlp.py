"""OTLP bodies: JSON and protobuf say the same, senders' spellings are taken, and rubbish is refused."""

from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from core.otlp import LOGS, TRACES, Undecodable, records

SPAN: dict[str, Any] = {
    "traceId": "5B8EFFF798038103D269B633813FC60C",
    "spanId": "EEE19B7EC3C1B174",
    "parentSpanId": "",
    "name": "chat",
    "startTimeUnixNano": "1700000000000000000",
    "endTimeUnixNano": 1700000000500000000,
    "status": {"code": 2},
    "attributes": [
        {"key": "text", "value": {"stringValue": "é"}},
        {"key": "whole", "value": {"intValue": "9007199254740993"}},
        {"key": "real", "value": {"doubleValue": 0.5}},
        {"key": "flag", "value": {"boolValue": False}},
        {
            "key": "list",
            "value": {"arrayValue": {"values": [{"intValue": 1}, {"stringValue": "b"}]}},
        },
        {
            "key": "map",
            "value": {"kvlistValue": {"values": [{"key": "k", "value": {"intValue": 2}}]}},
        },
    ],
}
RESOURCE = {"attributes": [{"key": "service.name", "value": {"stringValue": "agents"}}]}
BODY = {"resourceSpans": [{"resource": RESOURCE, "scopeSpans": [{"spans": [SPAN]}]}]}


def protobuf() -> bytes:
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.add(key="service.name").value.string_value = "agents"
    span = group.scope_spans.add().spans.add(
        trace_id=bytes.fromhex(SPAN["traceId"]),
        span_id=bytes.fromhex(SPAN["spanId"]),
        name="chat",
        start_time_unix_nano=1700000000000000000,
        end_time_unix_nano=1700000000500000000,
    )
    span.status.code = 2
    span.attributes.add(key="text").value.string_value = "é"
    span.attributes.add(key="whole").value.int_value = 9007199254740993
    span.attributes.add(key="real").value.double_value = 0.5
    span.attributes.add(key="flag").value.bool_value = False
    values = span.attributes.add(key="list").value.array_value.values
    values.add().int_value = 1
    values.add().string_value = "b"
    span.attributes.add(key="map").value.kvlist_value.values.add(key="k").value.int_value = 2
    return request.SerializeToString()


def test_json_and_protobuf_say_the_same() -> None:
    from_json = records(TRACES, orjson.dumps(BODY), "application/json")
    from_protobuf = records(TRACES, protobuf(), "application/x-protobuf")
    assert from_json == from_protobuf
    [span] = from_json
    assert span.attributes["whole"] == 9007199254740993 and span.is_error
    assert (span.span_id, span.parent_span_id) == ("eee19b7ec3c1b174", "")
    assert span.attributes["list"] == [1, "b"] and span.attributes["map"] == {"k": 2}


def test_a_wrong_content_type_does_not_matter() -> None:
    assert records(TRACES, protobuf(), "application/json") == records(TRACES, protobuf(), "")
    assert records(TRACES, orjson.dumps(BODY), "application/x-protobuf")


def test_structure_in_snake_case_is_taken() -> None:
    span = {
        "trace_id": SPAN["traceId"],
        "span_id": SPAN["spanId"],
        "name": "chat",
        "start_time_unix_nano": 5,
    }
    body = {"resource_spans": [{"scope_spans": [{"spans": [span]}]}]}
    [found] = records(TRACES, orjson.dumps(body), "application/json")
    assert (found.span_id, found.start_ns) == ("eee19b7ec3c1b174", 5)


def test_log_records_carry_their_event_name_and_body() -> None:
    log = {
        "timeUnixNano": "7",
        "severityNumber": 17,
        "body": {"stringValue": "hello"},
        "attributes": [{"key": "event.name", "value": {"stringValue": "api_request"}}],
    }
    body = {"resourceLogs": [{"scopeLogs": [{"logRecords": [log]}]}]}
    [found] = records(LOGS, orjson.dumps(body), "application/json")
    assert (found.name, found.body, found.start_ns, found.is_error) == (
        "api_request",
        "hello",
        7,
        True,
    )
    request = ExportLogsServiceRequest()
    made = (
        request.resource_logs.add()
        .scope_logs.add()
        .log_records.add(observed_time_unix_nano=7, severity_number=17, event_name="api_request")
    )
    made.body.string_value = "hello"
    [same] = records(LOGS, request.SerializeToString(), "")
    assert (same.name, same.body, same.start_ns, same.is_log) == ("api_request", "hello", 7, True)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'"text"',
        b'{"resourceSpans": 5}',
        b'{"resourceSpans": ["x"]}',
        b"\xff\xff\xff",
        b"[" * 5000,
    ],
)
def test_rubbish_is_undecodable(body: bytes) -> None:
    with pytest.raises(Undecodable):
        records(TRACES, body, "application/json")


def test_a_value_nested_too_deep_is_left_out() -> None:
    value: dict[str, Any] = {"stringValue": "bottom"}
    for _ in range(60):
        value = {"arrayValue": {"values": [value]}}
    span = {**SPAN, "attributes": [{"key": "deep", "value": value}]}
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
    [found] = records(TRACES, orjson.dumps(body), "application/json")
    assert "bottom" not in str(found.attributes["deep"])


@given(st.binary(max_size=200), st.sampled_from(["application/json", "application/x-protobuf"]))
def test_no_body_breaks_the_decoder(body: bytes, content_type: str) -> None:
    with suppress(Undecodable):
        records(TRACES, body, content_type)
