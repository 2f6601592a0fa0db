"""What is refused about uploads, and why."""

from services.kit.errors import Conflict, Invalid, NotFound, RateLimited


class UploadNotFound(NotFound):
    code = "upload_not_found"
    title = "There is no such upload"


class UploadRejected(Invalid):
    code = "upload_rejected"
    title = "The uploaded file cannot be separated"


class UploadNotReady(Conflict):
    code = "upload_not_ready"
    title = "The upload is not complete yet"


class TooManyUnknownUploads(RateLimited):
    code = "too_many_unknown_uploads"
    title = "Too many uploads were named that there are not"
