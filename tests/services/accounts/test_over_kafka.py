"""The whole process over a real broker: questions in, answers out, and a broker that forgets everything."""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient

from services.accounts.app import build
from services.accounts.sessions.tokens import SigningKeys
from services.accounts.settings import Settings
from services.kit.database import Database
from services.kit.events.codec import Event, OutgoingEvent, encode
from services.kit.events.consumer import Consumer
from services.kit.events.producer import EventProducer
from services.kit.events.topics import BILLING, JOBS_EVENTS, JOBS_INTERNAL
from services.kit.ids import new_id
from services.kit.protos import billing_pb2, jobs_pb2
from tests.broker import Broker
from tests.databases import MakeDatabase
from tests.services.accounts.conftest import PASSWORD, QUICK_HASHES_KIB

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

PATIENCE_SECONDS = 180.0


class Orchestrator:
    """Asks, and keeps asking until it is answered, as the real one does."""

    def __init__(self, broker: Broker) -> None:
        self.heard: list[Any] = []
        self._producer = EventProducer(broker.brokers, "orchestrator")
        self._stop = threading.Event()
        self._news = threading.Condition()
        consumer = Consumer(
            broker.brokers,
            name="orchestrator",
            group="orchestrator",
            topics=[BILLING],
            handlers=dict.fromkeys(BILLING.messages, self._hear),
        )
        self._thread = threading.Thread(target=consumer.run, args=(self._stop,))
        self._thread.start()

    def _hear(self, event: Event) -> None:
        with self._news:
            self.heard.append(event.data)
            self._news.notify_all()

    def ask(self, event: OutgoingEvent, kind: type[Any], job_id: str) -> Any:
        """The answer of this kind about this job."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            # The broker may be away or may lose the question: both are why it is asked again.
            self._producer.send_records([encode(event)], 2.0)
            with self._news:
                if self._news.wait_for(lambda: self._answer(kind, job_id), 2.0):
                    return self._answer(kind, job_id)
        raise AssertionError(f"no {kind.__name__} for {job_id}; heard {self.heard}")

    def _answer(self, kind: type[Any], job_id: str) -> Any:
        return next((told for told in self.heard if isinstance(told, kind) and told.job_id == job_id), None)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._producer.close()


@pytest.fixture
def orchestrator(broker: Broker) -> Iterator[Orchestrator]:
    asking = Orchestrator(broker)
    yield asking
    asking.close()


def _requested(job_id: str, account_id: str) -> OutgoingEvent:
    data = jobs_pb2.ReservationRequested(
        job_id=job_id, account_id=account_id, price_credits=100, mode=jobs_pb2.JOB_MODE_FULL
    )
    return OutgoingEvent(JOBS_INTERNAL, key=job_id, data=data)


def _succeeded(job_id: str, account_id: str) -> OutgoingEvent:
    job = {
        "id": job_id,
        "upload_id": new_id("upl"),
        "account_id": account_id,
        "mode": "full",
        "status": "succeeded",
        "attempt": 1,
        "price_credits": 100,
        "created_at": datetime.now(UTC).isoformat(),
    }
    return OutgoingEvent(JOBS_EVENTS, key=account_id, data={"job": job}, type="job.succeeded", subject=job_id)


def test_a_job_is_held_for_and_charged_even_if_the_broker_forgets_everything_between(
    broker: Broker, orchestrator: Orchestrator, make_database: MakeDatabase, keys: SigningKeys
) -> None:
    database: Database = make_database("accounts")
    settings = Settings(
        KAFKA_BOOTSTRAP_SERVERS=broker.bootstrap, verify_email=False, password_memory_kib=QUICK_HASHES_KIB
    )
    with TestClient(build(settings, keys, database)) as client:
        registered = client.post("/v1/auth/register", json={"email": "ada@example.com", "password": PASSWORD})
        account_id, job_id = registered.json()["id"], new_id("job")

        granted = orchestrator.ask(_requested(job_id, account_id), billing_pb2.ReservationGranted, job_id)
        broker.restart_empty()
        settled = orchestrator.ask(_succeeded(job_id, account_id), billing_pb2.ReservationSettled, job_id)

    assert (granted.balance.available_credits, granted.balance.reserved_credits) == (500, 100)
    assert settled.settlement == billing_pb2.SETTLEMENT_CAPTURED
    assert (settled.balance.available_credits, settled.balance.reserved_credits) == (500, 0)
    assert settled.balance.version == 3
