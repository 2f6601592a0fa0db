"""Puts the orchestrator together."""

from functools import partial

from fastapi import FastAPI

from services.kit.app import create_app
from services.kit.auth import TokenVerifier
from services.kit.database import Database
from services.kit.erasures import Eraser
from services.kit.events.brokers import Brokers
from services.kit.events.dead_letter_box import DeadLetterBox
from services.kit.events.producer import EventProducer
from services.kit.events.rights import writes_of
from services.kit.events.topics import Owner
from services.kit.housekeeping import Housekeeping
from services.kit.leadership import Leadership
from services.kit.outbox import OutboxRelay
from services.kit.process import BackgroundTask
from services.kit.s3 import S3Storage
from services.kit.schema import check_schema
from services.orchestrator.administration.dead_letters import DeadLetters
from services.orchestrator.administration.errors import DeadLetterNotFound, WorkerNotFound
from services.orchestrator.administration.feedback import MarkedRegions
from services.orchestrator.administration.measures import Sampler
from services.orchestrator.administration.service import Administration
from services.orchestrator.batches.errors import BatchNotFound
from services.orchestrator.batches.quoting import BatchQuotes
from services.orchestrator.batches.service import Batches
from services.orchestrator.batches.sweeper import BatchSweeper
from services.orchestrator.consumers import Handlers
from services.orchestrator.credits.rates import RatesWatch
from services.orchestrator.credits.service import Quotes
from services.orchestrator.erasing import Forgetting
from services.orchestrator.feedback.service import FeedbackService
from services.orchestrator.jobs.errors import JobNotFound
from services.orchestrator.jobs.lifecycle import Lifecycle
from services.orchestrator.jobs.service import Jobs
from services.orchestrator.queue.dispatcher import Dispatcher
from services.orchestrator.queue.measures import queue_measures
from services.orchestrator.queue.sweeper import Sweeper
from services.orchestrator.results.deletions import Deleter, Forgetter
from services.orchestrator.results.errors import SegmentNotFound, StemNotFound
from services.orchestrator.results.playback import Listening
from services.orchestrator.results.service import Results
from services.orchestrator.routes import ROUTERS
from services.orchestrator.settings import Settings
from services.orchestrator.shares.errors import ShareNotFound
from services.orchestrator.shares.service import Shares
from services.orchestrator.signals import Signals
from services.orchestrator.uploads.service import Uploads
from services.orchestrator.workers.heartbeats import HeartbeatMonitor

NAME: Owner = "orchestrator"


def build(settings: Settings) -> FastAPI:
    """The app with everything it needs; nothing is connected before it starts."""
    database = Database.from_settings(settings, NAME)
    storage = S3Storage.from_settings(settings)
    signals = Signals(settings.waiting_requests)
    heartbeats = HeartbeatMonitor(settings.lease_seconds / 2)
    lifecycle = Lifecycle(settings, signals)
    eraser = Eraser(database, Forgetting(database, storage, lifecycle))
    jobs = Jobs(database, settings, lifecycle, signals)
    batches = Batches(database, settings, lifecycle, signals)
    quotes = Quotes(database, settings, lifecycle, signals)
    results, listening = Results(database, storage, settings), Listening(database, storage)
    leadership = Leadership(database)
    tasks: list[BackgroundTask] = [
        OutboxRelay(database, EventProducer(Brokers.of(settings), NAME, writes_of(NAME))),
        Handlers(database, lifecycle, signals, heartbeats).consumer(settings, eraser),
        eraser,
        Dispatcher(database, settings, lifecycle, signals, heartbeats),
        leadership,
        *leadership.where_held(
            Sweeper(database, settings, lifecycle),
            BatchSweeper(database, settings, lifecycle, batches),
            Sampler(database),
            RatesWatch(database, settings.ask_again_seconds),
            Deleter(database, storage, settings),
            Forgetter(database, settings),
            Housekeeping(database),
        ),
    ]
    return create_app(
        name=NAME,
        title="Stemwright: jobs",
        routers=ROUTERS,
        tasks=tasks,
        prerequisites={"database": partial(check_schema, database)},
        measures=queue_measures(database, settings),
        state={
            "verifier": TokenVerifier.from_settings(settings),
            "settings": settings,
            "jobs": jobs,
            "batches": batches,
            "quotes": quotes,
            "batch_quotes": BatchQuotes(database, settings, Uploads(database, settings, lifecycle, signals), quotes),
            "feedback": FeedbackService(database),
            "dead_letters": DeadLetters(database, DeadLetterBox(Brokers.of(settings), NAME)),
            "marked_regions": MarkedRegions(database, storage),
            "administration": Administration(database, settings, lifecycle, signals, jobs),
            "results": results,
            "listening": listening,
            "shares": Shares(database, listening, results),
        },
        missing={
            "job_id": JobNotFound,
            "batch_id": BatchNotFound,
            "name": StemNotFound,
            "track": SegmentNotFound,
            "number": SegmentNotFound,
            "worker_id": WorkerNotFound,
            "share": ShareNotFound,
            "letter": DeadLetterNotFound,
        },
    )
