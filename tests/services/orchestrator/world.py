"""The orchestrator on a migrated database, with its siblings' voices and a clock in the test's hand."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI
from fastapi.testclient import TestClient
from google.protobuf.message import Message
from sqlalchemy import select

from services.kit.app import create_app
from services.kit.auth import Principal
from services.kit.database import Database
from services.kit.errors import Unauthorized
from services.kit.events.codec import Draft, Event, Record, decode
from services.kit.events.contracts import broken
from services.kit.events.errors import InvalidMessage
from services.kit.handling import in_transaction
from services.kit.ids import new_id
from services.kit.object_keys import source_key
from services.kit.protos import accounts_pb2, billing_pb2, prices_pb2, separation_pb2, uploads_pb2, workers_pb2
from services.kit.storage import Content, ObjectInfo, ObjectNotFound
from services.kit.tables import OUTBOX
from services.orchestrator.administration.errors import DeadLetterNotFound
from services.orchestrator.administration.feedback import MarkedRegions
from services.orchestrator.administration.measures import Sampler
from services.orchestrator.administration.service import Administration
from services.orchestrator.batches.quoting import BatchQuotes
from services.orchestrator.batches.service import Batches
from services.orchestrator.batches.sweeper import BatchSweeper
from services.orchestrator.consumers import Handlers
from services.orchestrator.credits.service import Quotes
from services.orchestrator.feedback.service import FeedbackService
from services.orchestrator.jobs.lifecycle import Lifecycle
from services.orchestrator.jobs.models import Job
from services.orchestrator.jobs.service import Jobs
from services.orchestrator.queue.dispatcher import Dispatcher
from services.orchestrator.queue.sweeper import Sweeper
from services.orchestrator.results.deletions import Deleter
from services.orchestrator.results.errors import SegmentNotFound
from services.orchestrator.results.playback import Listening
from services.orchestrator.results.service import Results
from services.orchestrator.routes import ROUTERS
from services.orchestrator.settings import Settings
from services.orchestrator.shares.errors import ShareNotFound
from services.orchestrator.shares.service import Shares
from services.orchestrator.signals import Signals
from services.orchestrator.uploads.service import Uploads
from services.orchestrator.workers.heartbeats import HeartbeatMonitor
from tests.app_client import AppClient
from tests.clocks import Clock
from tests.made_settings import made_settings
from tests.services.orchestrator.siblings import DIGEST, MODEL, SHA256, event_of, rate


def bearer(account_id: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {account_id}"}


class MemoryStorage:
    """An object store that keeps a dictionary; only what the orchestrator uses."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def head(self, key: str) -> ObjectInfo | None:
        data = self.objects.get(key)
        return None if data is None else ObjectInfo(key, len(data), "etag")

    def read_bytes(self, key: str, limit_bytes: int) -> bytes:
        if key not in self.objects:
            raise ObjectNotFound(key)
        return self.objects[key][:limit_bytes]

    def open(self, key: str) -> Content:
        data = self.read_bytes(key, 1 << 30)
        return Content(len(data), (data[begin : begin + (1 << 20)] for begin in range(0, len(data), 1 << 20)))

    def stream(self, key: str, begin: int = 0, end: int | None = None) -> Iterator[bytes]:
        yield self.read_bytes(key, 1 << 20)[begin:end]

    def presign_get(self, key: str, expires_seconds: int, download_name: str | None = None) -> str:
        return f"https://store/{key}?name={quote(download_name or '', safe='()')}&seconds={expires_seconds}"

    def delete_prefix(self, prefix: str) -> int:
        found = [key for key in self.objects if key.startswith(prefix)]
        for key in found:
            del self.objects[key]
        return len(found)


class NamesAreTokens:
    """Takes the token for the account id, with a role behind a slash, and behind another its only scope, so that tests
    need no keys."""

    def verify(self, token: str) -> Principal:
        if not token.startswith("usr_"):
            raise Unauthorized
        account_id, role, scope = (*token.split("/"), "", "")[:3]
        scopes = frozenset({scope} if scope else {"jobs", "uploads", "account"})
        return Principal(account_id, frozenset({"user", role}), scopes, "token")


