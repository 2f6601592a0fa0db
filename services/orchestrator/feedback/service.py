"""What owners think of their stems: told, told anew, listed."""

from services.kit.database import Database
from services.orchestrator.feedback import repository
from services.orchestrator.feedback.errors import FeedbackNotFound
from services.orchestrator.feedback.models import Feedback
from services.orchestrator.feedback.schemas import FeedbackAnswer, NewFeedback
from services.orchestrator.jobs import repository as job_rows
from services.orchestrator.jobs.errors import JobNotFinished, JobNotFound
from services.orchestrator.jobs.models import Job
from services.orchestrator.jobs.states import Status


class FeedbackService:
    """The use cases of feedback."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, account_id: str, job_id: str) -> FeedbackAnswer:
        """The feedback given; raises FeedbackNotFound."""
        with self._database.read() as session:
            job = _found(job_rows.owned_job(session, account_id, job_id))
            given = repository.feedback(session, job.id)
            if given is None:
                raise FeedbackNotFound
            return _feedback_answer(given)

    def list_of_account(
        self, account_id: str, *, limit: int, before: str | None
    ) -> tuple[list[FeedbackAnswer], str | None]:
        """One page of all feedback of the account, and the id after which the next begins."""
        with self._database.read() as session:
            given = repository.owned_feedback(session, account_id, limit=limit + 1, before=before)
            page = [_feedback_answer(feedback) for feedback in given[:limit]]
        return page, page[-1].job_id if len(given) > limit else None

    def give(self, account_id: str, job_id: str, request: NewFeedback) -> FeedbackAnswer:
        """Stores the feedback in place of any earlier. Raises JobNotFound, and JobNotFinished where the job made no
        stems to think anything of."""
        with self._database.write() as session:
            job = _found(job_rows.locked_owned_job(session, account_id, job_id))
            if job.state is not Status.SUCCEEDED:
                raise JobNotFinished(f"the job is {job.status}: there are no stems to give feedback on")
            now = session.now()
            given = repository.feedback(session, job.id)
            if given is None:
                given = Feedback(job_id=job.id, created_at=now)
                session.add(given)
            for field, value in request.model_dump().items():
                setattr(given, field, value)
            given.updated_at = now
            return _feedback_answer(given)


def _found(job: Job | None) -> Job:
    if job is None:
        raise JobNotFound
    return job


def _feedback_answer(given: Feedback) -> FeedbackAnswer:
    return FeedbackAnswer(
        job_id=given.job_id,
        rating=given.rating,
        stem=given.stem,
        start_seconds=given.start_seconds,
        end_seconds=given.end_seconds,
        tags=given.tags,
        comment=given.comment,
        created_at=given.created_at,
        updated_at=given.updated_at,
    )
