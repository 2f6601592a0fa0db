"""The songs that a batch names: uploads, and addresses that become uploads."""

from collections.abc import Mapping, Sequence

from services.kit.auth import Principal, check_scope
from services.kit.database import ReadSession
from services.kit.outbound.urls import AddressRefused, target_of
from services.orchestrator.batches.errors import SourceNotAllowed
from services.orchestrator.batches.schemas import BatchItem
from services.orchestrator.settings import Settings
from services.orchestrator.uploads import repository as upload_rows
from services.orchestrator.uploads.errors import UploadNotFound, UploadRejected
from services.orchestrator.uploads.models import KnownUpload


def check_sources(caller: Principal, items: Sequence[BatchItem], settings: Settings) -> None:
    """Raises Forbidden or SourceNotAllowed: what is named by its address has to be one that may be called, and becomes
    an upload of the account."""
    for number, item in enumerate(items):
        if item.source_url is None:
            continue
        check_scope(caller, "uploads")
        try:
            target_of(item.source_url, allow_loopback=settings.outbound_allow_loopback)
        except AddressRefused as error:
            raise SourceNotAllowed(f"source_url {error}", extra={"item": number}) from None


def usable_songs(session: ReadSession, account_id: str, items: Sequence[BatchItem]) -> Mapping[str, KnownUpload]:
    """The uploads that items name, by id; without those of which there is no word.

    Raises UploadNotFound or UploadRejected, of the first item that is in the way.
    """
    known = upload_rows.by_ids(session, {item.upload_id for item in items if item.upload_id is not None})
    for number, item in enumerate(items):
        upload = known.get(item.upload_id or "")
        if upload is None:
            continue
        if upload.account_id != account_id or upload.status == "deleted":
            raise UploadNotFound(extra={"item": number})
        if upload.status == "rejected":
            raise UploadRejected(upload.reason, extra={"reason_code": upload.code, "item": number})
    return known