@dataclass
class World:
    """The orchestrator and everybody it talks to, played by the test."""

    database: Database
    clock: Clock
    settings: Settings
    storage: MemoryStorage
    lifecycle: Lifecycle
    handlers: Handlers
    dispatcher: Dispatcher
    sweeper: Sweeper
    deleter: Deleter
    batch_sweeper: BatchSweeper
    sampler: Sampler
    app: FastAPI
    client: TestClient
    _read: int = 0
    _sequences: dict[str, int] = field(default_factory=dict)

    def hear(self, message: Message) -> None:
        """An event of a sibling arrives, if it holds what its contract allows; else it is an InvalidMessage."""
        problem = broken(message)
        if problem is not None:
            raise InvalidMessage(problem)
        in_transaction(self.database, self.handlers.of_types[type(message)])(event_of(message, self.clock()))

    def change_account(self, account_id: str, *, disabled: bool, at: int = 0) -> None:
        """Accounts tells, at a second of its own, whether the account is disabled."""
        news = accounts_pb2.AccountChanged(account_id=account_id, roles=["user"], plan="free", disabled=disabled)
        news.changed_at.FromSeconds(1_800_000_000 + at)
        self.hear(news)

    def tell_rates(self, *rates: prices_pb2.Rate) -> None:
        """Accounts tells what a second costs."""
        told = prices_pb2.RatesTold(product="separation", rates=rates)
        told.told_at.FromDatetime(self.clock())
        self.hear(told)

    def pass_time(self, seconds: float, *, beating: Sequence[str] = (), sweeping: bool = True) -> None:
        """Time passes in steps of a heartbeat; the workers named are heard in each, idle, and the sweeper comes by."""
        while seconds > 0:
            step = min(seconds, 15.0)
            self.clock.advance(step)
            seconds -= step
            for worker_id in beating:
                self.beat(worker_id)
            if sweeping:
                self.sweeper.sweep()
                self.batch_sweeper.sweep()

    def told(self) -> list[Event]:
        """Events that the orchestrator put into its outbox since the last call."""
        with self.database.read() as session:
            rows = session.execute(select(OUTBOX).where(OUTBOX.c.id > self._read).order_by(OUTBOX.c.id)).all()
        self._read = max([self._read, *(row.id for row in rows)])
        records = [
            Record(row.topic, row.key, row.value, [(n, v.encode()) for n, v in row.headers], row.partition)
            for row in rows
        ]
        return [event for event in (decode(Draft(record)) for record in records) if event is not None]

    def types_told(self) -> list[str]:
        """Their types, without the package."""
        return [event.type.removeprefix("stemwright.events.v1.") for event in self.told()]

    def ready_upload(
        self,
        account_id: str,
        *,
        seconds: float = 90.5,
        sample_rate_hz: int = 44100,
        channels: int = 2,
        voice: float | None = None,
    ) -> str:
        """An upload that can be separated."""
        upload_id = self.pending_upload(account_id)
        self.make_ready(
            account_id, upload_id, seconds=seconds, sample_rate_hz=sample_rate_hz, channels=channels, voice=voice
        )
        return upload_id

    def pending_upload(self, account_id: str) -> str:
        """An upload that is still coming."""
        upload_id = new_id("upl")
        self.hear(uploads_pb2.UploadCreated(upload_id=upload_id, account_id=account_id))
        return upload_id

    def reject(self, account_id: str, upload_id: str) -> None:
        """The upload's bytes are there and no good."""
        self.hear(
            uploads_pb2.UploadRejected(
                upload_id=upload_id, account_id=account_id, code="no_audio", reason="There is no sound in it."
            )
        )

    def make_ready(
        self,
        account_id: str,
        upload_id: str,
        *,
        seconds: float = 90.5,
        sample_rate_hz: int = 44100,
        channels: int = 2,
        filename: str = "Song.mp3",
        voice: float | None = None,
    ) -> None:
        """The upload's bytes are there and good."""
        self.hear(
            uploads_pb2.UploadReady(
                upload_id=upload_id,
                account_id=account_id,
                object_key=source_key(upload_id),
                sha256=SHA256,
                size_bytes=1000,
                filename=filename,
                audio=uploads_pb2.AudioFacts(
                    duration_seconds=seconds,
                    samples=1,
                    sample_rate_hz=sample_rate_hz,
                    channels=channels,
                    voice_start_seconds=voice,
                ),
            )
        )

    def grant(self, job: Any) -> None:
        """Accounts holds the price of a job."""
        self.hear(
            billing_pb2.ReservationGranted(
                job_id=job["id"],
                account_id=self.account_of(job["id"]),
                price_credits=job["price_credits"],
                balance=billing_pb2.Balance(available_credits=500, version=1),
            )
        )

    def settle(self, job_id: str, settlement: billing_pb2.Settlement) -> None:
        """Accounts ends the hold of a job."""
        self.hear(
            billing_pb2.ReservationSettled(job_id=job_id, account_id=self.account_of(job_id), settlement=settlement)
        )

    def beat(
        self,
        worker_id: str,
        *,
        running: list[tuple[str, int]] | None = None,
        finished: list[separation_pb2.SeparationFinished] | None = None,
        slots: int = 1,
        stopping: bool = False,
        models: Sequence[str] = (MODEL,),
        digest: str = DIGEST,
        playable_seconds: float = 0.0,
    ) -> None:
        """A worker's heartbeat."""
        self._sequences[worker_id] = self._sequences.get(worker_id, 0) + 1
        self.hear(
            workers_pb2.WorkerHeartbeat(
                worker_id=worker_id,
                sequence=self._sequences[worker_id],
                slots=slots,
                assignments_partition=2,
                running=[
                    workers_pb2.RunningAttempt(
                        job_id=job_id,
                        attempt=attempt,
                        stage="separating",
                        fraction=0.5,
                        playable_seconds=playable_seconds,
                    )
                    for job_id, attempt in running or []
                ],
                finished=finished,
                models=[separation_pb2.Model(name=name, digest=digest) for name in models],
                device="cpu",
                speed=40.0,
                stopping=stopping,
                host="test",
            )
        )

    def post_job(self, account_id: str, upload_id: str, **more: Any) -> Any:
        """A job through the API; the answer as JSON."""
        answer = self.client.post(
            "/v1/jobs", json={"upload_id": upload_id, **more}, headers={"Authorization": f"Bearer {account_id}"}
        )
        assert answer.status_code in (201, 202), answer.text
        return answer.json()

    def post_batch(self, account_id: str, upload_ids: Sequence[str], **more: Any) -> Any:
        """A batch through the API, a song for each upload; the answer as JSON."""
        answer = self.client.post(
            "/v1/batches",
            json={"items": [{"upload_id": upload_id} for upload_id in upload_ids], **more},
            headers=bearer(account_id),
        )
        assert answer.status_code in (201, 202), answer.text
        return answer.json()

    def grant_batch(self, batch: Any, account_id: str) -> None:
        """Accounts holds the prices of a batch's songs."""
        self.hear(
            billing_pb2.BatchReservationGranted(
                batch_id=batch["id"],
                account_id=account_id,
                price_credits=batch["price_credits"],
                balance=billing_pb2.Balance(available_credits=500, version=1),
            )
        )

    def queued_job(self, account_id: str | None = None, **more: Any) -> str:
        """A job whose credits are held."""
        account_id = account_id or new_id("usr")
        job = self.post_job(account_id, self.ready_upload(account_id), **more)
        self.grant(job)
        return str(job["id"])

    def running_job(self, worker_id: str, account_id: str | None = None, **wanted: Any) -> str:
        """A job that a worker has confirmed to run, as its first attempt."""
        job_id = self.queued_job(account_id, **wanted)
        self.beat(worker_id)
        assert self.dispatcher.place()
        self.beat(worker_id, running=[(job_id, 1)])
        return job_id

    def job(self, job_id: str) -> Job:
        """The row of a job."""
        with self.database.read() as session:
            job = session.get(Job, job_id)
        assert job is not None
        return job

    def account_of(self, job_id: str) -> str:
        return self.job(job_id).account_id


