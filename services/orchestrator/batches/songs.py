"""The uploads that a batch names."""

from collections.abc import Sequence

from services.kit.database import ReadSession
from services.orchestrator.batches.schemas import BatchItem
from services.orchestrator.uploads import repository as upload_rows
from services.orchestrator.uploads.errors import UploadNotFound, UploadRejected
from services.orchestrator.uploads.models import KnownUpload


def usable_songs(session: ReadSession, account_id: str, items: Sequence[BatchItem]) -> dict[str, KnownUpload]:
    """The uploads by id. Raises UploadNotFound or UploadRejected, of the first item that is in the way."""
    uploads = upload_rows.owned_uploads(session, account_id, {item.upload_id for item in items})
    for number, item in enumerate(items):
        upload = uploads.get(item.upload_id)
        if upload is None:
            raise UploadNotFound(extra={"item": number})
        if upload.status == "rejected":
            raise UploadRejected(upload.reason, extra={"reason_code": upload.code, "item": number})
    return uploads
