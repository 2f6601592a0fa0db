"""Puts the upload service together."""

import re
from functools import partial

from fastapi import FastAPI

from services.kit.app import create_app
from services.kit.auth import TokenVerifier
from services.kit.database import Database
from services.kit.erasures import Eraser
from services.kit.events.brokers import Brokers
from services.kit.events.producer import EventProducer
from services.kit.events.rights import writes_of
from services.kit.housekeeping import Housekeeping
from services.kit.leadership import Leadership
from services.kit.measures import measures_of
from services.kit.outbound.fetcher import Fetcher
from services.kit.outbox import OutboxRelay
from services.kit.process import BackgroundTask
from services.kit.s3 import S3Storage
from services.kit.schema import check_schema
from services.kit.storage import BucketReady, ObjectStorage
from services.upload.cleaning import Cleaner, Sweeper
from services.upload.consumers import upload_consumer
from services.upload.erasing import Forgetting
from services.upload.errors import UploadNotFound
from services.upload.fetching import SourceFetcher
from services.upload.prober import Prober
from services.upload.routes import router
from services.upload.scratch import Scratch
from services.upload.service import Uploads
from services.upload.settings import Settings
from services.upload.signals import StatusSignals, WorkSignal
from services.upload.transfers import Transfers
from services.upload.validation import Validator


def build(settings: Settings) -> FastAPI:
    """The app with everything that runs beside it."""
    database = Database.from_settings(settings, "upload")
    storage = S3Storage.from_settings(
        settings, connections=settings.max_transfers + settings.validators + settings.fetchers + 16
    )
    relay = OutboxRelay(database, EventProducer(Brokers.of(settings), "upload", writes_of("upload")))
    eraser = Eraser(database, Forgetting(database, Cleaner(database, storage)))
    source_signal = WorkSignal()
    consumer = upload_consumer(settings, database, eraser, source_signal)
    return assemble(
        settings,
        database,
        storage,
        verifier=TokenVerifier.from_settings(settings),
        tasks=[relay, consumer, eraser],
        source_signal=source_signal,
    )


def assemble(
    settings: Settings,
    database: Database,
    storage: ObjectStorage,
    *,
    verifier: TokenVerifier,
    tasks: list[BackgroundTask],
    source_signal: WorkSignal,
) -> FastAPI:
    """The app over given parts; `tasks` are those that talk to the event log, and wake fetchers by `source_signal`."""
    work_signal, status_signals = WorkSignal(), StatusSignals()
    cleaner = Cleaner(database, storage)
    prober = Prober(settings)
    scratch = Scratch(settings.scratch_directory)
    uploads = Uploads(
        database,
        storage,
        settings,
        cleaner=cleaner,
        work_signal=work_signal,
        source_signal=source_signal,
        status_signals=status_signals,
    )
    validators = [
        Validator(
            number,
            database,
            storage,
            settings,
            cleaner=cleaner,
            prober=prober,
            scratch=scratch,
            work_signal=work_signal,
            status_signals=status_signals,
        )
        for number in range(1, settings.validators + 1)
    ]
    fetcher = Fetcher(settings, timeout_seconds=settings.fetch_answer_seconds)
    fetchers = [
        SourceFetcher(
            number,
            database,
            storage,
            settings,
            fetcher=fetcher,
            cleaner=cleaner,
            source_signal=source_signal,
            work_signal=work_signal,
            status_signals=status_signals,
        )
        for number in range(1, settings.fetchers + 1)
    ]
    leadership = Leadership(database)
    led = leadership.where_held(Sweeper(database, storage, cleaner, settings), Housekeeping(database))
    return create_app(
        name="upload",
        title="Stemwright uploads",
        routers=[router],
        tasks=[*validators, *fetchers, leadership, *led, *tasks],
        checks={"storage": BucketReady(storage, may=settings.s3_make_bucket)},
        prerequisites={"database": partial(check_schema, database)},
        measures=measures_of(database),
        state={
            "database": database,
            "verifier": verifier,
            "uploads": uploads,
            "transfers": Transfers(uploads, storage, settings),
        },
        closing=[scratch.close, fetcher.close],
        streamed=re.compile(r"/v1/uploads/[^/]+/content"),
        missing={"upload_id": UploadNotFound},
    )
