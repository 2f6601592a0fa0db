"""Trying again in place: the object store is away for seconds now and then; a separation is worth waiting for it."""

import errno
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from services.kit.storage import ObjectNotFound, StorageRefused, StorageUnavailable
from services.worker.attempts import Attempt
from services.worker.errors import NoSpace, StorageFailed
from services.worker.service import check

_log = logging.getLogger(__name__)

LONGEST_PAUSE_SECONDS = 4.0

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Retries:
    """How often, and with what pauses: full jitter below a bound that doubles from `backoff_seconds`.

    `pause` waits, and raises AttemptAborted where the attempt was told to stop.
    """

    attempts: int
    backoff_seconds: float
    pause: Callable[[Attempt, float], None]

    def __call__(self, attempt: Attempt, call: Callable[[], T]) -> T:
        """The result of `call`. Raises StorageFailed, NoSpace, AttemptAborted, or ObjectNotFound at once."""
        bound = self.backoff_seconds
        for left in reversed(range(self.attempts)):
            check(attempt)
            try:
                return call()
            except ObjectNotFound:
                raise
            except (StorageUnavailable, StorageRefused) as error:
                if left == 0:
                    raise StorageFailed("The place where songs are kept did not answer.") from error
                _log.warning("the object store failed, %d tries are left: %s", left, error.detail)
            except OSError as error:
                raise full_disk(error) from error
            self.pause(attempt, random.uniform(0, bound))  # noqa: S311 - spreads load, keeps no secret
            bound = min(2 * bound, LONGEST_PAUSE_SECONDS)
        raise AssertionError("unreachable")


def full_disk(error: OSError) -> Exception:
    """NoSpace where the error says that the disk is full, else the error."""
    return NoSpace("The worker had no space left for this song.") if error.errno in _NO_SPACE else error
