"""All SQL of links to listen, and of whose links rest."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, delete, select

from services.kit.database import ReadSession, WriteSession
from services.orchestrator.jobs.models import Job
from services.orchestrator.shares.models import KnownAccount, Share


def shares(session: ReadSession, job_id: str, now: datetime) -> Sequence[Share]:
    """The job's links that work, newest first."""
    working = select(Share).where(Share.job_id == job_id, Share.expires_at > now)
    return session.scalars(working.order_by(Share.id.desc())).all()


def owned_shares(session: ReadSession, account_id: str, *, limit: int, before: str | None) -> Sequence[Share]:
    """The account's links, newest first."""
    made = select(Share).join(Job, Job.id == Share.job_id).where(Job.account_id == account_id, Job.deleted_at.is_(None))
    query = made.order_by(Share.id.desc()).limit(limit)
    return session.scalars(query if before is None else query.where(Share.id < before)).all()


def shared_job(session: ReadSession, token_digest: str, now: datetime) -> tuple[Share, Job] | None:
    """The link with this token and its job, whoever owns it; None where it does not work, any more or at present."""
    disabled = select(KnownAccount).where(KnownAccount.account_id == Job.account_id, KnownAccount.disabled).exists()
    works = (Share.token_digest == token_digest, Share.expires_at > now, Job.deleted_at.is_(None), ~disabled)
    found = session.execute(select(Share, Job).join(Job, Job.id == Share.job_id).where(*works)).one_or_none()
    return None if found is None else (found.Share, found.Job)


def delete_share(session: WriteSession, account_id: str, share_id: str) -> bool:
    """Ends the account's link; False where there is none."""
    owned = select(Job.id).where(Job.account_id == account_id)
    deleted = session.execute(delete(Share).where(Share.id == share_id, Share.job_id.in_(owned)))
    return bool(cast("CursorResult[Any]", deleted).rowcount)


def delete_shares(session: WriteSession, job_id: str) -> int:
    """Ends every link to the job; how many there were."""
    deleted = session.execute(delete(Share).where(Share.job_id == job_id))
    return cast("CursorResult[Any]", deleted).rowcount


def forget_shares(session: WriteSession, now: datetime) -> None:
    """Drops links that have expired."""
    session.execute(delete(Share).where(Share.expires_at <= now))


def note_account(session: WriteSession, account_id: str, *, disabled: bool, changed_at: datetime) -> None:
    """Notes whether the account is disabled, unless something later is known."""
    known = session.get(KnownAccount, account_id)
    if known is None:
        session.add(KnownAccount(account_id=account_id, disabled=disabled, changed_at=changed_at))
    elif changed_at > known.changed_at:
        known.disabled, known.changed_at = disabled, changed_at


def forget_account(session: WriteSession, account_id: str) -> None:
    """Drops what is known of the account."""
    session.execute(delete(KnownAccount).where(KnownAccount.account_id == account_id))
