"""How soon the first sound of a job can be heard, and what its segments cost.

    python -m bench.first_sound [--runs 3]

One attempt of the worker, in this process, with a real object store beside it: seconds from the assignment to the first
segment in the store, on the clock and of the processor, of previews and of whole songs, short and of two hours.
The attempt is told to stop at its first sound. Music of the CC0 set, repeated for the long ones.
"""

import hashlib
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import av
import click
from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console
from rich.table import Table

from bench.engine_audio import RATE, tracks
from services.kit.ids import new_id
from services.kit.object_keys import source_key
from services.kit.protos import separation_pb2
from services.kit.s3 import S3Storage
from services.worker.attempts import AbortReason, AssignmentDecision, Attempt
from services.worker.errors import AttemptAborted
from services.worker.inference.local import LocalInference
from services.worker.scratch import Scratch
from services.worker.separate import Separator
from services.worker.service import WorkerService
from services.worker.store import StoreWatch
from tests.object_store import running_object_store

WORKER = "wrk_bench"
SHORT_SECONDS, LONG_SECONDS = 236, 7200
PREVIEW_SECONDS = 30.0
_CODECS = {"wav": "pcm_s16le", "flac": "flac", "mp3": "libmp3lame"}


class Stopping(WorkerService):
    """Notes when the first sound can be heard, and ends the attempt there."""

    def begin(self) -> None:
        self.begun, self.processor = time.perf_counter(), time.process_time()
        self.first: tuple[float, float] | None = None

    def playable(self, attempt: Attempt, seconds: float) -> None:
        super().playable(attempt, seconds)
        if self.first is None:
            self.first = time.perf_counter() - self.begun, time.process_time() - self.processor
            self.abort_all(AbortReason.CANCELED)


def write_song(path: Path, seconds: int) -> None:
    """A song of the CC0 set, repeated until it is so long."""
    music = (next(tracks(["cc0_songs"])).mixture.clip(-1, 1) * 32767).astype("<i2")
    left = seconds * RATE
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(_CODECS[path.suffix[1:]], rate=RATE, layout="stereo")
        while left > 0:
            for begin in range(0, min(left, len(music)), RATE):
                block = music[begin : begin + min(RATE, left - begin)]
                frame = av.AudioFrame.from_ndarray(block.reshape(1, -1), "s16", "stereo")
                frame.sample_rate = RATE
                container.mux(stream.encode(frame))
            left -= len(music)
        container.mux(stream.encode(None))


class Bench:
    """A worker without its broker."""

    def __init__(self, storage: S3Storage, scratch: Scratch, inference: LocalInference) -> None:
        self._storage = storage
        self.service = Stopping(worker_id=WORKER, slots=1)
        self._model = inference.models()[0]
        self._separate = Separator(
            service=self.service,
            storage=storage,
            store=StoreWatch(storage),
            inference=inference,
            scratch=scratch,
            storage_attempts=3,
            storage_backoff_seconds=0.1,
        )

    def stored(self, path: Path) -> separation_pb2.SourceAudio:
        """Puts a song into the store."""
        key = source_key(new_id("upl"))
        self._storage.put_file(key, path, "application/octet-stream")
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return separation_pb2.SourceAudio(object_key=key, sha256=digest, size_bytes=path.stat().st_size)

    def first_sound(self, source: separation_pb2.SourceAudio, preview_at: float | None) -> tuple[float, float]:
        """Seconds on the clock and of the processor."""
        deadline = Timestamp()
        deadline.FromDatetime(datetime.now(UTC) + timedelta(hours=1))
        job_id = new_id("job")
        assignment = separation_pb2.SeparationAssigned(
            worker_id=WORKER,
            job_id=job_id,
            attempt=1,
            deadline=deadline,
            source=source,
            stems=["vocals", "instrumental"],
            output=separation_pb2.OutputFormat(format="flac"),
            model=separation_pb2.Model(name=self._model.name, digest=self._model.digest),
            output_prefix=f"stems/{job_id}",
        )
        if preview_at is not None:
            assignment.window.start_seconds, assignment.window.duration_seconds = preview_at, PREVIEW_SECONDS
        if self.service.assign(assignment) is not AssignmentDecision.TAKE or not (
            attempt := self.service.next_attempt()
        ):
            raise RuntimeError("the attempt was not taken")
        self.service.begin()
        with suppress(AttemptAborted):
            self._separate(attempt)
        self.service.finish(attempt, separation_pb2.SeparationFinished())
        if self.service.first is None:
            raise RuntimeError("nothing could be heard")
        return self.service.first


@contextmanager
def bench(folder: Path) -> Iterator[Bench]:
    inference = LocalInference(None, ["spleeter-2stems"], threads=0)
    inference.open()
    inference.verify()
    with running_object_store(folder / "objects") as store, Scratch(folder / "scratch", WORKER) as scratch:
        yield Bench(store.new_bucket(), scratch, inference)


@click.command()
@click.option("--runs", type=click.IntRange(min=1), default=3, show_default=True)
@click.option("--kind", "kinds", type=click.Choice(sorted(_CODECS)), multiple=True, default=("wav", "flac", "mp3"))
def main(runs: int, kinds: tuple[str, ...]) -> None:
    """Measure the first sound."""
    table = Table("song", "of it", "seconds", "of the processor")
    with tempfile.TemporaryDirectory(prefix="stemwright-bench-") as name, bench(Path(name)) as worker:
        for kind in kinds:
            for length, windows in ((SHORT_SECONDS, (0.0, 60.0, None)), (LONG_SECONDS, (60.0, 3600.0, None))):
                song = Path(name, f"song.{kind}")
                write_song(song, length)
                source = worker.stored(song)
                song.unlink()
                for window in windows:
                    results = [worker.first_sound(source, window) for _ in range(runs)]
                    what = "all" if window is None else f"preview at {window:g} s"
                    clock, processor = (f"{median(values):.2f}" for values in zip(*results, strict=True))
                    table.add_row(f"{kind}, {length} s", what, clock, processor)
                    Console(width=100).print(f"{kind}, {length} s, {what}: {clock} {processor}")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
