"""Errors of erasing an account."""

from services.kit.errors import NotFound


class ErasureNotFound(NotFound):
    code = "erasure_not_found"
    title = "There is no receipt at this address"
