"""Batches as others read them: the REST answer, the public event, the question for their hold."""

from typing import Any

from services.kit.database import ReadSession
from services.kit.protos import jobs_pb2
from services.orchestrator.batches import repository
from services.orchestrator.batches.models import Batch
from services.orchestrator.batches.schemas import BatchAnswer
from services.orchestrator.jobs.messages import MODES
from services.orchestrator.jobs.schemas import JobError


def batch_answer(session: ReadSession, batch: Batch) -> BatchAnswer:
    """The batch as the REST API shows it."""
    ended = batch.finished_at is not None
    return BatchAnswer.model_validate(
        {
            "id": batch.id,
            "status": batch.status,
            "mode": batch.mode,
            "tier": batch.tier,
            "songs": batch.songs,
            "counts": batch.counts if ended else repository.counts(session, batch.id),
            "price_credits": batch.price_credits,
            "charged_credits": batch.charged_credits if ended else repository.charged(session, batch.id),
            "created_at": batch.created_at,
            "queued_at": batch.queued_at,
            "finished_at": batch.finished_at,
            "error": JobError(code=batch.error_code, message=batch.error_message or "") if batch.error_code else None,
            "metadata": batch.batch_metadata,
            "callback_url": batch.callback_url,
        }
    )


def completed_event(session: ReadSession, batch: Batch) -> dict[str, Any]:
    """Data of `batch.completed`."""
    return {"batch": {**batch_answer(session, batch).model_dump(mode="json"), "account_id": batch.account_id}}


def hold_request(session: ReadSession, batch: Batch) -> jobs_pb2.BatchReservationRequested:
    """Asks for the prices of all songs that wait for it."""
    return jobs_pb2.BatchReservationRequested(
        batch_id=batch.id,
        account_id=batch.account_id,
        mode=MODES[batch.mode],
        shares=[
            jobs_pb2.BatchShare(job_id=job_id, price_credits=price)
            for job_id, price in repository.prices(session, batch.id).items()
        ],
    )
