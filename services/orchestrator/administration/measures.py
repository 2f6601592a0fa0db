"""What is remembered for the overview: of every minute how much there was to do, of every job that ended how it did."""

from datetime import timedelta
from typing import cast

from sqlalchemy import Table, delete

from services.kit.database import Database, WriteSession
from services.kit.events.topics import DEAD_LETTER_RETENTION, SEGMENT
from services.kit.inserting import insert_unless_present
from services.kit.periodic import Periodic
from services.kit.spans import LONGEST
from services.orchestrator.administration import repository as administration
from services.orchestrator.administration.models import DeadLetterDecision, JobMeasure, QueueSample
from services.orchestrator.jobs.models import Job
from services.orchestrator.jobs.states import Status
from services.orchestrator.uploads import repository as upload_rows

SAMPLE_SECONDS = 60.0
LETTERS_KEPT = DEAD_LETTER_RETENTION + 2 * SEGMENT
KEPT = LONGEST + timedelta(days=1)
_SAMPLES = cast(Table, QueueSample.__table__)


def note(session: WriteSession, job: Job) -> None:
    """The job has just ended."""
    upload = upload_rows.upload(session, job.upload_id)
    waited = job.started_at - job.queued_at if job.started_at and job.queued_at else None
    session.add(
        JobMeasure(
            ended_at=job.finished_at,
            status=job.status,
            error_code=job.error_code if job.state is not Status.SUCCEEDED else None,
            audio_seconds=job.preview_duration_seconds or (upload and upload.duration_seconds) or 0.0,
            wait_seconds=waited.total_seconds() if waited is not None else None,
        )
    )


class Sampler(Periodic):
    """A background task. Where the lead changes hands within a minute, the first sample of it counts."""

    def __init__(self, database: Database) -> None:
        super().__init__("sampler", SAMPLE_SECONDS, self.sample)
        self._database = database

    def sample(self) -> None:
        """One round."""
        with self._database.write() as session:
            now = session.now()
            outstanding = sum(part.audio_seconds for part in administration.outstanding(session))
            minute = now.replace(second=0, microsecond=0)
            insert_unless_present(session, _SAMPLES, {"minute": minute, "outstanding_audio_seconds": outstanding})
            session.execute(delete(QueueSample).where(QueueSample.minute < now - KEPT))
            session.execute(delete(DeadLetterDecision).where(DeadLetterDecision.decided_at < now - LETTERS_KEPT))
            session.execute(delete(JobMeasure).where(JobMeasure.ended_at < now - KEPT))
