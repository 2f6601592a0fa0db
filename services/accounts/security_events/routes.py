"""What happened to the safety of an account."""

from typing import Annotated

from fastapi import APIRouter, Query

from services.accounts.dependencies import AccountOwner, AccountsDep, Admin
from services.accounts.security_events import repository as events
from services.accounts.security_events.kinds import Kind
from services.accounts.security_events.schemas import AuditLogEntry, SecurityEventView
from services.kit.paging import Limit, SecurityEventCursor
from services.kit.schemas import AccountId, Page

router = APIRouter()


@router.get("/v1/me/security-events", summary="List what happened to your account", tags=["accounts"])
def list_security_events(
    accounts: AccountsDep, owner: AccountOwner, limit: Limit = 20, cursor: SecurityEventCursor = None
) -> Page[SecurityEventView]:
    """Sign-ins, keys, roles and the like, newest first."""
    with accounts.database.read() as session:
        found = events.page(session, account_id=owner.account_id, before=cursor, limit=limit + 1)
        shown = [SecurityEventView.of(event) for event in found[:limit]]
    return Page(items=shown, next_cursor=shown[-1].id if len(found) > limit else None)


@router.get("/v1/admin/audit-log", summary="Read the audit log", tags=["operators"])
def read_audit_log(
    accounts: AccountsDep,
    _admin: Admin,
    account_id: Annotated[AccountId | None, Query(description="Only of this account.")] = None,
    kind: Annotated[Kind | None, Query(description="Only of this kind.")] = None,
    limit: Limit = 20,
    cursor: SecurityEventCursor = None,
) -> Page[AuditLogEntry]:
    """What happened to the safety of all accounts, and who did it, newest first."""
    with accounts.database.read() as session:
        found = events.page(session, account_id=account_id, kind=kind, before=cursor, limit=limit + 1)
        shown = [AuditLogEntry.of(event) for event in found[:limit]]
    return Page(items=shown, next_cursor=shown[-1].id if len(found) > limit else None)
