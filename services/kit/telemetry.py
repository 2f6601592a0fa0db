"""Logs, traces and metrics of one process.

Logs are JSON lines on standard output with the trace they belong to. Traces follow W3C Trace Context from request to
outbox to Kafka to worker; spans are recorded by the OpenTelemetry SDK, which exports them where an exporter is set up.
"""

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from pythonjsonlogger.json import JsonFormatter

_PROPAGATOR = TraceContextTextMapPropagator()
_PROVIDER = TracerProvider(shutdown_on_exit=False)
_TRACER = _PROVIDER.get_tracer("stemwright")

_NOISY = ("botocore", "boto3", "urllib3", "httpx2", "httpcore2", "alembic", "s3transfer")


class _TraceFilter(logging.Filter):
    def __init__(self, service: str) -> None:
        super().__init__()
        self.service = service

    def filter(self, record: logging.LogRecord) -> bool:
        span = trace.get_current_span().get_span_context()
        record.trace_id = f"{span.trace_id:032x}" if span.is_valid else None
        record.service = self.service
        return True


def configure_logging(service: str, *, log_format: Literal["json", "console"] = "json", level: str = "INFO") -> None:
    """Sends every log record of this process to standard output, in one shape."""
    handler = logging.StreamHandler(sys.stdout)
    handler.addFilter(_TraceFilter(service))
    if log_format == "json":
        handler.setFormatter(
            JsonFormatter(
                "{asctime}{levelname}{service}{name}{message}{trace_id}",
                style="{",
                rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
                datefmt="%Y-%m-%dT%H:%M:%S%z",
            )
        )
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # kafka-python writes several errors a second while the broker is away; our producer and consumer say it once.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)


@contextmanager
def span(name: str, traceparent: str | None = None) -> Iterator[None]:
    """Runs the block in a new span, child of `traceparent` if that is valid, else of the current span, else a root."""
    parent = _PROPAGATOR.extract({"traceparent": traceparent}) if traceparent else None
    with _TRACER.start_as_current_span(name, context=parent):
        yield


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
