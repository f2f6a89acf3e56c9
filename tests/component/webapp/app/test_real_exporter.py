"""The OpenTelemetry SDK's own exporter delivers to a source of the running web app."""

from pathlib import Path

import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from core import otlp
from core.authoring import ingestion_sources, organizations
from core.authoring.actor import system
from core.authoring.ingestion_sources import NewSource
from core.clock import utcnow
from core.models import InboxRow, IngestionSource
from core.secret_files import with_control_plane_secrets
from core.settings import load
from tests.component.webapp.app.program import web_program


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
def test_the_sdk_exporter_is_understood(tmp_path: Path, db: str, compression: Compression) -> None:
    data_dir = tmp_path / "var"
    with web_program(data_dir, db) as web:
        settings = with_control_plane_secrets(load({"LANGWATCH_DATA_DIR": str(data_dir)}))
        organization = organizations.only()
        assert organization is not None
        new = NewSource("otel_generic", "agents")
        source, secret = ingestion_sources.create(
            system(organization.id), new, settings.pepper, utcnow()
        )
        exporter = OTLPSpanExporter(
            endpoint=f"{web.url}/api/ingest/otel/{source.id}/v1/traces",
            headers={"Authorization": f"Bearer {secret.reveal()}"},
            compression=compression,
        )
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        with provider.get_tracer("agents").start_as_current_span("chat gpt-5"):
            pass
        provider.shutdown()
        row = InboxRow.select().get()
        (record,) = otlp.records(row.kind, bytes(row.payload), row.content_type)
        assert record.name == "chat gpt-5"
        assert IngestionSource.get_by_id(source.id).status == "active"
        assert web.stop() == 0
