"""The closed set of public event types."""

from typing import Literal, get_args

EventType = Literal[
    "upload.ready",
    "upload.rejected",
    "job.queued",
    "job.started",
    "job.succeeded",
    "job.failed",
    "job.canceled",
    "job.rejected",
    "job.deleted",
    "batch.completed",
    "payment.succeeded",
    "credits.low",
    "webhook_endpoint.disabled",
]

TestType = Literal["webhook_endpoint.test"]
TEST: TestType = "webhook_endpoint.test"
"""What a test webhook says; nothing happened, so it is in no feed."""

EVENT_TYPES: frozenset[str] = frozenset(get_args(EventType))
