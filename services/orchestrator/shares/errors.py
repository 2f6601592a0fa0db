"""What is refused about links to listen, and why."""

from services.kit.errors import Conflict, NotFound


class TooManyShares(Conflict):
    code = "too_many_shares"
    title = "This job has as many links as it may have"


class ShareNotFound(NotFound):
    """Told alike of a link that never was, has expired or was ended, and of one whose job or stems are gone."""

    code = "share_not_found"
    title = "There is no such link"
