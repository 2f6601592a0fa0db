"""What a free preview is worth: its seconds are not charged again by the separation of the whole song.

a preview succeeds          its seconds are noted for its upload; of several, the most
a full job is priced        they are deducted, once, if the preview ended within a day
that job does not succeed   it gives them back, with the time they had
that job succeeds           nothing is deducted for this upload ever again
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import and_, delete, or_, select, update

from services.kit.database import ReadSession, WriteSession
from services.orchestrator.credits.models import PreviewCredit
from services.orchestrator.jobs.models import Job
from services.orchestrator.uploads.models import KnownUpload

WITHIN = timedelta(hours=24)
KEPT = 2 * WITHIN
"""Longer than a quote that promised it can stand (a day at most) after it could last be promised."""


@dataclass(frozen=True)
class Deductible:
    """Seconds that the next full job of an upload need not pay; `taken` where one has had its deduction."""

    seconds: float
    taken: bool


def deductible_of(session: ReadSession, upload_id: str) -> Deductible:
    """What previews of this upload are worth now."""
    found = session.get(PreviewCredit, upload_id, populate_existing=True)
    return Deductible(0.0, taken=False) if found is None else _deductible(session, found)


def locked_deductibles(session: WriteSession, upload_ids: Collection[str]) -> dict[str, Deductible]:
    """The same of those among many uploads of which there are previews; until the transaction ends nobody else prices
    these."""
    noted = select(PreviewCredit.upload_id).where(PreviewCredit.upload_id.in_(upload_ids))
    with_previews = session.scalars(noted.order_by(PreviewCredit.upload_id)).all()
    for upload_id in with_previews:
        serialize(session, upload_id)
    found = select(PreviewCredit).where(PreviewCredit.upload_id.in_(with_previews))
    rows = session.scalars(found.execution_options(populate_existing=True))
    return {row.upload_id: _deductible(session, row) for row in rows}


def _deductible(session: ReadSession, found: PreviewCredit) -> Deductible:
    fresh = found.job_id is None and found.made_at > session.now() - WITHIN
    return Deductible(found.seconds if fresh else 0.0, taken=found.job_id is not None)


def note(session: WriteSession, preview: Job) -> None:
    """A preview has succeeded."""
    serialize(session, preview.upload_id)
    seconds, now = preview.preview_duration_seconds or 0.0, session.now()
    found = session.get(PreviewCredit, preview.upload_id, populate_existing=True)
    if found is None:
        session.add(
            PreviewCredit(upload_id=preview.upload_id, account_id=preview.account_id, seconds=seconds, made_at=now)
        )
    elif found.job_id is None and (seconds >= found.seconds or found.made_at <= now - WITHIN):
        found.seconds, found.made_at = seconds, now
    session.flush()


def take(session: WriteSession, job: Job) -> None:
    """The full job has had the deduction. Whoever looked at what there is has called `serialize` before."""
    of_upload = PreviewCredit.upload_id == job.upload_id
    session.execute(update(PreviewCredit).where(of_upload, PreviewCredit.job_id.is_(None)).values(job_id=job.id))


def give_back(session: WriteSession, job: Job) -> None:
    """The full job did not succeed."""
    serialize(session, job.upload_id)
    session.execute(update(PreviewCredit).where(PreviewCredit.job_id == job.id).values(job_id=None))


def forget(session: WriteSession) -> None:
    """Deletes what is too old to be deducted, and what is of uploads that are gone."""
    too_old = and_(PreviewCredit.job_id.is_(None), PreviewCredit.made_at <= session.now() - KEPT)
    gone = PreviewCredit.upload_id.in_(select(KnownUpload.id).where(KnownUpload.status == "deleted"))
    session.execute(delete(PreviewCredit).where(or_(too_old, gone)).execution_options(synchronize_session=False))


def serialize(session: WriteSession, upload_id: str) -> None:
    """Of those who price or note something of an upload one goes first, until its transaction ends."""
    session.serialize(f"quote:{upload_id}")
