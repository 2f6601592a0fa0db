"""What is refused about administration, and why."""

from services.kit.errors import Conflict, NotFound


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
