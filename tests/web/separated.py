"""An account with a song that has been separated, for tests of what can be done with it."""

from dataclasses import dataclass

from services.local.client import Client, Document
from tests.e2e.songs import Samples
from tests.web.browsing import PASSWORD, Visitor

LENGTH_SECONDS = 75


@dataclass(frozen=True)
class Separated:
    """An account with a whole song and a preview of it."""

    email: str
    client: Client
    mixture: Samples
    job: Document
    preview: Document


def signed_in(visitor: Visitor, email: str) -> Visitor:
    body = {"email": email, "password": PASSWORD}
    assert visitor.page.context.request.post("/v1/auth/session", data=body).status == 200
    return visitor
