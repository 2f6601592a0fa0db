"""Remembering what happened to the safety of an account."""

from typing import cast

from sqlalchemy import Table, insert

from services.accounts.security_events.kinds import Kind
from services.accounts.security_events.models import SecurityEvent
from services.accounts.security_events.origin import Origin
from services.kit.database import WriteSession
from services.kit.ids import new_id

_EVENTS = cast(Table, SecurityEvent.__table__)
COMMAND_LINE = "command line"
"""The actor of what an operator does on the machine itself."""


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
        insert(_EVENTS).values(
            id=new_id("sec"),
            account_id=account_id,
            kind=kind,
            occurred_at=session.now(),
            actor=actor if actor != account_id else None,
            network=origin.network,
            user_agent=origin.user_agent,
            details=details,
        )
    )
