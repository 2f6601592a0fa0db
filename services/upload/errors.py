"""What this service refuses, beyond the kit's own errors."""

from services.kit.errors import (
    Conflict,
    Invalid,
    NotFound,
    PayloadTooLarge,
    RateLimited,
    StemwrightError,
    Unavailable,
)


class UploadNotFound(NotFound):
    code = "upload_not_found"
    title = "There is no such upload"


class UploadTooLarge(PayloadTooLarge):
    code = "upload_too_large"
    title = "The file is larger than we accept"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(
            f"Files may have at most {limit_bytes:,} bytes.",
            extra={"limit_bytes": limit_bytes},
        )


class TooManyPending(RateLimited):
    code = "too_many_pending_uploads"
    title = "Too many uploads wait for their bytes"


class StorageQuotaExceeded(Conflict):
    """Everything counts that is not deleted: files, and places for files that have not come yet."""

    code = "storage_quota_exceeded"
    title = "The account keeps as many files as it may"

    def __init__(
        self,
        *,
        limit_bytes: int,
        stored_bytes: int,
        limit_uploads: int,
        uploads: int,
        limit_ready_uploads: int,
        ready_uploads: int,
    ) -> None:
        super().__init__(
            f"This account keeps {uploads:,} of {limit_uploads:,} uploads, {ready_uploads:,} of "
            f"{limit_ready_uploads:,} that are not rejected, with {stored_bytes:,} of {limit_bytes:,} bytes. "
            "Those that wait for their file count too. Delete some first.",
            extra={
                "limit_bytes": limit_bytes,
                "stored_bytes": stored_bytes,
                "limit_uploads": limit_uploads,
                "uploads": uploads,
                "limit_ready_uploads": limit_ready_uploads,
                "ready_uploads": ready_uploads,
            },
        )


class UploadDeleted(StemwrightError):
    status = 410
    code = "upload_deleted"
    title = "The upload that this key made was deleted"


class UploadNotPending(Conflict):
    code = "upload_not_pending"
    title = "The upload has its bytes already"


class UploadIsFetched(Conflict):
    code = "upload_is_fetched"
    title = "The file of this upload is fetched from its address; nobody can send it"


class SourceNotAllowed(Invalid):
    code = "source_not_allowed"
    title = "Nothing is fetched from that address"


class UploadReplaced(Conflict):
    code = "upload_replaced"
    title = "The bytes of this upload were sent anew meanwhile"


class UploadIncomplete(Conflict):
    code = "upload_incomplete"
    title = "Parts of the file are missing"

    def __init__(self, numbers: list[int]) -> None:
        super().__init__(
            f"{len(numbers)} part(s) are missing or have the wrong size; the first is part {numbers[0]}. "
            "Send them and complete the upload again; if the store refuses a part, send the whole file to /content.",
            extra={"missing_parts": numbers},
        )


class PartMismatch(Invalid):
    code = "part_mismatch"
    title = "A named part is not the stored one"


class ContentLengthMismatch(Invalid):
    code = "content_length_mismatch"
    title = "The body is not as long as was said"

    def __init__(self, expected_bytes: int, received: str) -> None:
        super().__init__(
            f"The upload was created for {expected_bytes:,} bytes, but the body has {received} bytes.",
            extra={"expected_bytes": expected_bytes},
        )


class TooManyTransfers(Unavailable):
    code = "too_many_transfers"
    title = "Too many files are being received at the moment"


class TransferStalled(StemwrightError):
    status = 408
    code = "transfer_stalled"
    title = "The bytes came too slowly, or no longer"


class TransferBroken(StemwrightError):
    status = 400
    code = "transfer_broken"
    title = "The connection ended before the file did"
