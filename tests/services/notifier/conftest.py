"""The notifier over a migrated database, fed by hand with what the event log would bring."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient
from google.protobuf.message import Message

from services.kit.auth import SCOPES, InvalidToken, Principal, TokenVerifier
from services.kit.database import Database
from services.kit.erasures import Eraser
from services.kit.errors import Unavailable
from services.kit.events.codec import Draft, Event, OutgoingEvent, decode, encode
from services.kit.events.topics import BILLING, JOBS_EVENTS, UPLOADS
from services.notifier.app import assemble
from services.notifier.consumers import closing, recording
from services.notifier.deliveries.outcomes import Outcomes
from services.notifier.deliveries.queue import DeliveryQueue
from services.notifier.deliveries.rounds import Rounds
from services.notifier.endpoints.service import Endpoints
from services.notifier.erasing import Forgetting
from services.notifier.event_topics.service import EventTopics
from services.notifier.events.readers import Readers
from services.notifier.events.recorder import Recorder
from services.notifier.settings import Settings
from tests.clocks import Clock
from tests.databases import MakeDatabase
from tests.ids import numbered
from tests.made_settings import made_settings
from tests.messages import sample
from tests.services.notifier.sink import Sink, sink

ADA, BOB = numbered("usr", 1), numbered("usr", 2)
BEGIN = datetime(2026, 11, 20, 12, tzinfo=UTC)


class NamedTokens(TokenVerifier):
    """Takes a token for the name of its account, a partner; `<account>:<scope>` has that scope only, and
    `<account>:user` is no partner."""

    def __init__(self) -> None:
        """Needs no keys."""

    def verify(self, token: str) -> Principal:
        account, _, limit = token.partition(":")
        if not account.startswith("usr_"):
            raise InvalidToken
        roles = {"user"} if limit == "user" else {"user", "partner"}
        scopes = SCOPES if limit in ("", "user") else [limit]
        return Principal(account, frozenset(roles), frozenset(scopes), "token")


def job_event(
    kind: str, job_id: str, *, account_id: str = ADA, at: datetime = BEGIN, event_id: str | None = None, **more: Any
) -> OutgoingEvent:
    """What the orchestrator says of a job."""
    status = {"started": "running", "deleted": "succeeded"}.get(kind, kind)
    job = {
        "id": job_id,
        "account_id": account_id,
        "upload_id": numbered("upl"),
        "mode": "full",
        "status": status,
        "attempt": 1,
        "price_credits": 181,
        "model": {"name": "spleeter-2stems", "digest": "sha256:" + "1" * 64},
        "audio_seconds": 180.5,
        "retry_of": None,
        "error": None,
        "created_at": at.isoformat(),
        "queued_at": at.isoformat(),
        "started_at": at.isoformat(),
        "finished_at": at.isoformat(),
        "metadata": {"song": "7"},
        **more,
    }
    return OutgoingEvent(JOBS_EVENTS, account_id, {"job": job}, type=f"job.{kind}", subject=job_id, id=event_id)


def told(kind: type[Message], **changes: Any) -> OutgoingEvent:
    """What uploads or accounts say."""
    message = sample(kind)
    for name, value in {"account_id": ADA, **changes}.items():
        setattr(message, name, value)
    topic = UPLOADS if kind in UPLOADS.messages else BILLING
    return OutgoingEvent(topic, getattr(message, topic.messages[kind]), message)


class PartnersBrokersByHand:
    """Remembers whose topics there are; away when told so."""

    def __init__(self) -> None:
        self.topics: set[str] = set()
        self.made = 0
        self.away = False

    def make(self, account_id: str) -> str:
        self._ask()
        self.topics.add(account_id)
        self.made += 1
        return f"password {self.made}"

    def remove(self, account_id: str) -> None:
        self._ask()
        self.topics.discard(account_id)

    def _ask(self) -> None:
        if self.away:
            raise Unavailable("away")


def heard(event: OutgoingEvent) -> Event:
    """The same as it comes out of the event log."""
    arrived = decode(Draft(encode(event)))
    assert arrived is not None
    return arrived


@dataclass
class Notifier:
    """The service, its clock, and who asks it."""

    database: Database
    settings: Settings
    endpoints: Endpoints
    queue: DeliveryQueue
    recorder: Recorder
    readers: Readers
    eraser: Eraser
    clock: Clock
    client: TestClient
    brokers: "PartnersBrokersByHand"

    def hear(self, *events: OutgoingEvent | Event) -> None:
        """The event log brings these, one by one."""
        handlers = {
            key if isinstance(key, str) else str(key.DESCRIPTOR.full_name): handle
            for key, handle in {
                **recording(self.database, self.recorder),
                **closing(self.database, self.endpoints),
            }.items()
        }
        for event in events:
            arrived = heard(event) if isinstance(event, OutgoingEvent) else event
            handlers[arrived.type](arrived)

    def get(self, path: str, token: str = ADA, **query: Any) -> Any:
        """What the service answers with 200."""
        return self.call("GET", path, token, params=query)

    @property
    def outcomes(self) -> Outcomes:
        return Outcomes(self.recorder, patience=self.settings.webhook_patience)

    @property
    def rounds(self) -> Rounds:
        """Those of one process."""
        return Rounds(self.database, self.queue, self.outcomes)

    def call(self, method: str, path: str, token: str = ADA, *, status: int = 200, **options: Any) -> Any:
        """What the service answers with this status; None where it has no body."""
        headers = {"Authorization": f"Bearer {token}", **options.pop("headers", {})}
        answer = self.client.request(method, path, headers=headers, **options)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    def feed(self, token: str = ADA, **query: Any) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.get("/v1/events", token, **query)["items"]
        return items

    def types(self, token: str = ADA) -> list[str]:
        return [event["type"] for event in self.feed(token)]


@pytest.fixture
def clock() -> Clock:
    return Clock(BEGIN)


@pytest.fixture
def settings() -> Settings:
    return made_settings(
        Settings,
        feed_poll_seconds=0.05,
        webhook_poll_seconds=0.05,
        # A busy machine takes its time.
        webhook_timeout_seconds=60,
        outbound_allow_loopback=True,
        partner_topics=True,
    )


@pytest.fixture
def notifier(make_database: MakeDatabase, clock: Clock, settings: Settings) -> Iterator[Notifier]:
    database = make_database("notifier", clock=clock)
    readers, endpoints = Readers(settings), Endpoints(settings)
    queue = DeliveryQueue(database, endpoints, lease=settings.webhook_lease)
    brokers = PartnersBrokersByHand()
    topics = EventTopics(database, settings, brokers)
    app = assemble(settings, database, readers, endpoints, queue, topics, verifier=NamedTokens())
    with TestClient(app) as client:
        recorder = Recorder(readers, queue, kept=settings.events_kept)
        eraser = Eraser(database, Forgetting(database))
        yield Notifier(database, settings, endpoints, queue, recorder, readers, eraser, clock, client, brokers)


@pytest.fixture
def partner() -> Iterator[Sink]:
    with sink() as server:
        yield server
