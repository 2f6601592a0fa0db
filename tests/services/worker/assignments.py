"""Assignments as the orchestrator writes them, for the worker's tests."""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from google.protobuf.timestamp_pb2 import Timestamp

from separation.manifest import (
    FileRecord,
    InputRecord,
    Manifest,
    ModelRecord,
    QualityRecord,
    StemRecord,
    WindowRecord,
)
from services.kit.ids import new_id
from services.kit.object_keys import source_key
from services.kit.protos import separation_pb2
from tests.ids import numbered

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


def assigned(
    worker_id: str,
    *,
    job_id: str | None = None,
    attempt: int = 1,
    deadline: datetime = NOON + timedelta(minutes=1),
) -> separation_pb2.SeparationAssigned:
    """An assignment whose contents do not matter."""
    stamp = Timestamp()
    stamp.FromDatetime(deadline)
    job_id = job_id or new_id("job")
    return separation_pb2.SeparationAssigned(
        worker_id=worker_id,
        job_id=job_id,
        attempt=attempt,
        deadline=stamp,
        source=separation_pb2.SourceAudio(
            object_key=source_key(numbered("upl")), sha256="0" * 64, size_bytes=1, duration_seconds=1
        ),
        stems=["vocals"],
        output=separation_pb2.OutputFormat(format="flac"),
        model=separation_pb2.Model(name="spleeter-2stems", digest="sha256:" + "0" * 64),
        output_prefix=f"stems/{job_id}",
    )


def succeeded(manifest: bytes = b"{}") -> separation_pb2.SeparationFinished:
    """A success whose contents do not matter."""
    return separation_pb2.SeparationFinished(
        succeeded=separation_pb2.SeparationSucceeded(manifest_key="stems/x/1/manifest.json", manifest=manifest)
    )


def proof(source: Path, results: Path, stems: Iterable[str], residual_dbfs: float | None) -> Manifest:
    """What the engine would say of these files, were they audio."""

    def facts(path: Path) -> tuple[int, str]:
        data = path.read_bytes()
        return len(data), hashlib.sha256(data).hexdigest()

    def stem(name: str) -> StemRecord:
        size, digest = facts(results / f"{name}.flac")
        return StemRecord(
            name=name,
            file=f"{name}.flac",
            format="flac",
            bit_depth=16,
            bitrate_kbps=None,
            size_bytes=size,
            sha256=digest,
            duration_seconds=1.0,
            samples=44100,
            sample_rate_hz=44100,
            channels=2,
            peak_dbfs=-1.0,
            loudness_lufs=-14.0,
            silent=False,
            exceeds_full_scale=False,
            limited_samples=0,
        )

    source_size, source_digest = facts(source)
    waveforms_size, waveforms_digest = facts(results / "waveforms.json")
    return Manifest(
        model=ModelRecord(name="spleeter-2stems", digest="sha256:" + "0" * 64, licence="MIT"),
        input=InputRecord(
            sha256=source_digest,
            size_bytes=source_size,
            container="flac",
            codec="flac",
            sample_rate_hz=44100,
            channels=2,
            samples=44100,
            complete=True,
            repaired_samples=0,
        ),
        window=WindowRecord(start_sample=0, end_sample=44100, whole_song=True),
        stems=tuple(stem(name) for name in stems),
        waveforms=FileRecord(file="waveforms.json", size_bytes=waveforms_size, sha256=waveforms_digest),
        quality=QualityRecord(null_residual_dbfs=residual_dbfs, null_measured="in_files"),
        timings_seconds={"network": 0.1, "total": 0.2},
    )
