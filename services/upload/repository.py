"""Every query over uploads. Those that serve a request are scoped by account."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    CursorResult,
    Integer,
    Select,
    and_,
    bindparam,
    case,
    delete,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.orm import InstrumentedAttribute, aliased

from services.kit.database import ReadSession, WriteSession
from services.upload.models import Upload
from services.upload.states import UploadStatus


def take_turns(session: WriteSession, name: str) -> None:
    """Waits until no other transaction that takes turns under this name is under way. Writers of SQLite always do."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": name})


def find_own(session: ReadSession, account_id: str, upload_id: str, *, lock: bool = False) -> Upload | None:
    """The account's upload; a deleted one is as good as none."""
    query = select(Upload).where(
        Upload.id == upload_id, Upload.account_id == account_id, Upload.status != UploadStatus.DELETED
    )
    return session.scalars(query.with_for_update() if lock else query).one_or_none()


def list_own(session: ReadSession, account_id: str, *, before: str | None, limit: int) -> Sequence[Upload]:
    """The account's uploads, the newest first, those older than the id `before`."""
    query = select(Upload).where(Upload.account_id == account_id, Upload.status != UploadStatus.DELETED)
    if before is not None:
        query = query.where(Upload.id < before)
    return session.scalars(query.order_by(Upload.id.desc()).limit(limit)).all()


def count_pending(session: ReadSession, account_id: str) -> int:
    """Uploads of the account that wait for bytes, without songs of batches."""
    pending = (Upload.account_id == account_id, Upload.status == UploadStatus.PENDING, Upload.ordered.is_not(True))
    return session.scalars(select(func.count()).select_from(Upload).where(*pending)).one()


@dataclass(frozen=True)
class Usage:
    """What an account keeps."""

    uploads: int
    ready_uploads: int
    """Those among them that can be separated, or still may be: all but rejected ones."""
    stored_bytes: int
    """Of the same: of a rejected file nothing is left."""


def usage(session: ReadSession, account_id: str) -> Usage:
    """What the account keeps, as long as it does not delete it."""
    rejected = Upload.status == UploadStatus.REJECTED
    row = session.execute(
        select(
            func.count().label("uploads"),
            func.coalesce(func.sum(case((rejected, 0), else_=1)), 0).label("ready"),
            func.coalesce(func.sum(case((rejected, 0), else_=Upload.size_bytes)), 0).label("size_bytes"),
        )
        .select_from(Upload)
        .where(Upload.account_id == account_id, Upload.status != UploadStatus.DELETED)
    ).one()
    return Usage(row.uploads, int(row.ready), int(row.size_bytes))


def multiparts_in_use(session: ReadSession, multipart_ids: Collection[str]) -> set[str]:
    """Those of the multipart uploads that an upload will still be made of."""
    found = session.scalars(
        select(Upload.multipart_id).where(
            Upload.multipart_id.in_(multipart_ids), Upload.status.in_([UploadStatus.PENDING, UploadStatus.VALIDATING])
        )
    )
    return {multipart_id for multipart_id in found if multipart_id is not None}


def find_any(session: ReadSession, upload_id: str, *, lock: bool = False) -> Upload | None:
    """An upload of whatever account, deleted ones too: for events and background work, never for a request."""
    query = select(Upload).where(Upload.id == upload_id)
    return session.scalars(query.with_for_update() if lock else query).one_or_none()


def _next_waiting(waiting: ColumnElement[bool], since: InstrumentedAttribute[Any]) -> Select[Upload]:
    """The upload whose turn it is; with `now` and `most_of_one_account`."""
    now = bindparam("now", type_=Upload.lease_until.type)
    taken = aliased(Upload)
    of_the_account = (
        select(func.count())
        .select_from(taken)
        .where(taken.account_id == Upload.account_id, taken.status == Upload.status, taken.lease_until >= now)
        .scalar_subquery()
    )
    return (
        select(Upload)
        .where(
            waiting,
            or_(Upload.lease_until.is_(None), Upload.lease_until < now),
            or_(Upload.not_before.is_(None), Upload.not_before <= now),
            of_the_account < bindparam("most_of_one_account", type_=Integer),
        )
        .order_by(of_the_account, since)
        .limit(1)
        .with_for_update(skip_locked=True)
    )


