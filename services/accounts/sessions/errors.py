"""Errors of signing in."""

from typing import ClassVar

from services.kit.errors import Forbidden, NotFound, RateLimited, StemwrightError, Unauthorized


class TooManySignIns(RateLimited):
    code = "rate_limited"
    title = "Too many people are signing in at this moment"


class TooManyGuesses(RateLimited):
    code = "too_many_guesses"
    title = "Too many wrong passwords for this account from this address"


class SessionEnded(Unauthorized):
    code = "session_ended"
    title = "This session has ended"


class WrongPassword(Forbidden):
    code = "wrong_password"
    title = "That is not the password of this account"


class AccountDisabled(Forbidden):
    code = "account_disabled"
    title = "This account has been disabled by those who run the platform"


class SessionNotFound(NotFound):
    code = "session_not_found"
    title = "There is no such sign-in"


class OAuthError(StemwrightError):
    """A refused token request: RFC 6749 section 5.2 names the members, RFC 9457 the document around them."""

    status = 400
    oauth_error: ClassVar[str] = "invalid_request"

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail, headers={"Cache-Control": "no-store"})
        self.extra = {"error": self.oauth_error, "error_description": self.detail}


class InvalidTokenRequest(OAuthError):
    code = "invalid_request"
    title = "The token request is not valid"


class UnsupportedGrantType(OAuthError):
    code = "unsupported_grant_type"
    oauth_error = "unsupported_grant_type"
    title = "This way of getting a token is not known here"


class InvalidGrant(OAuthError):
    code = "invalid_grant"
    oauth_error = "invalid_grant"
    title = "The credentials are not valid"
