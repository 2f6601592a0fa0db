"""All SQL of feedback."""

from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import CursorResult, delete, select

from services.kit.database import ReadSession, WriteSession
from services.orchestrator.feedback.models import Feedback
from services.orchestrator.jobs.models import Job


def feedback(session: ReadSession, job_id: str) -> Feedback | None:
    """Feedback on the job."""
    return session.get(Feedback, job_id)


def owned_feedback(session: ReadSession, account_id: str, *, limit: int, before: str | None) -> Sequence[Feedback]:
    """The account's feedback, that on the newest jobs first."""
    given = select(Feedback).join(Job, Job.id == Feedback.job_id)
    query = given.where(Job.account_id == account_id, Job.deleted_at.is_(None)).order_by(Job.id.desc()).limit(limit)
    return session.scalars(query if before is None else query.where(Job.id < before)).all()


def delete_feedback(session: WriteSession, job_id: str) -> int:
    """Deletes feedback on the job; how much there was."""
    deleted = session.execute(delete(Feedback).where(Feedback.job_id == job_id))
    return cast("CursorResult[Any]", deleted).rowcount
