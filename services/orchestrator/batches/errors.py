"""What is refused about batches, and why."""

from services.kit.errors import Conflict, Invalid, NotFound, RateLimited


class BatchNotFound(NotFound):
    code = "batch_not_found"
    title = "There is no such batch"


class TooManyOpenBatches(RateLimited):
    code = "too_many_open_batches"
    title = "Too many batches of this account have not ended yet"


class SourceNotAllowed(Invalid):
    code = "source_not_allowed"
    title = "Nothing is fetched from that address"


class BatchAlreadyFinal(Conflict):
    code = "batch_already_final"
    title = "The batch has ended already"
