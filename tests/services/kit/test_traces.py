"""Traces go to a collector where one is set, by OTLP over HTTP."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans

from services.local.sockets import LOOPBACK, free_port

PROGRAM = """
import sys
from starlette.testclient import TestClient
from services.kit.app import create_app
from services.kit.telemetry import export_spans, span
if sys.argv[1]:
    export_spans("upload", sys.argv[1])
with TestClient(create_app(name="upload", title="upload")) as client:
    client.get("/v1/nothing", headers={"traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01"})
with span("outer"), span("inner"):
    pass
"""


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


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def run(endpoint: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", PROGRAM, endpoint], capture_output=True, text=True, check=True)


def test_a_collector_gets_every_span_of_a_process_before_it_ends(collector: Collector) -> None:
    run(f"{collector.url}/")

    attributes = {item.key: item.value.string_value for item in collector.received[0].resource.attributes}
    assert (attributes["service.name"], attributes["service.namespace"]) == ("upload", "stemwright")
    spans = {span.name: span for group in collector.received for scope in group.scope_spans for span in scope.spans}
    request, outer, inner = spans["GET unmatched"], spans["outer"], spans["inner"]
    assert request.trace_id.hex() == "a" * 32, "it belongs to the caller's trace"
    assert request.parent_span_id.hex() == "b" * 16
    told = {item.key: item.value for item in request.attributes}
    assert told["http.response.status_code"].int_value == 404
    assert (inner.trace_id, inner.parent_span_id) == (outer.trace_id, outer.span_id)
    assert outer.trace_id.hex() != "a" * 32


def test_without_a_collector_nothing_is_sent_and_one_that_is_away_stops_nobody(collector: Collector) -> None:
    run("")
    run(f"http://{LOOPBACK}:{free_port(LOOPBACK)}")
    assert collector.received == []
