"""Remembering what happened to the safety of an account."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import cast

from sqlalchemy import Table, insert

from services.accounts.security_events.kinds import Kind
from services.accounts.security_events.models import SecurityEvent
from services.accounts.security_events.origin import Origin
from services.kit.database import WriteSession
from services.kit.events.codec import Event
from services.kit.events.errors import InvalidMessage
from services.kit.ids import is_id, new_id
from services.kit.inserting import insert_unless_present
from services.kit.protos import audit_pb2, webhooks_pb2

_EVENTS = cast(Table, SecurityEvent.__table__)
_ADD = insert(_EVENTS)
COMMAND_LINE = "command line"
"""The actor of what an operator does on the machine itself."""
_TOLD_BY_SIBLINGS = frozenset(
    {
        Kind.JOB_REQUEUED,
        Kind.WORKER_DRAINED,
        Kind.WORKER_RESUMED,
        Kind.QUEUE_PAUSED,
        Kind.QUEUE_RESUMED,
        Kind.FEEDBACK_HEARD,
        Kind.DEAD_LETTER_REPLAYED,
        Kind.DEAD_LETTER_DISCARDED,
    }
)


def add(
    session: WriteSession,
    account_id: str | None,
    kind: Kind,
    origin: Origin,
    *,
    actor: str | None = None,
    **details: str | int | list[str],
) -> None:
    """Remembers it in the transaction that does it. `actor` is who did it, if not the account itself.

    Account and admins read the details: no secret belongs there.
    """
    session.execute(
        _ADD,
        {
            "id": new_id("sec"),
            "account_id": account_id,
            "kind": kind,
            "occurred_at": session.now(),
            "actor": actor if actor != account_id else None,
            "network": origin.network,
            "user_agent": origin.user_agent,
            "details": details,
        },
    )


def note_operator(session: WriteSession, event: Event) -> None:
    """Remembers what somebody who runs the platform did at a sibling: once, however often it is heard.

    Raises InvalidMessage for an action that the audit log has no word for.
    """
    told: audit_pb2.OperatorActed = event.data
    if told.action not in _TOLD_BY_SIBLINGS:
        raise InvalidMessage("the audit log has no such action")
    details = {name: value for name, value in (("target", told.target_id), ("reason", told.reason)) if value}
    at = told.acted_at.ToDatetime(tzinfo=UTC)
    _note_once(session, event, told.account_id or None, Kind(told.action), at, told.operator_id, details)


def note_endpoint_disabled(session: WriteSession, event: Event) -> bool:
    """Remembers that nothing is sent to a webhook endpoint any more; False where it is remembered already."""
    told: webhooks_pb2.WebhookEndpointDisabled = event.data
    details = {"target": told.endpoint_id, "reason": told.disabled_because}
    at = told.disabled_at.ToDatetime(tzinfo=UTC)
    return _note_once(session, event, told.account_id, Kind.WEBHOOK_ENDPOINT_DISABLED, at, None, details)


def _note_once(
    session: WriteSession,
    event: Event,
    account_id: str | None,
    kind: Kind,
    occurred_at: datetime,
    actor: str | None,
    details: Mapping[str, str],
) -> bool:
    """What a sibling told, by the id of its event."""
    if not is_id("evt", event.id):
        raise InvalidMessage("the id is none of ours")
    return insert_unless_present(
        session,
        _EVENTS,
        {
            "id": event.id.replace("evt_", "sec_", 1),
            "account_id": account_id,
            "kind": kind,
            "occurred_at": occurred_at,
            "actor": actor,
            "network": None,
            "user_agent": None,
            "details": dict(details),
        },
    )
