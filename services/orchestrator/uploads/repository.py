"""All SQL of uploads."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import delete, select, update

from services.kit.database import ReadSession, WriteSession
from services.orchestrator.jobs.models import Job
from services.orchestrator.jobs.repository import OPEN
from services.orchestrator.uploads.models import KnownUpload


def names_of(session: ReadSession, account_id: str, upload_ids: Collection[str]) -> dict[str, str]:
    """What the songs of these uploads of the account are called; without those that were deleted."""
    named = (KnownUpload.id.in_(upload_ids), KnownUpload.account_id == account_id, KnownUpload.status != "deleted")
    found = session.execute(select(KnownUpload.id, KnownUpload.filename).where(*named))
    return {row.id: row.filename for row in found if row.filename}


def owned_upload(session: ReadSession, account_id: str, upload_id: str) -> KnownUpload | None:
    """The account's upload as far as it is known here, unless it was deleted."""
    query = select(KnownUpload).where(
        KnownUpload.id == upload_id, KnownUpload.account_id == account_id, KnownUpload.status != "deleted"
    )
    return session.scalar(query)


def by_ids(session: ReadSession, upload_ids: Collection[str]) -> dict[str, KnownUpload]:
    """Several, whoever owns them and whatever became of them; those of which there is no word are left out."""
    return {upload.id: upload for upload in session.scalars(select(KnownUpload).where(KnownUpload.id.in_(upload_ids)))}


def known(session: ReadSession, upload_ids: Collection[str]) -> set[str]:
    """Which of these uploads something is known of, whoever owns them."""
    return set(session.scalars(select(KnownUpload.id).where(KnownUpload.id.in_(upload_ids))))


def upload(session: ReadSession, upload_id: str) -> KnownUpload | None:
    """The upload, whoever owns it."""
    return session.get(KnownUpload, upload_id)


def forget_unknown_uploads(session: WriteSession, before: datetime) -> None:
    """Drops the notes that an upload does not exist."""
    session.execute(delete(KnownUpload).where(KnownUpload.account_id == "", KnownUpload.updated_at < before))


def erase_deleted_uploads(session: WriteSession) -> None:
    """Drops what is known of the contents of deleted uploads, once no job that has read one can still end."""
    reading = select(Job.id).where(Job.upload_id == KnownUpload.id, Job.status.in_(OPEN))
    erased = dict.fromkeys(("sha256", "size_bytes", "filename", "duration_seconds", "sample_rate_hz", "channels"))
    session.execute(
        update(KnownUpload)
        .where(KnownUpload.status == "deleted", KnownUpload.sha256.is_not(None), ~reading.exists())
        .values(**erased)
        .execution_options(synchronize_session=False)
    )


def forget_account(session: WriteSession, account_id: str) -> None:
    """Deletes what the upload service told of the account's uploads."""
    session.execute(delete(KnownUpload).where(KnownUpload.account_id == account_id))
