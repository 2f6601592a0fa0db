"""The one tree of errors that services raise towards their callers.

    StemwrightError                 500 internal
    ├── Invalid                     422 invalid_request
    ├── Unauthorized                401 unauthorized
    ├── PaymentRequired             402 payment_required
    ├── Forbidden                   403 forbidden
    ├── NotFound                    404 not_found
    │   └── RouteNotFound           404 route_not_found
    ├── MethodNotAllowed            405 method_not_allowed
    ├── Conflict                    409 conflict
    ├── PayloadTooLarge             413 payload_too_large
    ├── RateLimited                 429 rate_limited
    └── Unavailable                 503 unavailable

A service's `errors.py` subclasses these with a `code` of its own. The app factory renders each as
`application/problem+json` (RFC 9457).
"""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

PROBLEM_TYPE_BASE = "urn:stemwright:problem:"
PROBLEM_MEDIA_TYPE = "application/problem+json"


class StemwrightError(Exception):
    """An error a client is told about.

    `detail` is a sentence for a person; `code` is stable and for programs; `extra` adds members to the document.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Something went wrong on our side"

    def __init__(
        self,
        detail: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        self.detail = detail or self.title
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})
        super().__init__(self.detail)

    def problem(self) -> dict[str, Any]:
        """The members of the RFC 9457 problem document."""
        return {
            "type": PROBLEM_TYPE_BASE + self.code,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            **self.extra,
        }


class Invalid(StemwrightError):
    status = 422
    code = "invalid_request"
    title = "The request is not valid"


class Unauthorized(StemwrightError):
    status = 401
    code = "unauthorized"
    title = "Sign in first"

    def __init__(self, detail: str | None = None, **kwargs: Any) -> None:
        # RFC 9110 section 11.6.1: a 401 names the scheme that would be accepted.
        super().__init__(detail, headers={"WWW-Authenticate": "Bearer"}, **kwargs)


class PaymentRequired(StemwrightError):
    status = 402
    code = "payment_required"
    title = "This needs credits"


class Forbidden(StemwrightError):
    status = 403
    code = "forbidden"
    title = "Not allowed"


class NotFound(StemwrightError):
    status = 404
    code = "not_found"
    title = "There is no such thing"


class RouteNotFound(NotFound):
    code = "route_not_found"
    title = "There is no such path"


class MethodNotAllowed(StemwrightError):
    status = 405
    code = "method_not_allowed"
    title = "This path does not answer that method"

    def __init__(self, allowed: Iterable[str], **kwargs: Any) -> None:
        # RFC 9110 section 15.5.6: a 405 lists the methods that would be answered.
        methods = ", ".join(sorted(allowed))
        super().__init__(f"This path answers {methods}.", headers={"Allow": methods}, **kwargs)


class Conflict(StemwrightError):
    status = 409
    code = "conflict"
    title = "Not possible in the present state"


class PayloadTooLarge(StemwrightError):
    status = 413
    code = "payload_too_large"
    title = "The request is too large"


class _RetryableError(StemwrightError):
    def __init__(self, detail: str | None = None, *, retry_after_seconds: int = 1, **kwargs: Any) -> None:
        super().__init__(detail, headers={"Retry-After": str(max(1, retry_after_seconds))}, **kwargs)


class RateLimited(_RetryableError):
    status = 429
    code = "rate_limited"
    title = "Too many requests"


class Unavailable(_RetryableError):
    status = 503
    code = "unavailable"
    title = "Not available at the moment"


def answers(*errors: type[StemwrightError]) -> dict[int | str, dict[str, Any]]:
    """What a route says of the errors it may answer, for its `responses`: by status, each with its codes."""
    by_status: dict[int | str, list[type[StemwrightError]]] = {}
    for error in errors:
        by_status.setdefault(error.status, []).append(error)
    return {
        status: {
            "description": "; ".join(f"{error.title} (`{error.code}`)" for error in of_status),
            "content": {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status, of_status in by_status.items()
    }