# Made once: tasks that have nothing to do ask all the time, and making such a statement takes four times as long as
# asking it.
_NEXT_TO_VALIDATE = _next_waiting(Upload.status == UploadStatus.VALIDATING, Upload.completed_at)
_NEXT_TO_FETCH = _next_waiting(
    and_(Upload.status == UploadStatus.PENDING, Upload.source_url.is_not(None)), Upload.created_at
)


def claim_validating(
    session: WriteSession, *, lease_token: str, lease: timedelta, most_of_one_account: int
) -> Upload | None:
    """Leases an upload that waits for its verdict and that nobody is checking.

    The oldest of the account of which the fewest are being checked; none of an account that has its share already.
    """
    return _claim(session, _NEXT_TO_VALIDATE, lease_token, lease, most_of_one_account)


def claim_fetching(
    session: WriteSession, *, lease_token: str, lease: timedelta, most_of_one_account: int
) -> Upload | None:
    """Leases an upload that is to be fetched and that nobody is fetching, chosen as by `claim_validating`."""
    return _claim(session, _NEXT_TO_FETCH, lease_token, lease, most_of_one_account)


def _claim(
    session: WriteSession,
    next_waiting: Select[Upload],
    lease_token: str,
    lease: timedelta,
    most_of_one_account: int,
) -> Upload | None:
    # Two that count at the same moment would both find room.
    take_turns(session, "upload-claims")
    now = session.now()
    upload = session.scalars(next_waiting, {"now": now, "most_of_one_account": most_of_one_account}).one_or_none()
    if upload is None:
        return None
    upload.lease_token = lease_token
    upload.lease_until = now + lease
    upload.attempts += 1
    return upload


def find_leased(session: WriteSession, upload_id: str, lease_token: str) -> Upload | None:
    """The upload if this lease still stands: neither taken over by another process nor ended by a deletion."""
    under_way = Upload.status.in_([UploadStatus.PENDING, UploadStatus.VALIDATING])
    return session.scalars(
        select(Upload).where(Upload.id == upload_id, Upload.lease_token == lease_token, under_way).with_for_update()
    ).one_or_none()


def pending_since_before(session: ReadSession, moment: datetime, limit: int) -> Sequence[str]:
    """Ids of uploads whose bytes have not come since then."""
    return session.scalars(
        select(Upload.id)
        .where(Upload.status == UploadStatus.PENDING, Upload.created_at < moment)
        .order_by(Upload.created_at)
        .limit(limit)
    ).all()


def littered(session: ReadSession, *, after: str, limit: int, account_id: str | None = None) -> Sequence[Upload]:
    """Uploads, by default of all accounts, with objects that nobody needs any more, in the order of their ids."""
    query = select(Upload).where(
        Upload.litter,
        Upload.status.in_([UploadStatus.READY, UploadStatus.REJECTED, UploadStatus.DELETED]),
        Upload.id > after,
    )
    if account_id is not None:
        query = query.where(Upload.account_id == account_id)
    return session.scalars(query.order_by(Upload.id).limit(limit)).all()


def delete_all(session: WriteSession, account_id: str) -> int:
    """Makes every upload of the account a deleted one, of which nothing is known but that it was; how many there were.

    What had been deleted before loses the facts about its file too.
    """
    of_account = Upload.account_id == account_id
    deleted = session.execute(
        update(Upload)
        .where(of_account, Upload.status != UploadStatus.DELETED)
        .values(status=UploadStatus.DELETED, deleted_at=session.now(), lease_token=None, litter=True)
    )
    facts = (
        "sha256",
        "duration_seconds",
        "samples",
        "sample_rate_hz",
        "channels",
        "codec",
        "container",
        "whole",
        "voice_start_seconds",
    )
    nothing = dict.fromkeys(("content_type", "declared_sha256", "code", "reason", "traceparent", "source_url", *facts))
    session.execute(update(Upload).where(of_account).values(filename="", size_bytes=0, **nothing))
    return cast("CursorResult[Any]", deleted).rowcount


def deleted_before(session: ReadSession, moment: datetime, limit: int) -> Sequence[Upload]:
    """Deleted uploads whose time to be remembered is over."""
    return session.scalars(
        select(Upload)
        .where(Upload.status == UploadStatus.DELETED, Upload.deleted_at <= moment)
        .order_by(Upload.deleted_at)
        .limit(limit)
    ).all()


def purge(session: WriteSession, upload_id: str) -> None:
    """Forgets a deleted upload."""
    session.execute(delete(Upload).where(Upload.id == upload_id, Upload.status == UploadStatus.DELETED))
