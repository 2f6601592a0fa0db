"""What the gateway itself answers when a request does not reach a service, or the service does not answer.

StemwrightError
├── BadRequest                  400 bad_request
├── BodyTimeout                 408 request_timeout
├── CsrfFailed        (403)     csrf_failed
├── UriTooLong                  414 uri_too_long
├── UnsupportedMediaType        415 unsupported_media_type
├── HeadersTooLarge             431 headers_too_large
├── UnknownTransferCoding       501 unknown_transfer_coding
├── UpstreamBroken              502 upstream_broken
├── UpstreamTimeout             504 upstream_timeout
├── InvalidKey        (401)     invalid_api_key
├── TooManyAtOnce     (429)     too_many_at_once
├── UpstreamDown      (503)     upstream_unavailable
└── Overloaded        (503)     overloaded
"""

from services.kit.errors import Forbidden, RateLimited, StemwrightError, Unauthorized, Unavailable


class BadRequest(StemwrightError):
    status = 400
    code = "bad_request"
    title = "The request cannot be read"


class BodyTimeout(StemwrightError):
    status = 408
    code = "request_timeout"
    title = "The request body did not arrive in time"


class CsrfFailed(Forbidden):
    code = "csrf_failed"
    title = "The X-CSRF-Token is not the one of this session"


class UriTooLong(StemwrightError):
    status = 414
    code = "uri_too_long"
    title = "The address is too long"


class UnsupportedMediaType(StemwrightError):
    status = 415
    code = "unsupported_media_type"
    title = "The body is not of a type this path reads"


class HeadersTooLarge(StemwrightError):
    status = 431
    code = "headers_too_large"
    title = "The request headers are too large"


class UnknownTransferCoding(StemwrightError):
    status = 501
    code = "unknown_transfer_coding"
    title = "A body comes chunked or with its length, and in no other coding"


class UpstreamBroken(StemwrightError):
    status = 502
    code = "upstream_broken"
    title = "A part of the platform broke off while it worked on this"


class UpstreamTimeout(StemwrightError):
    status = 504
    code = "upstream_timeout"
    title = "A part of the platform took too long to answer"


class InvalidKey(Unauthorized):
    code = "invalid_api_key"
    title = "The API key is not valid"


class TooManyAtOnce(RateLimited):
    code = "too_many_at_once"
    title = "Too many open at the same time"


class UpstreamDown(Unavailable):
    code = "upstream_unavailable"
    title = "A part of the platform is restarting"


class Overloaded(Unavailable):
    code = "overloaded"
    title = "More requests than can be served at the moment"
