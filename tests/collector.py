"""A collector of traces: takes OTLP over HTTP, and keeps what it gets."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

from services.local.sockets import LOOPBACK


class Collector:
    """Keeps what it is sent."""

    def __init__(self) -> None:
        self.received: list[ResourceSpans] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.path == "/v1/traces"
                body = self.rfile.read(int(self.headers["content-length"]))
                collector.received += ExportTraceServiceRequest.FromString(body).resource_spans
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                pass

        self.server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self.url = f"http://{LOOPBACK}:{self.server.server_port}"

    def spans(self) -> list[Span]:
        """All that came."""
        return [span for group in list(self.received) for scope in group.scope_spans for span in scope.spans]

    def trace(self, trace_id: bytes) -> dict[bytes, tuple[str, Span]]:
        """The spans of a trace by their ids, each with the service that made it."""
        found = {}
        for group in list(self.received):
            [service] = [each.value.string_value for each in group.resource.attributes if each.key == "service.name"]
            for scope in group.scope_spans:
                found.update({span.span_id: (service, span) for span in scope.spans if span.trace_id == trace_id})
        return found


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector on a port of its own."""
    made = Collector()
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    try:
        yield made
    finally:
        made.server.shutdown()
        thread.join()
        made.server.server_close()
