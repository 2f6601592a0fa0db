"""One whole, valid message of each kind that goes over the event log, and ways to spoil one."""

import math
from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from services.kit.events.topics import assignments_partition
from services.kit.object_keys import source_key
from services.kit.protos import (
    accounts_pb2,
    audit_pb2,
    billing_pb2,
    jobs_pb2,
    prices_pb2,
    separation_pb2,
    uploads_pb2,
    webhooks_pb2,
    workers_pb2,
)
from tests.ids import numbered

ACCOUNT, JOB, UPLOAD, WORKER = numbered("usr"), numbered("job"), numbered("upl"), numbered("wrk")
ERASURE = numbered("era")
SHA256 = "a" * 64

_moment = Timestamp(seconds=1_795_000_000)
_balance = billing_pb2.Balance(available_credits=500, reserved_credits=7, version=3, previews_left=12)
_model = separation_pb2.Model(name="spleeter-2stems", digest="sha256:" + "1" * 64)
_finished = separation_pb2.SeparationFinished(
    worker_id=WORKER,
    job_id=JOB,
    attempt=1,
    failed=separation_pb2.SeparationFailed(code="no_space", message="The disk is full.", retryable=True),
)

SAMPLES: tuple[Message, ...] = (
    uploads_pb2.UploadCreated(upload_id=UPLOAD, account_id=ACCOUNT),
    uploads_pb2.UploadReady(
        upload_id=UPLOAD,
        account_id=ACCOUNT,
        object_key=source_key(UPLOAD),
        sha256=SHA256,
        size_bytes=1000,
        filename="Song.mp3",
        audio=uploads_pb2.AudioFacts(
            duration_seconds=1.5,
            samples=66_150,
            sample_rate_hz=44_100,
            channels=2,
            codec="flac",
            container="flac",
            complete=True,
        ),
        decided_at=_moment,
    ),
    uploads_pb2.UploadRejected(
        upload_id=UPLOAD, account_id=ACCOUNT, code="no_audio", reason="There is no sound in it.", decided_at=_moment
    ),
    uploads_pb2.UploadDeleted(upload_id=UPLOAD, account_id=ACCOUNT),
    jobs_pb2.ReservationRequested(job_id=JOB, account_id=ACCOUNT, price_credits=2, mode=jobs_pb2.JOB_MODE_FULL),
    jobs_pb2.BatchReservationRequested(
        batch_id=numbered("bat"),
        account_id=ACCOUNT,
        mode=jobs_pb2.JOB_MODE_FULL,
        shares=[jobs_pb2.BatchShare(job_id=JOB, price_credits=2)],
    ),
    jobs_pb2.UploadStatusRequested(upload_id=UPLOAD),
    jobs_pb2.UploadFetchRequested(
        upload_id=UPLOAD, account_id=ACCOUNT, source_url="https://music.partner.com/song.flac?key=7"
    ),
    jobs_pb2.BalanceRequested(account_id=ACCOUNT),
    jobs_pb2.RatesRequested(product="separation"),
    billing_pb2.BalanceChanged(account_id=ACCOUNT, balance=_balance),
    billing_pb2.ReservationGranted(job_id=JOB, account_id=ACCOUNT, price_credits=2, balance=_balance),
    billing_pb2.ReservationRefused(
        job_id=JOB, account_id=ACCOUNT, code="insufficient_credits", detail="Too few.", balance=_balance
    ),
    billing_pb2.ReservationSettled(
        job_id=JOB, account_id=ACCOUNT, settlement=billing_pb2.SETTLEMENT_CAPTURED, balance=_balance
    ),
    billing_pb2.BatchReservationGranted(
        batch_id=numbered("bat"), account_id=ACCOUNT, price_credits=2, balance=_balance
    ),
    billing_pb2.BatchReservationRefused(
        batch_id=numbered("bat"), account_id=ACCOUNT, code="insufficient_credits", detail="Too few.", balance=_balance
    ),
    billing_pb2.PaymentSucceeded(
        account_id=ACCOUNT,
        payment_id=numbered("pay"),
        name="One hour",
        total_minor=490,
        tax_minor=78,
        currency="eur",
        credits=3600,
        receipt_number="2026-00000001",
        paid_at=_moment,
    ),
    billing_pb2.CreditsLow(account_id=ACCOUNT, available_credits=500, threshold_credits=600),
    prices_pb2.RatesTold(
        product="separation",
        rates=[
            prices_pb2.Rate(
                rate_id=numbered("prc"),
                model="*",
                tier="fast",
                millicredits_per_second=1000,
                valid_from=_moment,
                valid_to=_moment,
            )
        ],
        told_at=_moment,
    ),
    accounts_pb2.AccountErased(account_id=ACCOUNT, erasure_id=ERASURE, erased_at=_moment),
    accounts_pb2.AccountChanged(
        account_id=ACCOUNT, roles=["partner", "user"], plan="free", disabled=True, changed_at=_moment
    ),
    accounts_pb2.AccountErasureReceipt(
        account_id=ACCOUNT,
        erasure_id=ERASURE,
        service="upload",
        erased=[accounts_pb2.ErasedRecords(kind="uploads", count=3)],
        finished_at=_moment,
    ),
    audit_pb2.OperatorActed(
        operator_id=ACCOUNT,
        action="job_requeued",
        account_id=ACCOUNT,
        target_id=JOB,
        reason="The worker was out of memory.",
        acted_at=_moment,
    ),
    webhooks_pb2.WebhookEndpointDisabled(
        account_id=ACCOUNT,
        endpoint_id=numbered("whe"),
        endpoint_url="https://hooks.partner.com/stemwright",
        disabled_because="failing",
        disabled_at=_moment,
    ),
    separation_pb2.SeparationAssigned(
        worker_id=WORKER,
        job_id=JOB,
        attempt=1,
        deadline=_moment,
        source=separation_pb2.SourceAudio(
            object_key=source_key(UPLOAD), sha256=SHA256, size_bytes=1000, duration_seconds=1.5
        ),
        window=separation_pb2.Window(start_seconds=0.0, duration_seconds=1.0),
        stems=["vocals", "instrumental"],
        output=separation_pb2.OutputFormat(format="flac", bit_depth=16),
        model=_model,
        output_prefix=f"stems/{JOB}",
    ),
    separation_pb2.SeparationCanceled(worker_id=WORKER, job_id=JOB, attempt=1),
    separation_pb2.SeparationProgress(
        worker_id=WORKER, job_id=JOB, attempt=1, stage="separating", fraction=0.5, account_id=ACCOUNT
    ),
    _finished,
    workers_pb2.WorkerHeartbeat(
        worker_id=WORKER,
        sequence=1,
        slots=1,
        assignments_partition=assignments_partition(WORKER),
        running=[workers_pb2.RunningAttempt(job_id=JOB, attempt=1, stage="separating", fraction=0.5)],
        finished=[_finished],
        models=[_model],
        device="cpu",
        speed=40.0,
        host="test",
        runtime="winograd 1 fp32",
        passed_over=[workers_pb2.PassedOverRuntime(model="m", runtime="another", reason="It answered wrongly.")],
    ),
)


