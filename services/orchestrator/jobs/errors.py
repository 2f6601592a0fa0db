"""What is refused about jobs, and why."""

from services.kit.errors import Conflict, Forbidden, Invalid, NotFound, RateLimited, StemwrightError


class JobNotFound(NotFound):
    code = "job_not_found"
    title = "There is no such job"


class UnknownModel(Invalid):
    code = "unknown_model"
    title = "There is no such model"


class PreviewOutside(Invalid):
    code = "preview_outside_song"
    title = "The preview lies outside of the song, or is too long"


class OutputUnsuitable(Invalid):
    code = "output_format_unsuitable"
    title = "The format cannot hold this song"


class TooManyOpenJobs(RateLimited):
    code = "too_many_open_jobs"
    title = "Too many jobs of this account have not ended yet"


class TooManyWaitingJobs(RateLimited):
    code = "too_many_waiting_jobs"
    title = "Too many jobs of this account wait for their uploads"


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


class JobNotWaiting(Conflict):
    code = "job_not_waiting"
    title = "Only a job that waits for its turn can be put before others"


class CallbackUrlRefused(Invalid):
    code = "callback_url_refused"
    title = "Nothing is sent to this address"


class CallbacksForPartners(Forbidden):
    code = "callbacks_for_partners"
    title = "Only partners are called back"
