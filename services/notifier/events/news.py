"""What of the platform's own events becomes public, and in which words. Pure.

Ids and a link stand in a public event and no address that opens anything: who may see more asks with a token.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from google.protobuf.timestamp_pb2 import Timestamp

from services.kit.events.codec import Event
from services.kit.events.topics import type_of
from services.kit.protos import billing_pb2, uploads_pb2
from services.notifier.events.types import EventType

MAX_DATA_BYTES = 18_000
"""A whole event stays below the 20 kB that Standard Webhooks 1.0 allows."""

HIDDEN = frozenset({"account_id", "attempt", "callback_url"})
"""What is told between services and not to partners."""

QUEUED, STARTED, ENDED, DELETED = range(4)
ONCE = ENDED
"""The stage of what happens to a thing no more than once."""


@dataclass(frozen=True)
class News:
    """A public event before it has a number."""

    account_id: str
    type: EventType
    subject: str
    stage: int
    occurred_at: datetime
    data: dict[str, Any]
    callback: "Callback | None" = None


@dataclass(frozen=True)
class Callback:
    """The address that an order named to be told of its end, and when it was ordered."""

    url: str
    ordered_at: datetime


def _callback_of(thing: Mapping[str, Any]) -> Callback | None:
    url = thing.get("callback_url")
    return Callback(url, datetime.fromisoformat(thing["created_at"])) if url else None


def _upload_ready(event: Event) -> News:
    told: uploads_pb2.UploadReady = event.data
    upload = {
        "id": told.upload_id,
        "status": "ready",
        "size_bytes": told.size_bytes,
        "sha256": told.sha256,
        "audio": {
            "duration_seconds": told.audio.duration_seconds,
            "sample_rate_hz": told.audio.sample_rate_hz,
            "channels": told.audio.channels,
            "codec": told.audio.codec,
            "container": told.audio.container,
            **({"complete": told.audio.complete} if told.audio.HasField("complete") else {}),
        },
        "link": f"/v1/uploads/{told.upload_id}",
    }
    when = _moment(told.decided_at) if told.HasField("decided_at") else event.time
    return News(told.account_id, "upload.ready", told.upload_id, ONCE, when, {"upload": upload})


def _upload_rejected(event: Event) -> News:
    told: uploads_pb2.UploadRejected = event.data
    upload = {
        "id": told.upload_id,
        "status": "rejected",
        "error": {"code": told.code, "message": told.reason},
        "link": f"/v1/uploads/{told.upload_id}",
    }
    when = _moment(told.decided_at) if told.HasField("decided_at") else event.time
    return News(told.account_id, "upload.rejected", told.upload_id, ONCE, when, {"upload": upload})


_JOBS: Mapping[EventType, tuple[int, str | None]] = {
    "job.queued": (QUEUED, "queued_at"),
    "job.started": (STARTED, "started_at"),
    "job.succeeded": (ENDED, "finished_at"),
    "job.failed": (ENDED, "finished_at"),
    "job.canceled": (ENDED, "finished_at"),
    "job.rejected": (ENDED, "finished_at"),
    "job.deleted": (DELETED, None),
}
"""How far a job has come with each event, and which of its times is that of the event."""


def _job(event: Event) -> News:
    # Between attempts a job is queued and started again, which is nobody's business but ours.
    job = {name: value for name, value in event.data["job"].items() if name not in HIDDEN}
    job["link"] = f"/v1/jobs/{job['id']}"
    type_ = cast(EventType, event.type)
    stage, clock = _JOBS[type_]
    told = job.get(clock) if clock is not None else None
    when = datetime.fromisoformat(told) if told else event.time
    callback = _callback_of(event.data["job"]) if stage == ENDED else None
    return News(event.key, type_, job["id"], stage, when, {"job": _small(job)}, callback)


def _batch_completed(event: Event) -> News:
    batch = {name: value for name, value in event.data["batch"].items() if name not in HIDDEN}
    batch["link"] = f"/v1/batches/{batch['id']}"
    when = datetime.fromisoformat(batch["finished_at"])
    callback = _callback_of(event.data["batch"])
    return News(event.key, "batch.completed", batch["id"], ONCE, when, {"batch": _small(batch)}, callback)


def _small(thing: dict[str, Any]) -> dict[str, Any]:
    """Without what the client noted where that is too much for an event."""
    if len(json.dumps(thing, ensure_ascii=False).encode()) > MAX_DATA_BYTES:
        return {**thing, "metadata": None, "metadata_left_out": True}
    return thing


def _payment_succeeded(event: Event) -> News:
    told: billing_pb2.PaymentSucceeded = event.data
    payment = {
        "id": told.payment_id,
        "name": told.name,
        "total_minor": told.total_minor,
        "tax_minor": told.tax_minor,
        "currency": told.currency,
        "credits": told.credits,
        "receipt_number": told.receipt_number,
        "link": f"/v1/billing/payments/{told.payment_id}/receipt",
    }
    when = _moment(told.paid_at)
    return News(told.account_id, "payment.succeeded", told.payment_id, ONCE, when, {"payment": payment})


def _credits_low(event: Event) -> News:
    told: billing_pb2.CreditsLow = event.data
    few = {
        "available_credits": told.available_credits,
        "threshold_credits": told.threshold_credits,
        "link": "/v1/billing/balance",
    }
    # They may be few again another day: what happens once is the telling.
    return News(told.account_id, "credits.low", event.id, ONCE, event.time, {"credits": few})


def _moment(timestamp: Timestamp) -> datetime:
    return timestamp.ToDatetime(tzinfo=UTC)


NEWS_OF: Mapping[str, Callable[[Event], News]] = {
    type_of(uploads_pb2.UploadReady): _upload_ready,
    type_of(uploads_pb2.UploadRejected): _upload_rejected,
    **dict.fromkeys(_JOBS, _job),
    "batch.completed": _batch_completed,
    type_of(billing_pb2.PaymentSucceeded): _payment_succeeded,
    type_of(billing_pb2.CreditsLow): _credits_low,
}
"""By the type of the internal event."""
