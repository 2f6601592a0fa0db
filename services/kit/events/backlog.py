"""Records between the thread that polls and the thread that handles. Knows no Kafka.

The records of one key are handled in order of arrival. Keys take turns, so that a thousand records about one account
delay another's by one of them. A record which asked to be retried waits aside, and with it the later records of its
key; other keys go on. What may be committed is the offset below which everything is
done. A partition that was taken away and given back is a new `Claim`: what belongs to the old one counts no more.
"""

import heapq
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count

from services.kit.events.codec import RawRecord

Partition = tuple[str, int]
OrderingKey = tuple["Claim", bytes]

FULL_RECORDS = 500
FULL_BYTES = 4 * 1024 * 1024


@dataclass(eq=False)
class Claim:
    """A partition for as long as this consumer reads it. Offsets ascend; those that are done wait for lower ones."""

    partition: Partition
    open: bool = True
    waiting: dict[int, int] = field(default_factory=dict)
    """Size in bytes by offset, of records that are not done, in order of arrival."""
    next_offset: int | None = None
    """One after the highest offset that arrived."""
    committed: int | None = None
    paused: bool = False

    @property
    def position(self) -> int | None:
        """What may be committed: everything below it is done."""
        return next(iter(self.waiting), self.next_offset)

    def is_full(self) -> bool:
        """Whether no more should be fetched. Says so until half of it is done, so as not to stop and start in turns."""
        share = 2 if self.paused else 1
        return len(self.waiting) >= FULL_RECORDS // share or sum(self.waiting.values()) >= FULL_BYTES // share


@dataclass(eq=False)
class Work:
    """A record that waits for its handler, or is with it."""

    record: RawRecord
    claim: Claim
    retried: int = 0
    failed: int = 0
    """How often its handler ended in an error that nobody foresaw."""

    @property
    def ordering_key(self) -> OrderingKey:
        """What keeps its order: the records of one key in one claim."""
        return (self.claim, self.record.key or b"")


class Backlog:
    """The records that were fetched and are not done. One thread polls and fills, one takes and handles."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._claims: dict[Partition, Claim] = {}
        self._turns: OrderedDict[OrderingKey, deque[Work]] = OrderedDict()
        """What may be handled: the records of each key, none of them empty, and the key whose turn it is first."""
        self._aside: list[tuple[float, int, Work]] = []
        self._blocked: dict[OrderingKey, deque[Work]] = {}
        """The records of keys of which one is retried."""
        self._numbers = count()
        self._awake = False

    def assign(self, partitions: Iterable[Partition]) -> None:
        """Begins a claim on each partition; an open one goes on."""
        with self._changed:
            for partition in partitions:
                self._claims.setdefault(partition, Claim(partition))

    def revoke(self, partitions: Iterable[Partition] | None = None) -> None:
        """Ends claims (by default all) and forgets their records. One that is with its handler ends as it may."""
        with self._changed:
            for partition in list(self._claims) if partitions is None else list(partitions):
                claim = self._claims.pop(partition, None)
                if claim is not None:
                    claim.open = False
            self._turns = OrderedDict((key, works) for key, works in self._turns.items() if key[0].open)
            self._aside = [entry for entry in self._aside if entry[2].claim.open]
            heapq.heapify(self._aside)
            self._blocked = {key: works for key, works in self._blocked.items() if key[0].open}

    def renew(self, partitions: Iterable[Partition]) -> None:
        """Ends the open claims among these and begins them again, empty."""
        with self._changed:
            still = [partition for partition in partitions if partition in self._claims]
            self.revoke(still)
            self.assign(still)

    def put(self, partition: Partition, records: Iterable[RawRecord]) -> None:
        """Adds fetched records of a partition, in order; of one that is not claimed any more, forgets them."""
        with self._changed:
            claim = self._claims.get(partition)
            if claim is None:
                return
            for record in records:
                claim.waiting[record.offset] = len(record.value or b"")
                claim.next_offset = record.offset + 1
                work = Work(record, claim)
                key = work.ordering_key
                works = self._blocked[key] if key in self._blocked else self._turns.setdefault(key, deque())
                works.append(work)
            self._changed.notify()

    def take(self, timeout_seconds: float) -> Work | None:
        """The next record that may be handled, or None after the timeout or `wake`."""
        deadline = self._clock() + timeout_seconds
        with self._changed:
            while not self._awake:
                now = self._clock()
                if self._aside and self._aside[0][0] <= now:
                    return heapq.heappop(self._aside)[2]
                if self._turns:
                    key, works = self._turns.popitem(last=False)
                    work = works.popleft()
                    if works:
                        self._turns[key] = works
                    return work
                if now >= deadline:
                    return None
                due = min(deadline, self._aside[0][0]) if self._aside else deadline
                self._changed.wait(max(0.0, due - now))
            return None

    def wake(self) -> None:
        """Ends the waiting in `take`, now and later: nothing more will be handled."""
        with self._changed:
            self._awake = True
            self._changed.notify_all()

    def done(self, work: Work) -> None:
        """The record was handled, or was put among the dead letters."""
        with self._changed:
            work.claim.waiting.pop(work.record.offset, None)
            if work.retried and work.claim.open and (works := self._blocked.pop(work.ordering_key, None)):
                self._turns[work.ordering_key] = works

    def retry(self, work: Work, delay_seconds: float) -> None:
        """The record comes again after the delay; later records of its key wait for it."""
        with self._changed:
            if not work.claim.open:
                return
            work.retried += 1
            key = work.ordering_key
            if key not in self._blocked:
                self._blocked[key] = self._turns.pop(key, deque())
            heapq.heappush(self._aside, (self._clock() + delay_seconds, next(self._numbers), work))

    def committable(self) -> dict[Partition, int]:
        """Positions that moved since they were last committed."""
        with self._changed:
            return {
                partition: claim.position
                for partition, claim in self._claims.items()
                if claim.position is not None and claim.position != claim.committed
            }

    def positions(self) -> dict[Partition, int]:
        """Of each claim of which a record came: the first that is not done, or the next to come."""
        with self._changed:
            known = {partition: claim.position for partition, claim in self._claims.items()}
        return {partition: position for partition, position in known.items() if position is not None}

    def committed(self, positions: Mapping[Partition, int]) -> None:
        """Notes what the brokers know."""
        with self._changed:
            for partition, position in positions.items():
                if partition in self._claims:
                    self._claims[partition].committed = position

    def pauses(self) -> tuple[list[Partition], list[Partition]]:
        """Partitions that became full, and partitions that have room again, since the last call."""
        stop: list[Partition] = []
        go: list[Partition] = []
        with self._changed:
            for partition, claim in self._claims.items():
                full = claim.is_full()
                if full != claim.paused:
                    claim.paused = full
                    (stop if full else go).append(partition)
        return stop, go

    @property
    def paused(self) -> bool:
        """Whether any partition waits for room."""
        with self._changed:
            return any(claim.paused for claim in self._claims.values())

    def __len__(self) -> int:
        """Records that are not done."""
        with self._changed:
            return sum(len(claim.waiting) for claim in self._claims.values())
