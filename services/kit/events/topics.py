"""The closed list of topics: what may be said between services, by whom and where.

Everything that knows topics is made from it: creation, encoding, decoding and `docs/asyncapi.yaml`.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import Literal

from google.protobuf.message import Message

from services.kit.events.public import BATCH_EVENT_TYPES, JOB_EVENT_TYPES
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

Owner = Literal["upload", "orchestrator", "accounts", "worker", "notifier"]

PARTITIONS = 4
"""Of every topic. Also what the local broker gives a topic that it creates by itself, as it does whenever a client asks
for one after the broker lost everything: a topic is then right from its first moment."""


@dataclass(frozen=True, eq=False)
class Topic:
    """One topic. Only `owner` writes to it, or, where its siblings answer, only they do.

    `messages` gives the field of each message that holds the record's key; a record whose key differs is invalid.
    """

    name: str
    key: str
    owner: Owner
    consumers: tuple[str, ...]
    retention: timedelta
    summary: str
    messages: Mapping[type[Message], str] = field(default_factory=lambda: MappingProxyType({}))
    json_types: frozenset[str] = frozenset()
    partitions: int = PARTITIONS
    urgent: bool = False
    """Its events go before older ones of other topics."""
    answered_by: tuple[Owner, ...] = ()
    """Of a topic that gathers answers to its owner: who writes there instead of the owner."""
    steady: bool = False
    """Records come all the time, work or not; nobody waits for one of them."""

    @property
    def writers(self) -> tuple[Owner, ...]:
        """Who writes to it, and nobody else."""
        return self.answered_by or (self.owner,)

    @property
    def encoding(self) -> Literal["protobuf", "json"]:
        """JSON is for what partners may read."""
        return "json" if self.json_types else "protobuf"

    def message(self, type_name: str) -> type[Message] | None:
        """The message class of a protobuf event type, if it belongs on this topic."""
        return next((message for message in self.messages if type_of(message) == type_name), None)


def type_of(message: type[Message]) -> str:
    """The event type of a message: its full protobuf name, which ends in its version."""
    return str(message.DESCRIPTOR.full_name)


UPLOADS = Topic(
    name="uploads.v1",
    key="upload id",
    owner="upload",
    consumers=("orchestrator", "notifier", "gateway"),
    retention=timedelta(days=7),
    summary="What became of a file that was sent.",
    messages=MappingProxyType(
        {
            uploads_pb2.UploadCreated: "upload_id",
            uploads_pb2.UploadReady: "upload_id",
            uploads_pb2.UploadRejected: "upload_id",
            uploads_pb2.UploadDeleted: "upload_id",
        }
    ),
)

JOBS_INTERNAL = Topic(
    name="jobs.internal.v1",
    key="id of what is asked about",
    owner="orchestrator",
    consumers=("accounts", "upload"),
    retention=timedelta(days=1),
    summary="The orchestrator's questions to its siblings. Each may be asked again and is answered every time.",
    messages=MappingProxyType(
        {
            jobs_pb2.ReservationRequested: "job_id",
            jobs_pb2.BatchReservationRequested: "batch_id",
            jobs_pb2.UploadStatusRequested: "upload_id",
            jobs_pb2.UploadFetchRequested: "upload_id",
            jobs_pb2.BalanceRequested: "account_id",
            jobs_pb2.RatesRequested: "product",
        }
    ),
)

BILLING = Topic(
    name="billing.v1",
    key="account id",
    owner="accounts",
    consumers=("orchestrator", "notifier", "gateway"),
    retention=timedelta(days=7),
    summary="Credits held, taken and given back; what was paid, and that few credits are left.",
    messages=MappingProxyType(
        {
            billing_pb2.BalanceChanged: "account_id",
            billing_pb2.ReservationGranted: "account_id",
            billing_pb2.ReservationRefused: "account_id",
            billing_pb2.ReservationSettled: "account_id",
            billing_pb2.BatchReservationGranted: "account_id",
            billing_pb2.BatchReservationRefused: "account_id",
            billing_pb2.PaymentSucceeded: "account_id",
            billing_pb2.CreditsLow: "account_id",
        }
    ),
)

ACCOUNTS = Topic(
    name="accounts.v1",
    key="account id",
    owner="accounts",
    consumers=("upload", "orchestrator", "notifier"),
    retention=timedelta(days=7),
    summary="What became of an account: erased, disabled, other roles or another plan.",
    messages=MappingProxyType({accounts_pb2.AccountErased: "account_id", accounts_pb2.AccountChanged: "account_id"}),
)

ACCOUNT_RECEIPTS = Topic(
    name="accounts.receipts.v1",
    key="account id",
    owner="accounts",
    # Not on accounts.v1: whoever may write there can have an account erased.
    answered_by=("upload", "orchestrator", "notifier"),
    consumers=("accounts",),
    retention=timedelta(days=7),
    summary="The services' answers to an erasure: what each of them deleted.",
    messages=MappingProxyType({accounts_pb2.AccountErasureReceipt: "account_id"}),
)

PRICES = Topic(
    name="prices.v1",
    key="what is priced",
    owner="accounts",
    consumers=("orchestrator",),
    retention=timedelta(days=7),
    summary="What a second of sound costs, by model and tier.",
    messages=MappingProxyType({prices_pb2.RatesTold: "product"}),
)

ASSIGNMENTS = Topic(
    name="separation.assignments.v1",
    key="worker id; partition by assignments_partition(worker id)",
    owner="orchestrator",
    consumers=("worker",),
    retention=timedelta(hours=1),
    summary="Work for the one worker that is named in it, and its recall.",
    urgent=True,
    messages=MappingProxyType(
        {separation_pb2.SeparationAssigned: "worker_id", separation_pb2.SeparationCanceled: "worker_id"}
    ),
)

PROGRESS = Topic(
    name="separation.progress.v1",
    key="job id",
    owner="worker",
    consumers=("orchestrator", "gateway"),
    retention=timedelta(minutes=10),
    summary="How far a separation is. Never stored.",
    steady=True,
    messages=MappingProxyType({separation_pb2.SeparationProgress: "job_id"}),
)

FINISHED = Topic(
    name="separation.finished.v1",
    key="job id",
    owner="worker",
    consumers=("orchestrator",),
    retention=timedelta(days=7),
    summary="The end of an attempt.",
    messages=MappingProxyType({separation_pb2.SeparationFinished: "job_id"}),
)

WORKERS = Topic(
    name="workers.v1",
    key="worker id",
    owner="worker",
    consumers=("orchestrator",),
    retention=timedelta(hours=1),
    summary="What every worker says of itself, every few seconds and on each change.",
    steady=True,
    messages=MappingProxyType({workers_pb2.WorkerHeartbeat: "worker_id"}),
)

JOBS_EVENTS = Topic(
    name="jobs.events.v1",
    key="account id",
    owner="orchestrator",
    consumers=("accounts", "notifier", "gateway"),
    retention=timedelta(days=7),
    summary="What became of jobs and of batches. The notifier makes the public events of partners out of it.",
    json_types=JOB_EVENT_TYPES | BATCH_EVENT_TYPES,
)

AUDIT = Topic(
    name="audit.v1",
    key="id of who acted",
    owner="orchestrator",
    consumers=("accounts",),
    retention=timedelta(days=7),
    summary="What people who run the platform did at a service, for the audit log.",
    messages=MappingProxyType({audit_pb2.OperatorActed: "operator_id"}),
)

WEBHOOKS = Topic(
    name="webhooks.v1",
    key="account id",
    owner="notifier",
    consumers=("accounts",),
    retention=timedelta(days=7),
    summary="What the owner of a webhook endpoint is to be written about.",
    messages=MappingProxyType({webhooks_pb2.WebhookEndpointDisabled: "account_id"}),
)

TOPICS: tuple[Topic, ...] = (
    UPLOADS,
    JOBS_INTERNAL,
    BILLING,
    PRICES,
    ACCOUNTS,
    ACCOUNT_RECEIPTS,
    ASSIGNMENTS,
    PROGRESS,
    FINISHED,
    WORKERS,
    JOBS_EVENTS,
    AUDIT,
    WEBHOOKS,
)

DEAD_LETTER_RETENTION = timedelta(days=14)
SEGMENT = timedelta(days=1)
"""Kafka deletes whole segments, when the newest record in one is older than the retention. No segment is written to for
longer than this, so a record outlives its retention by no more."""
GONE_AFTER = max(DEAD_LETTER_RETENTION, *(topic.retention for topic in TOPICS)) + SEGMENT
"""No record is on any topic for longer, give or take the minutes in which a broker looks for what is due."""
_BY_NAME = {topic.name: topic for topic in TOPICS}


def topic_named(name: str) -> Topic | None:
    """The topic of that name, if it is in the closed list; dead-letter topics are not."""
    return _BY_NAME.get(name)


PARTNERS = "partners."
"""How the names of topics begin that belong to partners; they are none of the closed list."""


def dead_letters(topic: Topic | str) -> str:
    """Name of the topic that keeps what consumers of `topic` could never handle."""
    return f"{topic.name if isinstance(topic, Topic) else topic}.dlq"


def assignments_partition(worker_id: str) -> int:
    """Partition of `separation.assignments.v1` that a worker reads; the worker says it in its heartbeats."""
    return zlib.crc32(worker_id.encode()) % ASSIGNMENTS.partitions
