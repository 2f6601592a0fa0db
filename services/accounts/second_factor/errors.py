"""Errors about second factors."""

from services.accounts.sessions.errors import OAuthError
from services.kit.errors import Conflict, Forbidden


class SecondFactorRequired(OAuthError):
    code = "second_factor_required"
    oauth_error = "second_factor_required"
    title = "This account asks for a code of its second factor besides the password"


class SecondFactorOn(Conflict):
    code = "second_factor_on"
    title = "This account has a second factor already"


class SecondFactorAbsent(Conflict):
    code = "second_factor_absent"
    title = "There is no second factor, or none that waits to be confirmed"


class WrongCode(Forbidden):
    code = "wrong_code"
    title = "That is not a code of this second factor, or it was used before"
