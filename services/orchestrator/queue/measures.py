"""What the orchestrator tells when its metrics are read. Replicas read one database, and tell the same."""

from collections import Counter
from datetime import timedelta
from itertools import product
from typing import get_args

from prometheus_client import Gauge

from services.kit.database import Database, ReadSession
from services.kit.measures import Measure, measures_of
from services.orchestrator.jobs.schemas import Tier
from services.orchestrator.jobs.states import Status
from services.orchestrator.queue import repository
from services.orchestrator.settings import Settings
from services.orchestrator.workers import repository as worker_rows
from services.orchestrator.workers.states import WorkerState, state_of

OUTSTANDING = Gauge(
    "stemwright_outstanding_audio_seconds",
    "Seconds of audio that are still to be separated, by model and tier; workers are scaled by it.",
    ["model", "tier"],
)
MEASURED = Gauge("stemwright_outstanding_measured_timestamp_seconds", "When the outstanding audio was computed.")
WAITING_AUDIO = Gauge("stemwright_queue_audio_seconds", "Seconds of audio waiting in the queue.", ["tier"])
OLDEST_WAIT = Gauge(
    "stemwright_queue_oldest_seconds", "How long the job at the head of the queue has waited.", ["tier"]
)
JOBS = Gauge("stemwright_jobs_open", "Jobs that have not ended.", ["status"])
WORKERS = Gauge("stemwright_workers", "Workers that are heard, by what they do.", ["state"])
SLOTS = Gauge("stemwright_slots", "Songs that the workers that take work can separate at a time.", ["model"])
SLOTS_FREE = Gauge("stemwright_slots_free", "Those slots that are free.", ["model"])

_BY_LABEL = (OUTSTANDING, WAITING_AUDIO, OLDEST_WAIT, JOBS, WORKERS, SLOTS, SLOTS_FREE)


def queue_measures(database: Database, settings: Settings) -> list[Measure]:
    """Those of every database, and what there is to do and who does it."""

    def queue() -> None:
        with database.read() as session:
            _tell_jobs(session, settings)
            _tell_workers(session, settings)
            MEASURED.set(session.now().timestamp())

    # The moment stays when the numbers go: it says since when they are not known.
    return [*measures_of(database), Measure(_BY_LABEL, queue)]


def _tell_jobs(session: ReadSession, settings: Settings) -> None:
    now = session.now()
    tiers = get_args(Tier)
    outstanding = repository.outstanding_audio_seconds(session)
    # A model that has nothing to do is 0, and not absent: whoever scales by it would take that for a fault.
    models = {settings.default_model, *worker_rows.models_of_workers(session), *(model for model, _ in outstanding)}
    OUTSTANDING.clear()
    for model, tier in product(sorted(models), tiers):
        OUTSTANDING.labels(model, tier).set(outstanding.get((model, tier), 0.0))
    counts = repository.jobs_by_status(session)
    for status in (Status.RESERVING, Status.QUEUED, Status.RUNNING):
        JOBS.labels(status).set(counts.get(status, 0))
    waiting, oldest = repository.waiting_audio_seconds(session), repository.oldest_waits(session, now)
    for tier in tiers:
        WAITING_AUDIO.labels(tier).set(waiting.get(tier, 0.0))
        OLDEST_WAIT.labels(tier).set(oldest.get(tier, timedelta(0)).total_seconds())


def _tell_workers(session: ReadSession, settings: Settings) -> None:
    now = session.now()
    silent_after = timedelta(seconds=settings.worker_expiry_seconds)
    states: Counter[WorkerState] = Counter()
    slots: Counter[str] = Counter()
    free: Counter[str] = Counter()
    for worker in worker_rows.heard_since(session, now - silent_after):
        state = state_of(worker, now, silent_after)
        states[state] += 1
        if state == "live":
            slots.update(dict.fromkeys(worker.models, worker.slots))
            free.update(dict.fromkeys(worker.models, max(0, worker.slots - len(worker.running))))
    for state in get_args(WorkerState):
        if state != "silent":
            WORKERS.labels(state).set(states[state])
    for gauge, numbers in ((SLOTS, slots), (SLOTS_FREE, free)):
        gauge.clear()
        for model in sorted({settings.default_model, *numbers}):
            gauge.labels(model).set(numbers[model])
