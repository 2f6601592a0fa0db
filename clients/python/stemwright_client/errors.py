"""What can go wrong, as one tree; each error has a `code` that programs may rely on.

StemwrightError
├── ConnectionFailed        nobody answered
├── EnvironmentUnusable     proxies or certificates that the environment names cannot be used
├── ApiError                the platform refused; `status`, `detail`, `request_id`
│   ├── Unauthorized        401, the key does not work
│   ├── Forbidden           403, the key lacks a scope, or the account a role
│   ├── NotFound            404, 410
│   ├── Conflict            409
│   ├── InsufficientCredits 402
│   ├── Invalid             400, 413, 415, 422
│   ├── RateLimited         429
│   └── Unavailable         500 and above
├── StoreError              the object store refused a part or a download
├── UnexpectedAnswer        no platform of this kind is at the address
├── UploadRejected          the file is no song that can be separated
├── JobFailed               the job ended otherwise than by succeeding; `job`
├── WaitExpired             it had not ended when the time was up
├── DownloadDamaged         a stem did not arrive as it was made
├── EventsMissed            the feed no longer holds what follows the place that was named
└── SignatureInvalid        a webhook is not from the platform
"""

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from stemwright_client.models import Job


class StemwrightError(Exception):
    """Anything that this package raises of its own."""

    code: str = "error"


class ConnectionFailed(StemwrightError):
    """No answer came, or it broke off."""

    code = "connection_failed"


class EnvironmentUnusable(StemwrightError):
    """The environment names a proxy or certificates that cannot be used; the text says in which variable."""

    code = "environment_unusable"


class ApiError(StemwrightError):
    """The platform answered with a problem document (RFC 9457)."""

    statuses: ClassVar[tuple[int, ...]] = ()

    def __init__(self, status: int, problem: dict[str, Any], retry_after_seconds: float | None = None) -> None:
        self.status = status
        self.code = str(problem.get("code") or f"status_{status}")
        self.detail = str(problem.get("detail") or problem.get("title") or "no reason was given")
        self.request_id: str | None = problem.get("request_id")
        self.problem = problem
        """The whole document: `errors` of a request that is not valid, `missing_parts` and the like."""
        self.retry_after_seconds = retry_after_seconds
        # The detail names the first few fields, without where in the request they are.
        fields = [
            f"{str(each.get('at')).removeprefix('body.')} {each.get('problem')}" for each in problem.get("errors") or ()
        ]
        unsaid = [field for field in fields if field not in self.detail]
        about = f" ({'; '.join(unsaid)})" if unsaid else ""
        super().__init__(f"{self.detail}{about} [{self.code}]")


class Unauthorized(ApiError):
    statuses = (401,)


class InsufficientCredits(ApiError):
    statuses = (402,)


class Forbidden(ApiError):
    statuses = (403,)


class NotFound(ApiError):
    statuses = (404, 410)


class Conflict(ApiError):
    statuses = (409,)


class Invalid(ApiError):
    statuses = (400, 413, 415, 422)


class RateLimited(ApiError):
    statuses = (429,)


class Unavailable(ApiError):
    """500 and above."""


_BY_STATUS: dict[int, type[ApiError]] = {
    status: kind
    for kind in (Unauthorized, InsufficientCredits, Forbidden, NotFound, Conflict, Invalid, RateLimited)
    for status in kind.statuses
}


def api_error(status: int, problem: dict[str, Any], retry_after_seconds: float | None = None) -> ApiError:
    """The error of the tree that a status stands for."""
    kind = _BY_STATUS.get(status, Unavailable if status >= 500 else ApiError)
    return kind(status, problem, retry_after_seconds)


class StoreError(StemwrightError):
    """The object store refused: `status` is its own."""

    code = "store_refused"

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(f"the object store answered {status}")


class UnexpectedAnswer(StemwrightError):
    code = "unexpected_answer"


class UploadRejected(StemwrightError):
    """`code` is the platform's: `audio_undecodable`, `audio_too_long` and so on."""

    def __init__(self, code: str | None, reason: str | None) -> None:
        self.code = code or "upload_rejected"
        super().__init__(reason or "the platform gave no reason")


class JobFailed(StemwrightError):
    """`code` is the job's own where it has one, else its status."""

    def __init__(self, job: "Job") -> None:
        self.job = job
        self.code = job.error.code if job.error else f"job_{job.status}"
        super().__init__(job.error.message if job.error else f"the job was {job.status}")


class WaitExpired(StemwrightError):
    code = "wait_expired"


class DownloadDamaged(StemwrightError):
    code = "download_damaged"


class EventsMissed(StemwrightError):
    """Events after the named place are gone; what is left begins with `oldest_sequence`."""

    code = "events_missed"

    def __init__(self, after: int, oldest_sequence: int) -> None:
        self.oldest_sequence = oldest_sequence
        super().__init__(f"events {after + 1} to {oldest_sequence - 1} are kept no more: ask how your jobs stand")


class SignatureInvalid(StemwrightError):
    code = "signature_invalid"
