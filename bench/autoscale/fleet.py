"""Workers that come and go, and the songs that they separate, by events instead of by the clock.

Which song a free slot gets is decided by the orchestrator's own code (`services.orchestrator.queue.placement`); how
many workers there are, by `bench.autoscale.hpa`.
"""

import heapq
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from bench.autoscale.day import DAY_SECONDS, Song
from bench.autoscale.hpa import SYNC_SECONDS, Autoscaler, Scaling
from services.orchestrator.queue.placement import Candidate, Slot, choose

MIDNIGHT = datetime(2026, 1, 1, tzinfo=UTC)
MODEL = "spleeter-2stems"
SPEEDS = ((30, 15), (60, 22), (120, 24), (316, 29), (1200, 36), (7200, 33))
"""Seconds of a song, and times real time that one took: measured on two cores, a new process each
(`bench.engine_lengths`, docs/engine.md)."""
BEYOND_SECONDS = 0.5
"""Of a job beside the engine: measured by `bench.platform` (docs/architecture.md)."""
LOAD_SECONDS = 2.6
"""From a process's start until the model is loaded: measured, cold less warm (docs/engine.md)."""
POD_SECONDS = 30.0
"""Until a pod runs on a node that is there: assumed. A node that has to come first takes minutes."""
SCRAPE_SECONDS = 30.0
GRACE_SECONDS = 600.0
"""What a worker has for its songs once it is told to stop."""
PATIENCE_SECONDS = 2 * DAY_SECONDS


def work_seconds(seconds: float) -> float:
    """How long a worker is at a song of this length, by what was measured of others."""
    lengths, speeds = zip(*SPEEDS, strict=True)
    return BEYOND_SECONDS + seconds / float(np.interp(seconds, lengths, speeds))


@dataclass
class Running:
    song: Song
    since: float
    until: float

    def left(self, now: float) -> float:
        """Seconds of music."""
        return self.song.seconds * max(0.0, self.until - now) / (self.until - self.since)


@dataclass
class Worker:
    name: str
    asked_at: float
    ready_at: float
    stopping_at: float | None = None
    running: dict[int, Running] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What a day came to."""

    waits: dict[str, list[float]]
    """Seconds until each song's first worker, by tier; those of `fast` that no batch brought are `people` besides."""
    worker_hours: float
    busy_hours: float
    most_workers: int
    handed_over: int
    """Songs that a worker which was told to stop did not end in time: another one did."""
    lost: int
    """Songs that nobody ended."""
    course: list[tuple[float, int, int, float]]
    """Time, workers, busy slots, and seconds of music outstanding, at each look of the autoscaler."""

    def wait(self, group: str, share: float) -> float:
        """The wait that this share of a group's songs does not exceed, in seconds."""
        return float(np.quantile(self.waits[group], share))

    def begun_within(self, group: str, seconds: float) -> float:
        """Share of a group's songs."""
        return float(np.mean(np.array(self.waits[group]) <= seconds))


