"""Queries about holds and the preview allowance. The account's balance is locked by whoever changes any of these."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import delete, insert, literal, select, tuple_, update

from services.accounts.ledger.holds import Refusal, State
from services.accounts.ledger.models import BatchHold, PreviewUse, Reservation
from services.kit.database import ReadSession, UtcDateTime, WriteSession

FORGOTTEN_AT_ONCE = 500


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


class DueHold(NamedTuple):
    job_id: str
    account_id: str
    expires_at: datetime


def due(
    session: ReadSession, now: datetime, limit: int, *, after: tuple[datetime, str] | None = None
) -> Sequence[DueHold]:
    """Holds that have outlived their limit, the longest overdue first; those behind the one of this limit and job."""
    place = (Reservation.expires_at, Reservation.job_id)
    query = select(Reservation.job_id, Reservation.account_id, Reservation.expires_at).where(
        Reservation.state == State.HELD, Reservation.expires_at <= now
    )
    if after is not None:
        query = query.where(tuple_(*place) > tuple_(literal(after[0], UtcDateTime), literal(after[1])))
    return [DueHold(*row) for row in session.execute(query.order_by(*place).limit(limit))]


def previews_used(session: ReadSession, account_id: str, day: date) -> int:
    use = session.get(PreviewUse, (account_id, day))
    return use.used if use else 0


def set_previews_used(session: WriteSession, account_id: str, day: date, used: int) -> None:
    session.merge(PreviewUse(account_id=account_id, day=day, used=used))
    session.flush()


def delete_preview_uses(session: WriteSession, before: date) -> None:
    session.query(PreviewUse).where(PreviewUse.day < before).delete()


def forget_refused(session: WriteSession, before: datetime) -> int:
    """Deletes notes that a job or a batch gets no hold which were made before then, some of them; how many."""
    jobs = select(Reservation.job_id).where(Reservation.refusal_code.is_not(None), Reservation.ended_at < before)
    batches = select(BatchHold.batch_id).where(BatchHold.refusal_code.is_not(None), BatchHold.created_at < before)
    forgotten = [
        session.scalars(gone).all()
        for gone in (
            delete(Reservation)
            .where(Reservation.job_id.in_(jobs.limit(FORGOTTEN_AT_ONCE)))
            .returning(Reservation.job_id),
            delete(BatchHold)
            .where(BatchHold.batch_id.in_(batches.limit(FORGOTTEN_AT_ONCE)))
            .returning(BatchHold.batch_id),
        )
    ]
    return sum(len(ids) for ids in forgotten)
