"""One attempt, from its assignment to its manifest.

    a finished lower attempt with the same parameters?  ──yes──> its manifest is the answer
      │ no
    separate the source as it arrives ─> checked ─> put stems and waveforms ─> put manifest.json, the commit mark
        └── segments to listen to are put meanwhile

Everything before the manifest is invisible: whoever looks for results looks for manifests. Only segments can be had
before.
"""

import json
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from separation.errors import Cancelled, SeparationError
from separation.manifest import Manifest
from separation.stems.proof import check_sum
from separation.stems.set import STEM_NAMES
from services.kit.protos import separation_pb2
from services.kit.storage import ObjectNotFound, ObjectStorage, StorageUnavailable
from services.kit.telemetry import span
from services.worker.arriving import ArrivingSource
from services.worker.attempts import Attempt, Stage
from services.worker.engine import CONTENT_TYPES, Engine, separate_song
from services.worker.errors import EngineFailed, SourceChanged
from services.worker.inference import Inference
from services.worker.metrics import AUDIO_SECONDS, STAGE_SECONDS
from services.worker.playback import SegmentUploader, keys_of
from services.worker.retries import Retries, full_disk
from services.worker.scratch import Scratch
from services.worker.service import WorkerService, check
from services.worker.store import StoreWatch

_log = logging.getLogger(__name__)

MANIFEST = "manifest.json"
MANIFEST_LIMIT_BYTES = 128 * 1024
"""A manifest travels in events, several to a heartbeat."""

PUTS_AT_ONCE = 4
"""Three stems and their waveforms."""

# Shares of the stages in the progress of the whole attempt.
SEPARATING_FROM = 0.05
UPLOADING_FROM = 0.95


@dataclass(slots=True)
class Stopwatch:
    """Seconds per stage of one attempt."""

    begun: float = field(default_factory=time.perf_counter)
    seconds: dict[str, float] = field(default_factory=dict)

    def elapsed(self) -> float:
        return round(time.perf_counter() - self.begun, 4)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = round(time.perf_counter() - begun, 4)