@contextmanager
def running_world(
    database: Database, clock: Clock, *, rates_known: bool = True, **settings_changed: Any
) -> Iterator[World]:
    """The orchestrator with some settings of its own."""
    unchanged = {"answer_wait_seconds": 0.0, "log_level": "ERROR", "database_url": "sqlite:///unused.db"}
    settings = made_settings(Settings, **{**unchanged, **settings_changed})
    signals = Signals()
    heartbeats = HeartbeatMonitor(settings.lease_seconds / 2, clock=lambda: clock().timestamp())
    storage = MemoryStorage()
    lifecycle = Lifecycle(settings, signals)
    jobs = Jobs(database, settings, lifecycle, signals)
    batches = Batches(database, settings, lifecycle, signals)
    quotes = Quotes(database, settings, lifecycle, signals)
    results = Results(database, storage, settings)  # type: ignore[arg-type]
    listening = Listening(database, storage)  # type: ignore[arg-type]
    app = create_app(
        name="orchestrator",
        title="test",
        routers=ROUTERS,
        state={
            "verifier": NamesAreTokens(),
            "settings": settings,
            "jobs": jobs,
            "batches": batches,
            "quotes": quotes,
            "batch_quotes": BatchQuotes(database, settings, Uploads(database, settings, lifecycle, signals), quotes),
            "feedback": FeedbackService(database),
            "marked_regions": MarkedRegions(database, storage),  # type: ignore[arg-type]
            "administration": Administration(database, settings, lifecycle, signals, jobs),
            "results": results,
            "listening": listening,
            "shares": Shares(database, listening, results),
        },
        missing={
            "track": SegmentNotFound,
            "number": SegmentNotFound,
            "share": ShareNotFound,
            "letter": DeadLetterNotFound,
        },
    )
    world = World(
        database=database,
        clock=clock,
        settings=settings,
        storage=storage,
        lifecycle=lifecycle,
        handlers=Handlers(database, lifecycle, signals, heartbeats),
        dispatcher=Dispatcher(database, settings, lifecycle, signals, heartbeats),
        sweeper=Sweeper(database, settings, lifecycle),
        batch_sweeper=BatchSweeper(database, settings, lifecycle, batches),
        sampler=Sampler(database),
        deleter=Deleter(database, storage, settings),  # type: ignore[arg-type]
        app=app,
        client=AppClient(app, follow_redirects=False),
    )
    if rates_known:
        world.tell_rates(rate())
    yield world
