"""Receivers: who may deliver, what is taken, and that what was acknowledged is in the inbox."""

import gzip
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import brotli
import orjson
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from werkzeug.test import TestResponse

from core import otlp
from core.authoring import ingestion_sources
from core.authoring.ingestion_sources import NewSource
from core.clock import utcnow
from core.models import InboxRow, IngestionSource
from tests.component.webapp.app.site import Site, site
from tests.statements import counted

JSON = "application/json"
PROTOBUF = "application/x-protobuf"


@dataclass(frozen=True, slots=True)
class Agents:
    """A site with one source and its secret."""

    made: Site
    source: IngestionSource
    secret: str

    def post(self, body: bytes, path: str = "", **headers: str) -> TestResponse:
        """Deliver with the right secret, unless a header says otherwise."""
        path = path or f"/api/ingest/otel/{self.source.id}"
        given = {"Authorization": f"Bearer {self.secret}", "Content-Type": JSON} | headers
        return self.made.app.test_client().post(path, data=body, headers=given)

    def reload(self) -> IngestionSource:
        """Return the source as it is now."""
        return IngestionSource.get_by_id(self.source.id)


def agents(tmp_path: Path, source_type: str = "otel_generic", **values: Any) -> Agents:
    made = site(tmp_path, LW_INGEST_RATE_LIMIT_DISABLED="1")
    return another(made, source_type, "agents", **values)


def another(made: Site, source_type: str, name: str, **values: Any) -> Agents:
    new = NewSource(source_type, name, **values)
    pepper = made.app.extensions["settings"].pepper
    source, secret = ingestion_sources.create(made.org.actor, new, pepper, utcnow())
    return Agents(made, source, secret.reveal())


def spans(count: int = 2, label: str = "") -> dict[str, Any]:
    attributes = [{"key": "LangWatchSourceType", "value": {"stringValue": label}}] if label else []
    span = {"name": "chat", "traceId": "0" * 31 + "1", "spanId": "0" * 15 + "2"}
    return {
        "resourceSpans": [
            {"resource": {"attributes": attributes}, "scopeSpans": [{"spans": [span] * count}]}
        ]
    }


def json_spans(count: int = 2) -> bytes:
    return orjson.dumps(spans(count))


def protobuf_spans(count: int) -> bytes:
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for _ in range(count):
        scope.spans.add(name="chat", trace_id=b"\0" * 15 + b"\1", span_id=b"\0" * 7 + b"\2")
    return request.SerializeToString()


@pytest.mark.usefixtures("db")
def test_the_matrix_of_secrets(tmp_path: Path) -> None:
    one = agents(tmp_path)
    two = another(one.made, "otel_generic", "others")
    bodies = set()
    for headers in (
        {"Authorization": ""},
        {"Authorization": "Bearer lw_is_unknown"},
        {"Authorization": f"Bearer lw_is_{'x' * 43}"},
        {"Authorization": f"Basic {one.secret}"},
        {"Authorization": f"Bearer {two.secret}"},
    ):
        answer = one.post(json_spans(), **headers)
        assert answer.status_code == 401
        bodies.add(answer.data)
    assert one.post(json_spans(), "/api/ingest/otel/src_none").status_code == 401
    assert bodies == {b'{"error":"unauthorized"}'}
    assert InboxRow.select().count() == 0
    assert one.reload().status == "awaiting_first_event"
    assert one.post(json_spans()).status_code == 202
    assert one.post(json_spans()).status_code == 202
    assert InboxRow.select().count() == 2


@pytest.mark.usefixtures("db")
def test_the_first_delivery_makes_a_source_active(tmp_path: Path) -> None:
    one = agents(tmp_path)
    answer = one.post(json_spans(3))
    assert answer.json == {"accepted": True, "bytes": len(json_spans(3)), "events": 3}
    source = one.reload()
    assert source.status == "active"
    row = InboxRow.select().get()
    assert (row.kind, row.source_id) == ("otlp_traces", one.source.id)
    assert row.organization_id == one.made.org.organization.id
    assert len(otlp.records(row.kind, bytes(row.payload), row.content_type)) == 3
    assert source.last_event_at == row.received_at