def sample(kind: type[Message]) -> Any:
    """A copy of the sample of this kind, to be changed at will."""
    [found] = [message for message in SAMPLES if isinstance(message, kind)]
    copy = kind()
    copy.CopyFrom(found)
    return copy


def fields_of(message: Message, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Path and description of every field that holds a value, in this message and in those inside it."""
    for field in message.DESCRIPTOR.fields:
        if field.message_type is None or field.message_type is Timestamp.DESCRIPTOR:
            yield (*path, field.name), field
        elif field.is_repeated:
            for part in getattr(message, field.name)[:1]:
                yield from fields_of(part, (*path, field.name))
        elif message.HasField(field.name):
            yield from fields_of(getattr(message, field.name), (*path, field.name))


def with_value(message: Message, path: tuple[str, ...], value: Any) -> Message:
    """A copy with another value at that place."""
    copy = type(message)()
    copy.CopyFrom(message)
    owner: Any = copy
    for name in path[:-1]:
        inner = getattr(owner, name)
        owner = inner if isinstance(inner, Message) else inner[0]
    field = owner.DESCRIPTOR.fields_by_name[path[-1]]
    if field.message_type is not None:
        getattr(owner, path[-1]).CopyFrom(value)
    elif field.is_repeated:
        getattr(owner, path[-1])[:] = [value]
    else:
        setattr(owner, path[-1], value)
    return copy


_EXTREMES: dict[int, list[Any]] = {
    FieldDescriptor.TYPE_BYTES: [b"", b"\xff" * 100, b"[" * 100_000, b"x" * 400_000],
    FieldDescriptor.TYPE_STRING: [
        "",
        "x" * 10_000,
        "../../etc/passwd",
        numbered("usr", 99),
        "upl_" + "i" * 26,
        "%s'\";--",
    ],
    FieldDescriptor.TYPE_DOUBLE: [math.nan, math.inf, -math.inf, 1e300, -1.0, 5e-324, 0.0],
    FieldDescriptor.TYPE_UINT32: [0, 2**31, 2**32 - 1],
    FieldDescriptor.TYPE_UINT64: [0, 2**63, 2**64 - 1],
    FieldDescriptor.TYPE_INT64: [-(2**63), 2**63 - 1],
    FieldDescriptor.TYPE_ENUM: [0, 77],
    FieldDescriptor.TYPE_BOOL: [],
    FieldDescriptor.TYPE_MESSAGE: [Timestamp(seconds=253_402_300_799), Timestamp(seconds=-62_135_596_800), Timestamp()],
}


def extremes_of(field: Any) -> list[Any]:
    """Values that a field of this type can hold on the wire and that nobody means."""
    return _EXTREMES[field.type]
