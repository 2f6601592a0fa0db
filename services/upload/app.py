"""Puts the upload service together."""

import re

from fastapi import FastAPI

from services.kit.app import BackgroundTask, create_app
from services.kit.auth import TokenVerifier
from services.kit.database import Database
from services.kit.events.consumer import Consumer
from services.kit.events.producer import EventProducer
from services.kit.events.topics import JOBS_INTERNAL
from services.kit.housekeeping import Housekeeping
from services.kit.outbox import OutboxRelay
from services.kit.storage import ObjectStorage, S3Storage
from services.upload.cleaning import Cleaner, Sweeper
from services.upload.consumers import UploadQuestions
from services.upload.prober import Prober
from services.upload.routes import router
from services.upload.scratch import Scratch
from services.upload.service import Uploads
from services.upload.settings import Settings
from services.upload.transfers import Transfers
from services.upload.validation import Validator
from services.upload.verdicts import Bell, Verdicts


def build(settings: Settings) -> FastAPI:
    """The app with everything that runs beside it."""
    database = Database(settings.database_url.get_secret_value(), "upload")
    storage = S3Storage.from_settings(settings, connections=settings.max_transfers + settings.validators + 16)
    relay = OutboxRelay(database, EventProducer(settings.kafka_bootstrap_servers, source="upload"))
    questions = Consumer(
        settings.kafka_bootstrap_servers,
        name="upload-questions",
        group="upload",
        sole=settings.kafka_sole_consumers,
        topics=[JOBS_INTERNAL],
        handlers=UploadQuestions(database).handlers,
    )
    return assemble(
        settings,
        database,
        storage,
        verifier=TokenVerifier.from_settings(settings),
        tasks=[relay, questions, Housekeeping(database)],
    )


def assemble(
    settings: Settings,
    database: Database,
    storage: ObjectStorage,
    *,
    verifier: TokenVerifier,
    tasks: list[BackgroundTask],
) -> FastAPI:
    """The app over given parts; `tasks` are those that talk to the event log."""
    bell, verdicts = Bell(), Verdicts()
    cleaner = Cleaner(database, storage)
    prober = Prober(settings)
    scratch = Scratch(settings.scratch_directory)
    uploads = Uploads(database, storage, settings, cleaner=cleaner, bell=bell, verdicts=verdicts)
    validators = [
        Validator(
            number,
            database,
            storage,
            settings,
            cleaner=cleaner,
            prober=prober,
            scratch=scratch,
            bell=bell,
            verdicts=verdicts,
        )
        for number in range(1, settings.validators + 1)
    ]
    return create_app(
        name="upload",
        title="Stemwright uploads",
        routers=[router],
        tasks=[*validators, Sweeper(database, storage, cleaner, settings), *tasks],
        checks={"database": database.ping, "storage": storage.ensure_bucket},
        state={
            "database": database,
            "verifier": verifier,
            "uploads": uploads,
            "transfers": Transfers(uploads, storage, settings),
        },
        streamed=re.compile(r"/v1/uploads/[^/]+/content"),
    )
