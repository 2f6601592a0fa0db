"""An attempt without audio: a store in memory, and an engine that writes constant stems and segments."""

import hashlib
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path
from typing import cast

from separation.manifest import Manifest
from separation.models.separator import MaskModel
from separation.stems.playback import Playback, Segment
from services.kit.object_keys import source_key
from services.kit.protos import separation_pb2
from services.kit.storage import ObjectStorage
from services.worker.attempts import AssignmentDecision, Attempt
from services.worker.inference import Inference
from services.worker.scratch import Scratch
from services.worker.separate import Separator
from services.worker.service import WorkerService
from services.worker.store import StoreWatch
from tests.ids import numbered
from tests.services.worker.assignments import assigned, proof
from tests.services.worker.memory_storage import MemoryStorage

ME = "wrk_me"
SOURCE = source_key(numbered("upl"))
SONG = b"a song of a few bytes"


class Bench:
    """A separator whose store is in memory and whose engine writes constant stems."""

    def __init__(self, root: Path) -> None:
        self.storage = MemoryStorage()
        self.storage.objects[SOURCE] = SONG
        self.service = WorkerService(worker_id=ME, slots=4)
        self.root = root
        self.runs = 0
        self.reading: Callable[[BufferedReader], bytes] = lambda song: song.read()
        self.read = b""
        """The song as the engine had it last."""
        self.residual: float | None = None
        self.during: Callable[[], None] = lambda: None
        self.segments: tuple[int, ...] = ()
        """Samples of each segment."""
        self.store = StoreWatch(cast(ObjectStorage, self.storage))
        self.separate = Separator(
            service=self.service,
            storage=cast(ObjectStorage, self.storage),
            store=self.store,
            inference=cast(Inference, self),
            scratch=Scratch(root, ME),
            engine=self.engine,
            storage_attempts=3,
            storage_backoff_seconds=0.001,
        )

    def model(self, name: str, digest: str, should_cancel: Callable[[], bool]) -> MaskModel:
        return cast(MaskModel, None)

    def engine(
        self,
        assignment: separation_pb2.SeparationAssigned,
        source: Path,
        results: Path,
        model: MaskModel,
        *,
        open_source: Callable[[], BufferedReader],
        playback: Playback,
        progress: Callable[[float], None],
        should_cancel: Callable[[], bool],
    ) -> Manifest:
        self.runs += 1
        with open_source() as song:
            self.read = self.reading(song)
        progress(0.5)
        for number, samples in enumerate(self.segments):
            files = {track: playback.folder / f"{track}-{number}.flac" for track in playback.tracks}
            for track, path in files.items():
                path.write_bytes(f"{track} {number}".encode())
            playback.take(Segment(number, samples, 44100, files))
        self.during()
        for name in assignment.stems:
            (results / f"{name}.flac").write_bytes(f"the {name}".encode())
        (results / "waveforms.json").write_bytes(b"{}")
        return proof(source, results, assignment.stems, self.residual)

    def attempt(self, number: int = 1, **changes: object) -> Attempt:
        assignment = assigned(ME, job_id="job_a", attempt=number)
        assignment.source.sha256 = hashlib.sha256(SONG).hexdigest()
        assignment.source.size_bytes = len(SONG)
        assignment.stems[:] = ["vocals", "instrumental"]
        for name, value in changes.items():
            if name == "stems":
                assignment.stems[:] = cast(list[str], value)
            elif name == "bit_depth":
                assignment.output.bit_depth = cast(int, value)
            elif name == "window":
                assignment.window.CopyFrom(cast(separation_pb2.Window, value))
            elif name == "digest":
                assignment.model.digest = cast(str, value)
        assert self.service.assign(assignment) is AssignmentDecision.TAKE
        attempt = self.service.next_attempt()
        assert attempt is not None
        return attempt

    def stored(self, number: int = 1) -> list[str]:
        return sorted(key for key in self.storage.objects if key.startswith(f"stems/job_a/{number}/"))
