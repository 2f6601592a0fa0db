"""Traces go to a collector where one is set, by OTLP over HTTP."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from services.local.sockets import LOOPBACK, free_port
from tests.collector import Collector, collecting

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


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as made:
        yield made


def run(endpoint: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", PROGRAM, endpoint], capture_output=True, text=True, check=True)


def test_a_collector_gets_every_span_of_a_process_before_it_ends(collector: Collector) -> None:
    run(f"{collector.url}/")

    attributes = {item.key: item.value.string_value for item in collector.received[0].resource.attributes}
    assert (attributes["service.name"], attributes["service.namespace"]) == ("upload", "stemwright")
    spans = {span.name: span for span in collector.spans()}
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
