"""What HTTP calls its statuses, in the same words whatever the Python: 3.13 took over new names of RFC 9110 for some.

Codes of problems are made of them, and clients rely on codes.
"""

from http import HTTPStatus

_AS_BEFORE = {
    413: "Request Entity Too Large",
    414: "Request-URI Too Long",
    416: "Requested Range Not Satisfiable",
    422: "Unprocessable Entity",
}


def reason_phrase(status: int) -> str:
    """The name of a status that HTTP knows."""
    return _AS_BEFORE.get(status) or HTTPStatus(status).phrase
