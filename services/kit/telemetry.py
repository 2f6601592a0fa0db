"""Logs, traces and metrics of one process.

Logs are JSON lines on standard output with the request and the trace they belong to. Traces follow W3C Trace Context
from request to outbox to Kafka to worker; spans are made by the OpenTelemetry SDK, and sent to a collector where one is
set (`export_spans`).
"""

import atexit
import logging
import re
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Literal

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from pythonjsonlogger.json import JsonFormatter

from services.kit.loopback import is_loopback

if TYPE_CHECKING:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

_REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
_IDS: ContextVar[Mapping[str, str]] = ContextVar("ids", default=MappingProxyType({}))
IDS = ("account_id", "job_id")
"""Whose and which work a line is about; what is not known is null."""
_NAMED = re.compile(r"\b(job|usr)_[0-9a-hjkmnp-tv-z]{26}\b")
_NAMED_AS = {"usr": "account_id", "job": "job_id"}
_PLAUSIBLE = re.compile(r"[A-Za-z0-9_.:-]{1,64}")

LAST_SPANS_SECONDS = 2.0
"""How long the end of a process waits for a collector that does not answer."""

_PROPAGATOR = TraceContextTextMapPropagator()

_NOISY = ("botocore", "boto3", "urllib3", "httpx2", "httpcore2", "alembic", "s3transfer")


class _Tracing:
    """The one tracer of this process: it gives ids to what happens, and tells nobody until `export_spans`."""

    tracer: ClassVar[trace.Tracer] = TracerProvider(shutdown_on_exit=False).get_tracer("stemwright")


class _TraceFilter(logging.Filter):
    def __init__(self, service: str) -> None:
        super().__init__()
        self.service = service

    def filter(self, record: logging.LogRecord) -> bool:
        span = trace.get_current_span().get_span_context()
        record.trace_id = f"{span.trace_id:032x}" if span.is_valid else None
        record.service = self.service
        record.__dict__.pop("color_message", None)  # uvicorn's message again, with the colours of a terminal
        record.request_id = current_request_id()
        known = {**_named_in(record), **_IDS.get()}
        for name in IDS:
            if getattr(record, name, None) is None:
                setattr(record, name, known.get(name))
        return True


def _named_in(record: logging.LogRecord) -> Mapping[str, str]:
    """What a line is about by its own words, where it speaks of one job, or one account, and nobody has said so."""
    found: dict[str, set[str]] = {}
    for named in _NAMED.finditer(record.getMessage()):
        found.setdefault(_NAMED_AS[named[1]], set()).add(named[0])
    return {name: ids.pop() for name, ids in found.items() if len(ids) == 1}


class _JsonLines(JsonFormatter):
    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802, ARG002 - logging's
        """UTC, in ISO 8601 to the millisecond, as every other log of a platform has it."""
        at = datetime.fromtimestamp(record.created, UTC)
        return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def configure_logging(service: str, *, log_format: Literal["json", "console"] = "json", level: str = "INFO") -> None:
    """Sends every log record of this process to standard output, in one shape."""
    handler = logging.StreamHandler(sys.stdout)
    handler.addFilter(_TraceFilter(service))
    if log_format == "json":
        handler.setFormatter(
            _JsonLines(
                "{asctime}{levelname}{service}{name}{message}{request_id}{trace_id}{account_id}{job_id}",
                style="{",
                rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
            )
        )
    else:
        handler.setFormatter(
            logging.Formatter("%(asctime)s.%(msecs)03d %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")
        )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.captureWarnings(capture=True)
    # kafka-python writes several errors a second while the broker is away; our producer and consumer say it once.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """The `X-Request-Id` of incoming headers, if it is one that may stand in a log and in a header."""
    value = headers.get("x-request-id")
    return value if value and _PLAUSIBLE.fullmatch(value) else None


@contextmanager
def use_request_id(request_id: str | None) -> Iterator[None]:
    """Runs the block as part of a request: each line that is logged in it bears this id."""
    token = _REQUEST_ID.set(request_id)
    try:
        yield
    finally:
        _REQUEST_ID.reset(token)


@contextmanager
def use_ids(**ids: str | None) -> Iterator[None]:
    """Runs the block as work on these: each line that is logged in it names them, of `IDS`."""
    known = {name: value for name, value in ids.items() if name in IDS and value}
    token = _IDS.set({**_IDS.get(), **known})
    try:
        yield
    finally:
        _IDS.reset(token)


def current_request_id() -> str | None:
    """The id of the request that is being served, or None outside of any."""
    return _REQUEST_ID.get()


def exporter(endpoint: str, timeout_seconds: float | None = None) -> "OTLPSpanExporter":
    """OTLP over HTTP to a collector, by default as patient as OpenTelemetry's settings say.

    Raises ModuleNotFoundError where the extra `otlp` is not installed.
    """
    import requests
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    session = None
    if is_loopback(endpoint):
        session = requests.Session()
        session.trust_env = False
    return OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", session=session, timeout=timeout_seconds)


def export_spans(service: str, endpoint: str) -> None:
    """Sends the spans that follow to a collector: OTLP over HTTP, in batches, by a thread of its own.

    `endpoint` is what the OpenTelemetry specification calls OTEL_EXPORTER_OTLP_ENDPOINT; its other variables (headers,
    certificates, sampling) count too. Nothing waits for a collector that is away: spans are lost, and a line is logged.
    Raises ModuleNotFoundError where the extra `otlp` is not installed.
    """
    from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_NAMESPACE, Resource
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create({SERVICE_NAME: service, SERVICE_NAMESPACE: "stemwright"})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    sending = exporter(endpoint)
    provider.add_span_processor(BatchSpanProcessor(sending))
    _Tracing.tracer = provider.get_tracer("stemwright")

    def send_what_is_left() -> None:
        # The exporter would try for up to half a minute; shut down, it gives up.
        limit = threading.Timer(LAST_SPANS_SECONDS, sending.shutdown)
        limit.daemon = True
        limit.start()
        provider.shutdown()

    atexit.register(send_what_is_left)


@contextmanager
def span(
    name: str, traceparent: str | None = None, kind: trace.SpanKind = trace.SpanKind.INTERNAL
) -> Iterator[trace.Span]:
    """Runs the block in a new span, child of `traceparent` if that is valid, else of the current span, else a root."""
    parent = _PROPAGATOR.extract({"traceparent": traceparent}) if traceparent else None
    with _Tracing.tracer.start_as_current_span(name, context=parent, kind=kind) as started:
        yield started


@contextmanager
def use_traceparent(traceparent: str | None) -> Iterator[None]:
    """Runs the block as part of the trace that a `traceparent` header names; an unreadable header is ignored."""
    if not traceparent:
        yield
        return
    token = otel_context.attach(_PROPAGATOR.extract({"traceparent": traceparent}))
    try:
        yield
    finally:
        otel_context.detach(token)


def current_traceparent() -> str | None:
    """The W3C `traceparent` header of the current span, or None outside of any."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get("traceparent")


def traceparent_of(headers: Mapping[str, str]) -> str | None:
    """The `traceparent` of incoming headers, if it has a plausible length."""
    value = headers.get("traceparent")
    return value if value and len(value) <= 128 else None