class Separator:
    """Does attempts, one per call and thread. Raises an AttemptError, or whatever was not foreseen."""

    def __init__(
        self,
        *,
        service: WorkerService,
        storage: ObjectStorage,
        store: StoreWatch,
        inference: Inference,
        scratch: Scratch,
        engine: Engine = separate_song,
        storage_attempts: int,
        storage_backoff_seconds: float,
    ) -> None:
        self._service = service
        self._storage = storage
        self._store = store
        self._inference = inference
        self._scratch = scratch
        self._engine = engine
        self._patiently = Retries(storage_attempts, storage_backoff_seconds, service.pause)

    def __call__(self, attempt: Attempt) -> separation_pb2.SeparationSucceeded:
        assignment = attempt.assignment
        prefix = f"{assignment.output_prefix}/{assignment.attempt}"
        finished = self._found_finished(attempt)
        if finished is not None:
            return finished
        model = self._inference.model(
            assignment.model.name, assignment.model.digest, should_cancel=lambda: attempt.abort is not None
        )
        watch = Stopwatch()
        name = f"{assignment.job_id}-{assignment.attempt}"
        committing = False
        try:
            with self._scratch.directory(name) as folder:
                source, results, segments = folder / "source", folder / "results", folder / "playback"
                results.mkdir()
                segments.mkdir()
                self._service.progress(attempt, Stage.DOWNLOADING, 0.0)
                with (
                    ArrivingSource(attempt, self._storage, self._patiently, self._store, source) as arriving,
                    self._uploader(attempt, segments, prefix) as uploader,
                ):
                    try:
                        with span("engine"):
                            proof = self._engine(
                                assignment,
                                source,
                                results,
                                model,
                                open_source=arriving.open,
                                playback=uploader.wish,
                                progress=partial(self._separating, attempt),
                                should_cancel=lambda: attempt.abort is not None,
                            )
                    except EngineFailed:
                        # What the engine says of a file that did not arrive as it was checked says nothing of the song.
                        arriving.check()
                        raise
                    watch.seconds["download"] = arriving.seconds
                    check_proof(assignment, proof)
                    with watch.stage("upload"), span("upload"):
                        files = [proof.waveforms.file, *(stem.file for stem in proof.stems)]
                        self._upload(attempt, [results / file for file in files], prefix)
                        uploader.finish()
                check(attempt)
                committing = True
                with span("commit"):
                    return self._commit(attempt, proof, uploader.record(proof), prefix, watch)
        except BaseException as error:
            if not committing:
                self._discard(prefix)
            if isinstance(error, OSError):
                raise full_disk(error) from error
            if isinstance(error, Cancelled):
                check(attempt)
            raise

    def _uploader(self, attempt: Attempt, folder: Path, prefix: str) -> SegmentUploader:
        return SegmentUploader(
            attempt,
            service=self._service,
            storage=self._storage,
            patiently=self._patiently,
            # Whoever compares the stems wants the song beside them.
            tracks=[name for name in STEM_NAMES if name in ("mixture", *attempt.assignment.stems)],
            folder=folder,
            prefix=f"{prefix}/",
        )

    def _separating(self, attempt: Attempt, fraction: float) -> None:
        self._service.progress(attempt, Stage.SEPARATING, between(SEPARATING_FROM, UPLOADING_FROM, fraction))

    def _found_finished(self, attempt: Attempt) -> separation_pb2.SeparationSucceeded | None:
        """The result of a lower attempt of this job that ended well without anybody learning of it."""
        assignment = attempt.assignment
        if assignment.attempt == 1:
            return None
        wanted = parameters(assignment)
        root = f"{assignment.output_prefix}/"
        objects = self._patiently(attempt, lambda: list(self._storage.list_objects(root)))
        sizes = {item.key: item.size_bytes for item in objects}
        for lower in range(assignment.attempt - 1, 0, -1):
            key = f"{root}{lower}/{MANIFEST}"
            if key not in sizes:
                continue
            try:
                data = self._patiently(attempt, partial(self._storage.read_bytes, key, MANIFEST_LIMIT_BYTES))
                manifest = json.loads(data)
                if manifest["parameters"] != wanted or not whole(manifest, f"{root}{lower}", sizes):
                    continue
            except (ObjectNotFound, ValueError, KeyError, TypeError):
                continue
            _log.info("attempt %d had finished; its result is used", lower, extra={"job_id": assignment.job_id})
            return separation_pb2.SeparationSucceeded(manifest_key=key, manifest=data)
        return None

    def _upload(self, attempt: Attempt, files: Sequence[Path], prefix: str) -> None:
        """Puts stems and waveforms, all at once; asks once what is there, and puts again what arrived short."""
        self._service.progress(attempt, Stage.UPLOADING, UPLOADING_FROM)

        def put(path: Path) -> None:
            saved_as = None if path.suffix == ".json" else path.name
            self._storage.put_file(f"{prefix}/{path.name}", path, CONTENT_TYPES[path.suffix], saved_as)

        def complete() -> None:
            sizes = {item.key: item.size_bytes for item in self._storage.list_objects(f"{prefix}/")}
            short = [path for path in files if sizes.get(f"{prefix}/{path.name}") != path.stat().st_size]
            for path in short:
                put(path)
            if short:
                raise StorageUnavailable(f"{len(short)} files had not arrived whole")

        with ThreadPoolExecutor(max_workers=PUTS_AT_ONCE, thread_name_prefix="put") as pool:
            puts = [pool.submit(self._patiently, attempt, partial(put, path)) for path in files]
            for done, future in enumerate(puts, 1):
                future.result()
                fraction = between(UPLOADING_FROM, 1.0, done / (len(files) + 1))
                self._service.progress(attempt, Stage.UPLOADING, fraction)
        self._patiently(attempt, complete)

    def _commit(
        self, attempt: Attempt, proof: Manifest, playback: dict[str, Any] | None, prefix: str, watch: Stopwatch
    ) -> separation_pb2.SeparationSucceeded:
        """Puts the manifest: from here on the attempt has a result."""
        assignment = attempt.assignment
        engine = dict(proof.timings_seconds)
        # `engine` is what the engine took by itself, `total` the attempt from its start to this manifest.
        stages = {
            "download": watch.seconds["download"],
            "engine": engine.pop("total"),
            "upload": watch.seconds["upload"],
            "total": watch.elapsed(),
        }
        for stage, seconds in stages.items():
            STAGE_SECONDS.labels(stage).observe(seconds)
        AUDIO_SECONDS.inc((proof.window.end_sample - proof.window.start_sample) / proof.input.sample_rate_hz)
        document = {
            **proof.model_dump(mode="json"),
            "job_id": assignment.job_id,
            "attempt": assignment.attempt,
            "worker_id": self._service.worker_id,
            "parameters": parameters(assignment),
            "playback": playback,
            "timings_seconds": {**stages, **engine},
        }
        data = json.dumps(document, ensure_ascii=False, indent=1).encode()
        if len(data) > MANIFEST_LIMIT_BYTES:
            raise ValueError(f"a manifest of {len(data)} bytes is over the limit")
        key = f"{prefix}/{MANIFEST}"
        self._patiently(attempt, partial(self._storage.put_bytes, key, data, "application/json"))
        return separation_pb2.SeparationSucceeded(manifest_key=key, manifest=data)

    def _discard(self, prefix: str) -> None:
        """Removes what was put so far. Never once a manifest was on its way: it may be there and in use."""
        try:
            removed = self._storage.delete_prefix(f"{prefix}/")
        except Exception:  # noqa: BLE001 - what stays is invisible, and deleted with the job
            _log.warning("what was put under %s stays until the job is deleted", prefix, exc_info=True)
        else:
            if removed:
                _log.info("%d objects of an attempt without a result were removed", removed)


def parameters(assignment: separation_pb2.SeparationAssigned) -> dict[str, Any]:
    """All that decides what the result is; two attempts with the same parameters have the same result."""
    window = assignment.window
    return {
        "source_sha256": assignment.source.sha256,
        "window": [window.start_seconds, window.duration_seconds] if assignment.HasField("window") else None,
        "stems": sorted(assignment.stems),
        "output": [assignment.output.format, assignment.output.bit_depth, assignment.output.bitrate_kbps],
        "model_digest": assignment.model.digest,
    }


def whole(manifest: Mapping[str, Any], folder: str, sizes: Mapping[str, int]) -> bool:
    """Whether every file that the manifest names is in the store in its full size, and every segment."""
    files = [
        (f"{folder}/{entry['file']}", entry["size_bytes"]) for entry in (*manifest["stems"], manifest["waveforms"])
    ]
    playback = manifest.get("playback")
    segments = keys_of(playback, f"{folder}/") if playback else []
    return all(sizes.get(key) == size for key, size in files) and all(key in sizes for key in segments)


def check_proof(assignment: separation_pb2.SeparationAssigned, proof: Manifest) -> None:
    """Raises SourceChanged or EngineFailed unless the stems are those of this job's input (design invariant 8)."""
    if proof.input.sha256 != assignment.source.sha256:
        raise SourceChanged
    try:
        check_sum(proof)
    except SeparationError as error:
        raise EngineFailed(error) from error


def between(low: float, high: float, fraction: float) -> float:
    """The point at `fraction` of the way from low to high."""
    return low + (high - low) * min(1.0, max(0.0, fraction))
