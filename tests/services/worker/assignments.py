"""Assignments as the orchestrator writes them, for the worker's tests."""

from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

from services.kit.ids import new_id
from services.kit.protos import separation_pb2

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
            object_key="sources/upl/original", sha256="0" * 64, size_bytes=1, duration_seconds=1
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
