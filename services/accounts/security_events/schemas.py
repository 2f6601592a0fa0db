"""Answers about security events."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from services.accounts.security_events.kinds import Kind
from services.accounts.security_events.models import SecurityEvent


class SecurityEventView(BaseModel):
    id: str
    kind: Kind
    occurred_at: datetime
    by: Literal["account", "platform"] = Field(description="Who did it: the account, or those who run the platform.")
    network: str | None = Field(description="Where the request came from: an IPv4 address, or the /56 of an IPv6 one.")
    user_agent: str | None
    details: dict[str, Any]

    @classmethod
    def of(cls, event: SecurityEvent) -> "SecurityEventView":
        by_account = event.actor is None
        return cls(
            id=event.id,
            kind=Kind(event.kind),
            occurred_at=event.occurred_at,
            by="account" if by_account else "platform",
            # Where an admin sits is not the account's business.
            network=event.network if by_account else None,
            user_agent=event.user_agent if by_account else None,
            details=event.details,
        )


class AuditLogEntry(BaseModel):
    id: str
    kind: Kind
    occurred_at: datetime
    account_id: str | None = Field(description="Null where somebody guessed at an address that nobody has.")
    actor: str | None = Field(
        description="Who did it, where it was not the account: an admin's id, or `command line` for an operator on the "
        "machine itself."
    )
    network: str | None
    user_agent: str | None
    details: dict[str, Any]

    @classmethod
    def of(cls, event: SecurityEvent) -> "AuditLogEntry":
        return cls(
            id=event.id,
            kind=Kind(event.kind),
            occurred_at=event.occurred_at,
            account_id=event.account_id,
            actor=event.actor,
            network=event.network,
            user_agent=event.user_agent,
            details=event.details,
        )
