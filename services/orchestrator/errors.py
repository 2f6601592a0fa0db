"""What the orchestrator refuses, and why."""

from services.kit.errors import Conflict, Invalid, NotFound, PaymentRequired, RateLimited, StemwrightError


class JobNotFound(NotFound):
    code = "job_not_found"
    title = "There is no such job"


class UploadNotFound(NotFound):
    code = "upload_not_found"
    title = "There is no such upload"


class UploadRejected(Invalid):
    code = "upload_rejected"
    title = "The uploaded file cannot be separated"


class UploadNotReady(Conflict):
    code = "upload_not_ready"
    title = "The upload is not complete yet"


class UnknownModel(Invalid):
    code = "unknown_model"
    title = "There is no such model"


class PreviewOutside(Invalid):
    code = "preview_outside_song"
    title = "The preview lies outside of the song"


class OutputUnsuitable(Invalid):
    code = "output_format_unsuitable"
    title = "The format cannot hold this song"


class TooManyOpenJobs(RateLimited):
    code = "too_many_open_jobs"
    title = "Too many jobs of this account have not ended yet"


class TooManyWaitingJobs(RateLimited):
    code = "too_many_waiting_jobs"
    title = "Too many jobs of this account wait for their uploads"


class InsufficientCredits(PaymentRequired):
    code = "insufficient_credits"
    title = "Not enough credits"


class PreviewAllowanceExhausted(PaymentRequired):
    code = "preview_allowance_exhausted"
    title = "Today's free previews are used up"


class JobRejected(Invalid):
    code = "job_rejected"
    title = "The job was not accepted"


class JobNotFinished(Conflict):
    code = "job_not_finished"
    title = "The job has no result"


class JobDeleted(StemwrightError):
    status = 410
    code = "job_deleted"
    title = "The job that this key made was deleted"


class JobAlreadyFinal(Conflict):
    code = "job_already_final"
    title = "The job has ended already"


class JobNotRetryable(Conflict):
    code = "job_not_retryable"
    title = "Only a job that failed, was canceled or was rejected can be tried again"


class JobNotRequeueable(Conflict):
    code = "job_not_requeueable"
    title = "Only a job that waits, runs or failed can be requeued"


class DeadLetterNotFound(NotFound):
    code = "dead_letter_not_found"
    title = "There is no such dead letter, or not any more"


class DeadLetterDecided(Conflict):
    code = "dead_letter_decided"
    title = "Somebody has dealt with this dead letter already"


class DeadLetterNotReplayable(Conflict):
    code = "dead_letter_not_replayable"
    title = "The dead letter cannot be replayed"


class WorkerNotFound(NotFound):
    code = "worker_not_found"
    title = "No such worker was heard of lately"


class JobNotWaiting(Conflict):
    code = "job_not_waiting"
    title = "Only a job that waits for its turn can be put before others"


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


class TooManyShares(Conflict):
    code = "too_many_shares"
    title = "This job has as many links as it may have"


class ShareNotFound(NotFound):
    """Told alike of a link that never was, has expired or was ended, and of one whose job or stems are gone."""

    code = "share_not_found"
    title = "There is no such link"


class FeedbackNotFound(NotFound):
    code = "feedback_not_found"
    title = "No feedback was given for this job"
