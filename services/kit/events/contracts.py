"""What each field of each message may hold, so that whoever reads an event can handle it.

Checked when an event is written, before the transaction that writes it commits, and again when it is read. What passes
fits every consumer's columns, numbers and keys: neither a client's input nor a forged record can be well formed here
and still be what a handler chokes on. A field without a rule is a mistake that a test finds.
"""

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from services.kit.ids import id_pattern, is_id
from services.kit.object_keys import source_key, stems_prefix
from services.kit.outbound.urls import MAX_URL_CHARACTERS
from services.kit.protos import billing_pb2, jobs_pb2, separation_pb2, uploads_pb2, workers_pb2

Rule = Callable[[Any], bool]

MAX_SONG_SECONDS = 86_400.0
MAX_BYTES = 2**50
MAX_COUNTER = 2**63 - 1
"""Of sequence numbers and versions, which only grow: what a database stores."""
MAX_CREDITS = 2**53 - 1
MAX_PRICE_CREDITS = 2**31 - 1
MAX_RATE_MILLICREDITS = 1_000_000
"""A thousand credits for a second of sound: what the longest song costs by it is still a price."""
SEPARATION = "separation"
"""What is priced by the second."""
MAX_RATES = 1000
MAX_SONGS = 1000
"""Of a batch."""
MAX_ATTEMPT = 10_000
"""Far above any limit of attempts; a higher number is a mistake and would look like the newest one for ever."""
MAX_SLOTS = 1024
MAX_MANIFEST_BYTES = 256 * 1024
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
"""Times outside of these are mistakes, and near the ends of the calendar sums of them do not exist."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_CURRENCY = re.compile(r"[a-z]{3}")
_SOURCE_KEY = re.compile(source_key(id_pattern("upl").removeprefix("^").removesuffix("$")))


def _id(prefix: str) -> Rule:
    return lambda value: is_id(prefix, value)


def _optional(rule: Rule) -> Rule:
    return lambda value: not value or rule(value)


def _text(most: int, least: int = 0) -> Rule:
    return lambda value: least <= len(value) <= most


def _number(low: float, high: float) -> Rule:
    return lambda value: math.isfinite(value) and low <= value <= high


def _one_of(*values: int) -> Rule:
    return lambda value: value in values


def _time(value: Timestamp) -> bool:
    return EARLIEST.timestamp() <= value.seconds <= LATEST.timestamp()


def _anything(_value: Any) -> bool:
    return True


_code, _sentence, _name = _text(80), _text(2000), _text(80, least=1)
_attempt = _number(1, MAX_ATTEMPT)

RULES: Mapping[str, Rule] = {
    "account_id": _id("usr"),
    "job_id": _id("job"),
    "batch_id": _id("bat"),
    "upload_id": _id("upl"),
    "worker_id": _id("wrk"),
    # Whose an upload was that does not exist, or a job that never came here, is not known.
    "UploadDeleted.account_id": _optional(_id("usr")),
    "SeparationProgress.account_id": _optional(_id("usr")),
    # What concerns the whole queue is nobody's and has no id.
    "OperatorActed.account_id": _optional(_id("usr")),
    "operator_id": _id("usr"),
    "action": _name,
    "target_id": _text(80),
    "acted_at": _time,
    "attempt": _attempt,
    "price_credits": _number(0, MAX_PRICE_CREDITS),
    "BatchReservationGranted.price_credits": _number(0, MAX_CREDITS),
    "mode": _one_of(jobs_pb2.JOB_MODE_FULL, jobs_pb2.JOB_MODE_PREVIEW),
    "settlement": _one_of(
        billing_pb2.SETTLEMENT_CAPTURED, billing_pb2.SETTLEMENT_RELEASED, billing_pb2.SETTLEMENT_EXPIRED
    ),
    "available_credits": _number(0, MAX_CREDITS),
    "reserved_credits": _number(0, MAX_CREDITS),
    "debt_credits": _number(0, MAX_CREDITS),
    "threshold_credits": _number(1, MAX_CREDITS),
    "credits": _number(0, MAX_CREDITS),
    "payment_id": _id("pay"),
    "PaymentSucceeded.name": _text(120, least=1),
    "total_minor": _number(0, MAX_COUNTER),
    "tax_minor": _number(0, MAX_COUNTER),
    "currency": lambda value: _CURRENCY.fullmatch(value) is not None,
    "receipt_number": _text(20, least=1),
    "paid_at": _time,
    "version": _number(0, MAX_COUNTER),
    "previews_left": _number(0, MAX_PRICE_CREDITS),
    "product": lambda value: value == SEPARATION,
    "rate_id": _id("prc"),
    "Rate.model": _name,
    "tier": _name,
    "millicredits_per_second": _number(1, MAX_RATE_MILLICREDITS),
    "valid_from": _time,
    "valid_to": _time,
    "told_at": _time,
    "erasure_id": _id("era"),
    "erased_at": _time,
    "changed_at": _time,
    "decided_at": _time,
    "finished_at": _time,
    "roles": _name,
    "plan": _name,
    "disabled": _anything,
    "canary": _anything,
    "service": _name,
    "kind": _name,
    "count": _number(0, MAX_COUNTER),
    "code": _code,
    "reason": _sentence,
    "detail": _sentence,
    "message": _sentence,
    "retryable": _anything,
    "sha256": lambda value: _SHA256.fullmatch(value) is not None,
    "size_bytes": _number(0, MAX_BYTES),
    "filename": _text(300),
    "source_url": _text(MAX_URL_CHARACTERS, least=1),
    "endpoint_id": _id("whe"),
    "endpoint_url": _text(MAX_URL_CHARACTERS, least=1),
    "disabled_because": lambda value: value in ("gone", "failing"),
    "disabled_at": _time,
    "AudioFacts.duration_seconds": lambda value: math.isfinite(value) and 0 < value <= MAX_SONG_SECONDS,
    "duration_seconds": _number(0, MAX_SONG_SECONDS),
    "voice_start_seconds": _number(0, MAX_SONG_SECONDS),
    "start_seconds": _number(0, MAX_SONG_SECONDS),
    "samples": _number(0, MAX_COUNTER),
    "sample_rate_hz": _number(1, 10_000_000),
    "channels": _number(1, 1024),
    "codec": _text(80),
    "container": _text(80),
    "complete": _anything,
    "object_key": lambda value: _SOURCE_KEY.fullmatch(value) is not None,
    "output_prefix": _text(120),
    "manifest_key": _text(200),
    "manifest": lambda value: len(value) <= MAX_MANIFEST_BYTES,
    "deadline": _time,
    "stems": _text(40, least=1),
    "format": _text(20, least=1),
    "bit_depth": _number(0, 64),
    "bitrate_kbps": _number(0, 10_000),
    "name": _name,
    "digest": _name,
    "stage": _text(40),
    "fraction": _number(0, 1),
    "playable_seconds": _number(0, MAX_SONG_SECONDS),
    "sequence": _number(0, MAX_COUNTER),
    "slots": _number(0, MAX_SLOTS),
    "assignments_partition": _number(0, 3),
    "device": _text(120),
    "speed": _number(0, 1e9),
    "stopping": _anything,
    "host": _text(255),
    "runtime": _text(120),
    "PassedOverRuntime.model": _name,
}
"""By the name of the field, or by message and field where those of one name differ."""

MOST: Mapping[str, int] = {
    "stems": 16,
    "running": MAX_SLOTS,
    "finished": MAX_SLOTS,
    "models": 100,
    "passed_over": 100,
    "roles": 20,
    "erased": 100,
    "rates": MAX_RATES,
    "shares": MAX_SONGS,
}
"""How often a repeated field may be there."""

REQUIRED = frozenset(
    {
        "AccountErased.erased_at",
        "OperatorActed.acted_at",
        "RatesTold.told_at",
        "Rate.valid_from",
        "AccountChanged.changed_at",
        "AccountErasureReceipt.finished_at",
        "PaymentSucceeded.paid_at",
        "UploadReady.audio",
        "SeparationAssigned.deadline",
        "SeparationAssigned.source",
        "SeparationAssigned.output",
        "SeparationAssigned.model",
    }
)
"""Messages within messages that cannot be absent."""


def _ready(data: uploads_pb2.UploadReady) -> bool:
    return data.object_key == source_key(data.upload_id)


def _assigned(data: separation_pb2.SeparationAssigned) -> bool:
    return f"{data.output_prefix}/" == stems_prefix(data.job_id) and len(data.stems) > 0


def _finished(data: separation_pb2.SeparationFinished) -> bool:
    return data.WhichOneof("outcome") is not None


def _requested(data: jobs_pb2.ReservationRequested) -> bool:
    free = data.mode == jobs_pb2.JOB_MODE_PREVIEW or data.canary
    return free == (data.price_credits == 0)


def _requested_at_once(data: jobs_pb2.BatchReservationRequested) -> bool:
    free = data.mode == jobs_pb2.JOB_MODE_PREVIEW
    named = {share.job_id for share in data.shares}
    priced = all(free == (share.price_credits == 0) for share in data.shares)
    return 0 < len(named) == len(data.shares) and priced


def _beat(data: workers_pb2.WorkerHeartbeat) -> bool:
    return all(finished.worker_id == data.worker_id for finished in data.finished)


WHOLE: Mapping[str, tuple[Rule, str]] = {
    "UploadReady": (_ready, "the object is not the upload's"),
    "SeparationAssigned": (_assigned, "the results would not be the job's"),
    "SeparationFinished": (_finished, "the attempt ended without an outcome"),
    "ReservationRequested": (_requested, "a preview and the canary cost nothing, and nothing else does"),
    "BatchReservationRequested": (_requested_at_once, "each song is named once, and only a preview costs nothing"),
    "WorkerHeartbeat": (_beat, "it tells of another worker's attempts"),
}
"""What must hold between the fields of a message."""


def broken(message: Message) -> str | None:
    """What in a message breaks its contract, in words that repeat none of its content; None where all of it holds."""
    kind = message.DESCRIPTOR.name
    for field in message.DESCRIPTOR.fields:
        problem = _broken_field(message, kind, field)
        if problem is not None:
            return problem
    holds, problem = WHOLE.get(kind, (_anything, ""))
    return None if holds(message) else problem


def rule_of(kind: str, field: str) -> Rule:
    """The rule of a field; raises KeyError where it has none."""
    return RULES.get(f"{kind}.{field}") or RULES[field]


def _broken_field(message: Message, kind: str, field: Any) -> str | None:
    place = f"{kind}.{field.name}"
    if field.is_repeated:
        contents = getattr(message, field.name)
        if len(contents) > MOST[field.name]:
            return f"{place} is there too often"
    elif field.message_type is not None and not message.HasField(field.name):
        return f"{place} is absent" if place in REQUIRED else None
    elif field.containing_oneof is not None and not message.HasField(field.name):
        return None
    else:
        contents = (getattr(message, field.name),)
    if field.message_type is not None and field.message_type is not Timestamp.DESCRIPTOR:
        return next((problem for part in contents if (problem := broken(part)) is not None), None)
    rule = rule_of(kind, field.name)
    return None if all(rule(content) for content in contents) else f"{place} is out of range"
