"""An OTLP endpoint that listens on loopback: decodes what it is sent and answers what the test lined up."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class OtlpPeer:
    """Keeps the requests it took; answers the lined-up statuses in turn, then 200."""

    def __init__(self) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        self.headers: list[dict[str, str]] = []
        self.refused = 0
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.rejects = 0
        self.poison = ""
        """A request id that makes a whole request be answered with 400."""
        self.url = ""

    def answer_with(self, *statuses: int, **headers: str) -> None:
        """Line up answers."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers += [(status, named) for status in statuses]

    @property
    def spans(self) -> list[Span]:
        """Every span that was taken, in order."""
        return [
            span
            for request in self.requests
            for group in request.resource_spans
            for scope in group.scope_spans
            for span in scope.spans
        ]

    @property
    def call_ids(self) -> list[str]:
        """The request ids of the spans that were taken."""
        return [str(facts(span)["langwatch.gateway_request_id"]) for span in self.spans]

    def take(self, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Judge one request."""
        status, extra = self.answers.pop(0) if self.answers else (200, {})
        request = ExportTraceServiceRequest.FromString(gzip.decompress(body))
        if self.poison and self.poison.encode() in request.SerializeToString():
            status = 400
        if status >= 300:
            self.refused += 1
            return status, extra, b"no"
        self.requests.append(request)
        self.headers.append(headers)
        answer = ExportTraceServiceResponse()
        answer.partial_success.rejected_spans = self.rejects
        return status, extra, answer.SerializeToString()


def facts(span: Span) -> dict[str, Any]:
    """The attributes of a span as Python values."""
    found: dict[str, Any] = {}
    for pair in span.attributes:
        kind = pair.value.WhichOneof("value")
        value = getattr(pair.value, kind)
        if kind == "array_value":
            value = [getattr(v, v.WhichOneof("value")) for v in value.values]
        found[pair.key] = value
    return found


@contextmanager
def otlp_peer() -> Iterator[OtlpPeer]:
    """Run a peer on a free port."""
    peer = OtlpPeer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            named = {k.lower(): v for k, v in self.headers.items()}
            status, headers, answer = peer.take(named, body)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    peer.url = f"http://127.0.0.1:{server.server_address[1]}/v1/traces"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield peer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
