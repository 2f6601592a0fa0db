"""Queries about holds and the preview allowance. The account's balance is locked by whoever changes any of these."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime

from sqlalchemy import insert, select, update

from services.accounts.ledger.holds import Refusal, State
from services.accounts.ledger.models import BatchHold, PreviewUse, Reservation
from services.kit.database import ReadSession, WriteSession


def get(session: ReadSession, job_id: str) -> Reservation | None:
    return session.get(Reservation, job_id)


def add(
    session: WriteSession,
    *,
    job_id: str,
    account_id: str,
    state: State,
    price_credits: int,
    now: datetime,
    expires_at: datetime,
    refusal: tuple[Refusal, str] | None = None,
    allowance_day: date | None = None,
) -> Reservation:
    reservation = Reservation(
        job_id=job_id,
        account_id=account_id,
        state=state,
        price_credits=price_credits,
        refusal_code=refusal[0] if refusal else None,
        refusal_detail=refusal[1] if refusal else None,
        allowance_day=allowance_day,
        created_at=now,
        expires_at=expires_at,
        ended_at=None if state is State.HELD else now,
    )
    session.add(reservation)
    session.flush()
    return reservation


def batch(session: ReadSession, batch_id: str) -> BatchHold | None:
    return session.get(BatchHold, batch_id)


def of_jobs(session: ReadSession, job_ids: Collection[str]) -> Mapping[str, Reservation]:
    """Those of these jobs that are known, by their ids."""
    known = select(Reservation).where(Reservation.job_id.in_(job_ids))
    return {reservation.job_id: reservation for reservation in session.scalars(known)}


def add_shares(
    session: WriteSession,
    hold: BatchHold,
    prices: Mapping[str, int],
    *,
    expires_at: datetime,
    allowance_day: date | None,
) -> None:
    """The shares of a batch's jobs in its hold, by job, as holds of their own."""
    shared = {
        "account_id": hold.account_id,
        "batch_id": hold.batch_id,
        "state": State.HELD,
        "allowance_day": allowance_day,
        "created_at": hold.created_at,
        "expires_at": expires_at,
    }
    rows = [{**shared, "job_id": job_id, "price_credits": price} for job_id, price in prices.items()]
    if rows:
        session.execute(insert(Reservation), rows)


def set_ended(session: WriteSession, job_id: str, state: State, now: datetime) -> None:
    session.execute(
        update(Reservation)
        .where(Reservation.job_id == job_id, Reservation.state == State.HELD)
        .values(state=state, ended_at=now)
    )


def due(session: ReadSession, now: datetime, limit: int) -> Sequence[tuple[str, str]]:
    """Job and account of holds that have outlived their limit, the longest overdue first."""
    rows = session.execute(
        select(Reservation.job_id, Reservation.account_id)
        .where(Reservation.state == State.HELD, Reservation.expires_at <= now)
        .order_by(Reservation.expires_at, Reservation.job_id)
        .limit(limit)
    )
    return [(row.job_id, row.account_id) for row in rows]


def previews_used(session: ReadSession, account_id: str, day: date) -> int:
    use = session.get(PreviewUse, (account_id, day))
    return use.used if use else 0


def set_previews_used(session: WriteSession, account_id: str, day: date, used: int) -> None:
    session.merge(PreviewUse(account_id=account_id, day=day, used=used))
    session.flush()


def delete_preview_uses(session: WriteSession, before: date) -> None:
    session.query(PreviewUse).where(PreviewUse.day < before).delete()
