"""Tells accounts, which keeps the audit log, what somebody who runs the platform did."""

from enum import StrEnum

from services.kit import outbox
from services.kit.database import WriteSession
from services.kit.events.codec import OutgoingEvent
from services.kit.events.topics import AUDIT
from services.kit.protos import audit_pb2


class Action(StrEnum):
    """In the words of the audit log."""

    JOB_REQUEUED = "job_requeued"
    WORKER_DRAINED = "worker_drained"
    WORKER_RESUMED = "worker_resumed"
    QUEUE_PAUSED = "queue_paused"
    QUEUE_RESUMED = "queue_resumed"
    FEEDBACK_HEARD = "feedback_heard"
    DEAD_LETTER_REPLAYED = "dead_letter_replayed"
    DEAD_LETTER_DISCARDED = "dead_letter_discarded"


def note(
    session: WriteSession,
    operator_id: str,
    action: Action,
    *,
    account_id: str = "",
    target_id: str = "",
    reason: str = "",
) -> None:
    """In the transaction that does it, so that neither is without the other."""
    message = audit_pb2.OperatorActed(
        operator_id=operator_id, action=action, account_id=account_id, target_id=target_id, reason=reason
    )
    message.acted_at.FromDatetime(session.now())
    outbox.add(session, OutgoingEvent(AUDIT, operator_id, message))
