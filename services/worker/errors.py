"""Why an attempt did not succeed.

    AttemptError
    ├── AttemptFailed        code, retryable: the message SeparationFailed
    └── AttemptAborted       reason: the message SeparationAborted

Nobody calls the worker over HTTP, so these carry no status.
"""

from separation.errors import AudioError, RequestError, SeparationError
from services.worker.attempts import AbortReason


class AttemptError(Exception):
    """An attempt came to an end without a result."""


class AttemptAborted(AttemptError):
    """The attempt was told to stop."""

    def __init__(self, reason: AbortReason) -> None:
        self.reason = reason
        super().__init__(reason.value)


class AttemptStuck(Exception):
    """An attempt neither goes on nor stops. A thread cannot be ended, so the process is, and the lease lapses."""


class AttemptFailed(AttemptError):
    """The attempt cannot be brought to its end. `message` is a sentence for the person who waits for the song."""

    code: str = "internal"
    retryable: bool = True

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(message)


class EngineFailed(AttemptFailed):
    """The engine could not separate this song; its error's code and sentence are handed on."""

    def __init__(self, error: SeparationError) -> None:
        super().__init__(str(error))
        self.code = error.code
        # What the song or the wish is at fault for fails alike on every worker.
        self.retryable = not isinstance(error, AudioError | RequestError)


class WorkerBusy(AttemptFailed):
    code = "worker_busy"


class ModelUnavailable(AttemptFailed):
    """This worker does not serve the model of that digest; another may."""

    code = "model_unavailable"


class InferenceUnavailable(AttemptFailed):
    """The inference server is away, or serves something else; another worker or a later attempt may do better."""

    code = "inference_unavailable"


class StorageFailed(AttemptFailed):
    code = "storage_unavailable"


class NoSpace(AttemptFailed):
    code = "no_space"


class SourceMissing(AttemptFailed):
    code = "source_missing"
    retryable = False

    def __init__(self) -> None:
        super().__init__("The uploaded file is no longer there.")


class SourceUnreadable(AttemptFailed):
    """The store gives out other sources and not this one. A few attempts, on other workers too, and it is over."""

    code = "source_unreadable"

    def __init__(self) -> None:
        super().__init__("The uploaded file cannot be read any more.")


class SourceChanged(AttemptFailed):
    """What arrived is not what was checked: another size or hash than assigned. The next attempt fetches it anew."""

    code = "source_changed"

    def __init__(self) -> None:
        super().__init__("The uploaded file is not the one that was checked.")