class Fleet:
    """One run: `Fleet(...).run()`."""

    def __init__(
        self,
        songs: Sequence[Song],
        scaling: Scaling,
        *,
        start_seconds: float = POD_SECONDS + LOAD_SECONDS,
        grace_seconds: float = GRACE_SECONDS,
        slots: int = 1,
    ) -> None:
        self._scaling = scaling
        self._autoscaler = Autoscaler(scaling)
        self._start_seconds, self._grace_seconds, self._slots = start_seconds, grace_seconds, slots
        self._events: list[tuple[float, int, str, Any]] = []
        self._number = 0
        self._queues: dict[tuple[str, str], deque[Song]] = {}
        self._workers: list[Worker] = []
        self._waits: dict[str, list[float]] = {"fast": [], "relaxed": [], "people": []}
        self._begun: set[Song] = set()
        self._open = len(songs)
        self._queued_seconds = 0.0
        self._scraped = 0.0
        self._worker_seconds = self._busy_seconds = 0.0
        self._most = self._handed_over = 0
        self._course: list[tuple[float, int, int, float]] = []
        for song in songs:
            self._at(song.at, "come", song)

    def run(self) -> Outcome:
        """Until every song has ended, and for a day at least."""
        for _ in range(self._scaling.least):
            self._start(0.0, ready_at=0.0)
        self._at(0.0, "scrape", None)
        self._at(1.0, "scale", None)
        now = 0.0
        while self._events and (self._open or now < DAY_SECONDS) and now < PATIENCE_SECONDS:
            now, _, kind, what = heapq.heappop(self._events)
            getattr(self, f"_{kind}")(now, what)
            if kind in ("come", "ready", "end", "stopped"):
                self._place(now)
        for worker in self._workers:
            self._worker_seconds += now - worker.asked_at
        return Outcome(
            self._waits,
            self._worker_seconds / 3600,
            self._busy_seconds / 3600 / self._slots,
            self._most,
            self._handed_over,
            self._open,
            self._course,
        )

    def _at(self, moment: float, kind: str, what: Any) -> None:
        self._number += 1
        heapq.heappush(self._events, (moment, self._number, kind, what))

    def _come(self, _now: float, song: Song) -> None:
        self._queue(song)

    def _queue(self, song: Song, *, first: bool = False) -> None:
        queue = self._queues.setdefault((song.account, song.tier), deque())
        queue.appendleft(song) if first else queue.append(song)
        self._queued_seconds += song.seconds

    def _scrape(self, now: float, _what: None) -> None:
        running = sum(each.left(now) for worker in self._workers for each in worker.running.values())
        self._scraped = self._queued_seconds + running
        self._at(now + SCRAPE_SECONDS, "scrape", None)

    def _scale(self, now: float, _what: None) -> None:
        there = [worker for worker in self._workers if worker.stopping_at is None]
        number = self._autoscaler.desired(now, len(there), self._scraped)
        for _ in range(number - len(there)):
            self._start(now, ready_at=now + self._start_seconds)
        # As a ReplicaSet does: first who is not ready yet, then who has been so for the shortest time.
        for worker in sorted(there, key=lambda worker: -worker.ready_at)[: max(0, len(there) - number)]:
            self._stop(now, worker)
        self._most = max(self._most, number)
        busy = sum(len(worker.running) for worker in self._workers)
        self._course.append((now, number, busy, self._scraped))
        self._at(now + SYNC_SECONDS, "scale", None)

    def _start(self, now: float, ready_at: float) -> None:
        worker = Worker(f"worker-{self._number:08}", now, ready_at)
        self._workers.append(worker)
        self._at(ready_at, "ready", worker)

    def _ready(self, _now: float, _worker: Worker) -> None:
        """Places what waits."""

    def _stop(self, now: float, worker: Worker) -> None:
        worker.stopping_at = now
        if worker.running:
            self._at(now + self._grace_seconds, "stopped", worker)
        else:
            self._gone(now, worker)

    def _stopped(self, now: float, worker: Worker) -> None:
        """Its time is over: what it still runs goes back into the queue, to its place."""
        if worker not in self._workers:
            return
        for each in worker.running.values():
            self._handed_over += 1
            self._busy_seconds += now - each.since
            self._queue(each.song, first=True)
        worker.running.clear()
        self._gone(now, worker)

    def _gone(self, now: float, worker: Worker) -> None:
        self._workers.remove(worker)
        self._worker_seconds += now - worker.asked_at

    def _end(self, now: float, what: tuple[Worker, int]) -> None:
        worker, number = what
        each = worker.running.pop(number, None)
        if each is None:
            return
        self._open -= 1
        self._busy_seconds += now - each.since
        if worker.stopping_at is not None and not worker.running:
            self._gone(now, worker)

    def _place(self, now: float) -> None:
        while True:
            slots = [
                Slot(worker.name, {MODEL: "digest"}, self._slots - len(worker.running), 1.0)
                for worker in self._workers
                if worker.ready_at <= now and worker.stopping_at is None and len(worker.running) < self._slots
            ]
            if not slots or not self._queues:
                return
            running = Counter(each.song.account for worker in self._workers for each in worker.running.values())
            pair = choose([self._head(now, *key) for key in self._queues], slots, running)
            if pair is None:
                return
            head, slot = pair
            self._begin(now, self._take(head), next(each for each in self._workers if each.name == slot.worker_id))

    def _head(self, now: float, account: str, tier: str) -> Candidate:
        song = self._queues[account, tier][0]
        queued_at = MIDNIGHT + timedelta(seconds=song.at)
        return Candidate(account, "full", tier, MODEL, None, queued_at, now - song.at)

    def _take(self, head: Candidate) -> Song:
        queue = self._queues[head.account_id, head.tier]
        song = queue.popleft()
        if not queue:
            del self._queues[head.account_id, head.tier]
        self._queued_seconds = max(0.0, self._queued_seconds - song.seconds)
        return song

    def _begin(self, now: float, song: Song, worker: Worker) -> None:
        if song not in self._begun:
            self._begun.add(song)
            for group in (song.tier, "people") if song.is_a_persons else (song.tier,):
                self._waits[group].append(now - song.at)
        self._number += 1
        running = Running(song, now, now + work_seconds(song.seconds))
        worker.running[self._number] = running
        self._at(running.until, "end", (worker, self._number))