@pytest.mark.usefixtures("sqlite_db")
def test_the_last_event_never_moves_back(tmp_path: Path) -> None:
    one = agents(tmp_path)
    future = utcnow() + timedelta(hours=1)
    IngestionSource.update(last_event_at=future).where(
        IngestionSource.id == one.source.id
    ).execute()
    assert one.post(json_spans()).status_code == 202
    assert one.reload().last_event_at == future


@pytest.mark.usefixtures("sqlite_db")
def test_archived_disabled_and_expired_secrets_open_nothing(tmp_path: Path) -> None:
    one = agents(tmp_path)
    actor, pepper = one.made.org.actor, one.made.app.extensions["settings"].pepper
    _, second = ingestion_sources.rotate(actor, one.source.id, pepper, utcnow())
    assert one.post(json_spans()).status_code == 202
    late = utcnow() - timedelta(seconds=1)
    IngestionSource.update(previous_valid_until=late).execute()
    assert one.post(json_spans()).status_code == 401
    current = Agents(one.made, one.source, second.reveal())
    assert current.post(json_spans()).status_code == 202
    IngestionSource.update(status="disabled").execute()
    assert current.post(json_spans()).status_code == 401
    assert current.reload().status == "disabled"
    IngestionSource.update(status="active").execute()
    ingestion_sources.archive(actor, one.source.id, utcnow())
    assert current.post(json_spans()).status_code == 401


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (json_spans(), {}),
        (orjson.dumps(spans()).replace(b"resourceSpans", b"resource_spans"), {}),
        (json_spans(), {"Content-Type": PROTOBUF}),
        (protobuf_spans(2), {"Content-Type": PROTOBUF}),
        (protobuf_spans(2), {"Content-Type": ""}),
        (gzip.compress(json_spans()), {"Content-Encoding": "gzip"}),
        (brotli.compress(protobuf_spans(2)), {"Content-Encoding": "br", "Content-Type": PROTOBUF}),
    ],
)
@pytest.mark.usefixtures("sqlite_db")
def test_takes_every_encoding(tmp_path: Path, body: bytes, headers: dict[str, str]) -> None:
    one = agents(tmp_path)
    for path in ("", "/v1/traces"):
        answer = one.post(body, f"/api/ingest/otel/{one.source.id}{path}", **headers)
        assert answer.status_code == 202
        assert answer.json["events"] == 2
    assert InboxRow.select().count() == 2


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"", {}),
        (b"not json", {}),
        (b"[]", {}),
        (b'{"resourceSpans": 7}', {}),
        (b'{"resourceSpans": []}', {}),
        (b"\xff\xff\xff", {"Content-Type": PROTOBUF}),
        (b"not gzip", {"Content-Encoding": "gzip"}),
        (json_spans(), {"Content-Encoding": "zstd"}),
        (b"x" * (10 * 1024 * 1024 + 1), {}),
        (gzip.compress(b" " * (10 * 1024 * 1024 + 1)), {"Content-Encoding": "gzip"}),
    ],
)
@pytest.mark.usefixtures("sqlite_db")
def test_a_body_that_says_nothing_is_accepted_with_a_hint_and_not_kept(
    tmp_path: Path, body: bytes, headers: dict[str, str]
) -> None:
    one = agents(tmp_path)
    answer = one.post(body, **headers)
    assert answer.status_code == 202
    assert (answer.json["accepted"], answer.json["events"]) == (True, 0)
    assert answer.json["hint"]
    assert InboxRow.select().count() == 0
    assert one.reload().status == "active"


@pytest.mark.usefixtures("sqlite_db")
def test_counts_records_without_the_label_as_rejected(tmp_path: Path) -> None:
    one = agents(tmp_path, parser_config={"allowedSourceTypeLabel": "ours"})
    assert one.post(orjson.dumps(spans(2, "ours"))).json["events"] == 2
    answer = one.post(orjson.dumps(spans(2, "theirs"))).json
    assert (answer["events"], answer["rejectedSpans"]) == (0, 2)
    assert InboxRow.select().count() == 1


