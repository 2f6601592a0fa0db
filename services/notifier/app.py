"""Puts the notifier together."""

from collections.abc import Sequence
from functools import partial

from fastapi import FastAPI

from services.kit.app import create_app
from services.kit.auth import TokenVerifier
from services.kit.database import Database
from services.kit.erasures import Eraser
from services.kit.events.admin import NOTHING
from services.kit.events.brokers import Brokers
from services.kit.events.producer import EventProducer
from services.kit.events.rights import writes_of
from services.kit.housekeeping import Housekeeping
from services.kit.leadership import Leadership
from services.kit.measures import measures_of
from services.kit.outbound.fetcher import Fetcher
from services.kit.outbox import OutboxRelay
from services.kit.periodic import Periodic
from services.kit.process import BackgroundTask
from services.kit.schema import check_schema
from services.notifier.consumers import news_consumer
from services.notifier.deliveries.dispatcher import Dispatcher
from services.notifier.deliveries.errors import DeliveryNotFound
from services.notifier.deliveries.outcomes import Outcomes
from services.notifier.deliveries.queue import DeliveryQueue
from services.notifier.deliveries.rounds import Rounds
from services.notifier.endpoints.errors import EndpointNotFound
from services.notifier.endpoints.service import Endpoints
from services.notifier.erasing import Forgetting
from services.notifier.event_topics.brokers import KafkaPartners
from services.notifier.event_topics.errors import EventTopicNotFound
from services.notifier.event_topics.publisher import LOOK_SECONDS, LOOK_SECONDS_WHERE_NOT_OFFERED, TopicPublisher
from services.notifier.event_topics.service import EventTopics
from services.notifier.events.feed import Feed
from services.notifier.events.pruning import Pruner
from services.notifier.events.readers import Readers
from services.notifier.events.recorder import Recorder
from services.notifier.routes import ROUTERS
from services.notifier.settings import Settings

RESEAL_SECONDS = 300


def build(settings: Settings) -> FastAPI:
    """The app with everything that runs beside it."""
    database = Database.from_settings(settings, "notifier")
    readers, endpoints = Readers(settings), Endpoints(settings)
    queue = DeliveryQueue(database, endpoints, lease=settings.webhook_lease)
    recorder = Recorder(readers, queue, kept=settings.events_kept)
    rounds = Rounds(database, queue, Outcomes(recorder, patience=settings.webhook_patience))
    fetcher = Fetcher(settings, timeout_seconds=settings.webhook_timeout_seconds)
    eraser = Eraser(database, Forgetting(database))
    brokers = Brokers.of(settings)
    partners = KafkaPartners(brokers)
    look_seconds = LOOK_SECONDS if settings.partner_topics else LOOK_SECONDS_WHERE_NOT_OFFERED
    leadership = Leadership(database)
    partners_producer = EventProducer(brokers, "notifier", NOTHING)
    return assemble(
        settings,
        database,
        readers,
        endpoints,
        queue,
        EventTopics(database, settings, partners),
        verifier=TokenVerifier.from_settings(settings),
        tasks=[
            OutboxRelay(database, EventProducer(brokers, "notifier", writes_of("notifier"))),
            news_consumer(settings, database, recorder, endpoints, eraser),
            Dispatcher(rounds, fetcher, settings),
            eraser,
            leadership,
            *leadership.where_held(
                Pruner(database, kept=settings.events_kept),
                Housekeeping(database),
                Periodic("secret-resealing", RESEAL_SECONDS, partial(endpoints.reseal, database)),
                TopicPublisher(database, partners_producer, partners, look_seconds=look_seconds),
            ),
        ],
    )


def assemble(
    settings: Settings,
    database: Database,
    readers: Readers,
    endpoints: Endpoints,
    queue: DeliveryQueue,
    event_topics: EventTopics,
    *,
    verifier: TokenVerifier,
    tasks: Sequence[BackgroundTask] = (),
) -> FastAPI:
    """The app over given parts; `tasks` are those that talk to the event log and to endpoints."""
    return create_app(
        name="notifier",
        title="Stemwright notifier",
        routers=ROUTERS,
        tasks=tasks,
        prerequisites={"database": partial(check_schema, database)},
        measures=measures_of(database),
        state={
            "database": database,
            "verifier": verifier,
            "readers": readers,
            "feed": Feed(database, readers, poll_seconds=settings.feed_poll_seconds),
            "endpoints": endpoints,
            "queue": queue,
            "event_topics": event_topics,
        },
        missing={"endpoint_id": EndpointNotFound, "delivery_id": DeliveryNotFound, "topic_id": EventTopicNotFound},
    )
