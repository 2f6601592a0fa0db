"""Puts playback segments into the store while the song is still being separated, in a thread of its own.

The separation never waits for it: segments wait on disk, where no more of them lie than there will be of the stems, and
here by their names. A store that is away is asked again until the separation ends; only then is it a failure.
"""

import logging
import queue
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from separation.manifest import Manifest
from separation.stems.playback import Playback, Segment
from services.kit.playback import SEGMENT_SECONDS, segment_key
from services.kit.storage import ObjectStorage
from services.worker.attempts import Attempt
from services.worker.engine import CONTENT_TYPES
from services.worker.errors import StorageFailed
from services.worker.retries import Retries
from services.worker.service import WorkerService

_log = logging.getLogger(__name__)


class SegmentUploader:
    """The segments of one attempt. A context manager: after it nothing more is put.

    `prefix` is that of the attempt's objects, with its slash.
    """

    def __init__(
        self,
        attempt: Attempt,
        *,
        service: WorkerService,
        storage: ObjectStorage,
        patiently: Retries,
        tracks: Sequence[str],
        folder: Path,
        prefix: str,
    ) -> None:
        self.wish = Playback(folder, tuple(tracks), SEGMENT_SECONDS, self._take)
        """What the engine is told."""
        self._attempt, self._service, self._storage, self._patiently = attempt, service, storage, patiently
        self._prefix = prefix
        self._waiting: queue.SimpleQueue[Segment | None] = queue.SimpleQueue()
        self._last_chance = threading.Event()
        self._given_up = threading.Event()
        self._error: BaseException | None = None
        self._stored = 0
        self._seconds = 0.0
        self._thread = threading.Thread(target=self._run, name="playback", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._given_up.set()
        self._end()

    def finish(self) -> None:
        """Waits until all segments are in the store. Raises StorageFailed, NoSpace or AttemptAborted."""
        self._end()
        if self._error is not None:
            raise self._error

    def record(self, proof: Manifest) -> dict[str, Any] | None:
        """What the manifest says of the segments; None where the song has a rate of which there are none."""
        if not self._stored:
            return None
        return {
            "tracks": list(self.wish.tracks),
            "segments": self._stored,
            "segment_seconds": SEGMENT_SECONDS,
            "sample_rate_hz": proof.input.sample_rate_hz,
            "channels": proof.input.channels,
            "samples": proof.window.end_sample - proof.window.start_sample,
        }

    def _take(self, segment: Segment) -> None:
        self._waiting.put(segment)

    def _end(self) -> None:
        self._last_chance.set()
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        try:
            with ThreadPoolExecutor(len(self.wish.tracks), thread_name_prefix="playback-put") as pool:
                while (segment := self._waiting.get()) is not None and not self._given_up.is_set():
                    for _ in pool.map(partial(self._put, segment.number), segment.files, segment.files.values()):
                        pass
                    self._stored += 1
                    self._seconds += segment.samples / segment.sample_rate_hz
                    self._service.playable(self._attempt, self._seconds)
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            self._error = error

    def _put(self, number: int, track: str, path: Path) -> None:
        key, content_type = segment_key(self._prefix, track, number), CONTENT_TYPES[path.suffix]
        while True:
            try:
                self._patiently(self._attempt, partial(self._storage.put_file, key, path, content_type))
            except StorageFailed:
                if self._last_chance.is_set():
                    raise
                _log.warning("segments to listen to wait for the object store")
            else:
                path.unlink()
                return


def keys_of(record: dict[str, Any], prefix: str) -> list[str]:
    """Keys of all segments that a manifest's record tells of."""
    return [segment_key(prefix, track, number) for track in record["tracks"] for number in range(record["segments"])]