@pytest.mark.usefixtures("sqlite_db")
def test_each_type_has_its_path(tmp_path: Path) -> None:
    cowork = agents(tmp_path, "claude_cowork")
    workato = another(cowork.made, "workato", "recipes")
    generic = another(cowork.made, "otel_generic", "generic")
    for who, family, status in (
        (cowork, "otel", 202),
        (cowork, "webhook", 400),
        (workato, "otel", 400),
        (workato, "webhook", 202),
        (generic, "otel", 202),
        (generic, "webhook", 202),
    ):
        answer = who.post(json_spans(), f"/api/ingest/{family}/{who.source.id}")
        assert answer.status_code == status
        if status == 400:
            assert answer.json["error"] == "wrong_endpoint"
            assert who.source.id in answer.json["error_description"]
    # Whose secret it is comes before which path it is.
    foreign = workato.post(b"x", f"/api/ingest/otel/{cowork.source.id}")
    assert foreign.status_code == 401


@pytest.mark.usefixtures("sqlite_db")
def test_a_webhook_is_one_event_whatever_it_says(tmp_path: Path) -> None:
    one = agents(tmp_path, "workato")
    body = '{"recipe": "grüße"}'.encode()
    answer = one.post(
        body, f"/api/ingest/webhook/{one.source.id}", **{"Content-Type": "text/plain"}
    )
    assert (answer.json["events"], answer.json["bytes"]) == (1, len(body))
    assert answer.json["eventId"].startswith("envelope-")
    assert bytes(InboxRow.select().get().payload) == body


@pytest.mark.usefixtures("sqlite_db")
def test_logs_are_counted_and_metrics_are_not_kept(tmp_path: Path) -> None:
    one = agents(tmp_path)
    logs = {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": "x"}}]}]}]}
    answer = one.post(orjson.dumps(logs), f"/api/ingest/otel/{one.source.id}/v1/logs")
    assert answer.json["events"] == 1
    metrics = {
        "resource_metrics": [{"scope_metrics": [{"metrics": [{"name": "a"}, {"name": "b"}]}]}]
    }
    answer = one.post(orjson.dumps(metrics), f"/api/ingest/otel/{one.source.id}/v1/metrics")
    assert (answer.json["events"], answer.json["metrics"]) == (0, 2)
    assert [row.kind for row in InboxRow.select()] == ["otlp_logs"]


@pytest.mark.usefixtures("sqlite_db")
def test_the_sixty_first_delivery_of_a_minute_has_to_wait(tmp_path: Path) -> None:
    made = site(tmp_path)
    one = another(made, "otel_generic", "agents")
    limit = made.app.extensions["control_plane"].deliveries
    while not limit.retry_after_seconds("127.0.0.1"):
        pass
    answer = one.post(json_spans(), Authorization="")
    assert (answer.status_code, answer.json) == (429, {"error": "rate_limited"})
    assert 0 < int(answer.headers["Retry-After"]) <= 60
    # Nobody can borrow another address: no proxy is trusted here.
    assert one.post(json_spans(), **{"X-Forwarded-For": "203.0.113.7"}).status_code == 429
    elsewhere = made.app.test_client().post(
        f"/api/ingest/otel/{one.source.id}",
        data=json_spans(),
        headers={"Authorization": f"Bearer {one.secret}"},
        environ_overrides={"REMOTE_ADDR": "203.0.113.7"},
    )
    assert elsewhere.status_code == 202


@pytest.mark.usefixtures("sqlite_db")
def test_believes_the_proxies_it_was_told_to_trust(tmp_path: Path) -> None:
    made = site(tmp_path, LANGWATCH_TRUSTED_PROXIES="127.0.0.0/8,10.0.0.0/8")
    one = another(made, "otel_generic", "agents")
    limit = made.app.extensions["control_plane"].deliveries
    while not limit.retry_after_seconds("203.0.113.7"):
        pass
    through = {"X-Forwarded-For": "198.51.100.1, 203.0.113.7, 10.1.2.3"}
    assert one.post(json_spans(), **through).status_code == 429
    assert one.post(json_spans(), **{"X-Forwarded-For": "203.0.113.8"}).status_code == 202


@pytest.mark.usefixtures("db")
def test_a_delivery_takes_five_statements(tmp_path: Path) -> None:
    one = agents(tmp_path)
    with counted() as statements:
        one.post(json_spans())
    kinds = [text.split()[0] for text in statements.all() if not text.startswith("BEGIN")]
    reads = kinds[: kinds.index("INSERT")]
    assert set(reads) == {"SELECT"}
    assert 2 <= len(reads) <= 3
    assert kinds[len(reads) :] == ["INSERT", "UPDATE"]
