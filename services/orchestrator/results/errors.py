"""What is refused about results, and why."""

from services.kit.errors import Conflict, NotFound, StemwrightError


class SegmentNotReady(Conflict):
    code = "segment_not_ready"
    title = "The segment is not made yet"

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "1"})


class SegmentNotFound(NotFound):
    code = "segment_not_found"
    title = "There is no such segment"


class StemNotFound(NotFound):
    code = "stem_not_found"
    title = "The job made no such stem"


class ResultGone(NotFound):
    code = "result_gone"
    title = "The result is no longer stored"


class ResultDamaged(StemwrightError):
    status = 500
    code = "result_damaged"
    title = "What is stored of this result is damaged"


class MixTooLong(Conflict):
    code = "mix_too_long"
    title = "The mix would need a larger file than WAV has words for"
