"""Errors about API keys."""

from services.kit.errors import Conflict, Invalid, NotFound, Unauthorized


class TooManyApiKeys(Conflict):
    code = "too_many_api_keys"
    title = "This account has as many API keys as it may have"


class ExpiryInThePast(Invalid):
    code = "expiry_in_the_past"
    title = "A key that expires has to do so later than now"


class ApiKeyNotFound(NotFound):
    code = "api_key_not_found"
    title = "There is no such API key"


class InvalidApiKey(Unauthorized):
    code = "invalid_api_key"
    title = "This API key is not valid"
