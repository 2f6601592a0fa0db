"""How the handling of an event ends when it does not simply end well.

    InvalidMessage      it can never be handled: to the dead-letter topic
    RetryLater          it cannot be handled yet: again after a delay, others go on

Any other exception is a defect, or something that nobody foresaw: the record is tried some times and then put among the
dead letters. No record ends a process.
"""


class InvalidMessage(Exception):
    """This record can never be handled. `reason` is kept with it in the dead-letter topic."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class RetryLater(Exception):
    """This record cannot be handled yet; it comes again after `delay_seconds`, before later records of its key."""

    def __init__(self, delay_seconds: float = 1.0, reason: str = "") -> None:
        super().__init__(reason or f"again in {delay_seconds} s")
        self.delay_seconds = delay_seconds
        self.reason = reason
