"""What the orchestrator's siblings say, for its tests."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from google.protobuf.message import Message

from services.kit.events.codec import Event
from services.kit.ids import new_id
from services.kit.protos import prices_pb2, separation_pb2

MODEL, DIGEST = "spleeter-2stems", "sha256:" + "1" * 64
SHA256 = "a" * 64


def rate(
    millicredits: int = 1000,
    model: str = "*",
    *,
    tier: str = "fast",
    begins: datetime = datetime(2026, 1, 1, tzinfo=UTC),
    ends: datetime | None = None,
) -> prices_pb2.Rate:
    """A version of what a second costs."""
    made = prices_pb2.Rate(rate_id=new_id("prc"), model=model, tier=tier, millicredits_per_second=millicredits)
    made.valid_from.FromDatetime(begins)
    if ends is not None:
        made.valid_to.FromDatetime(ends)
    return made


def event_of(message: Message, time: datetime) -> Event:
    return Event(
        id=new_id("evt"),
        type=message.DESCRIPTOR.full_name,
        source="/test",
        subject=None,
        time=time,
        traceparent=None,
        topic="",
        partition=0,
        offset=0,
        key="",
        data=message,
        account_id=None,
    )


def succeeded(
    worker_id: str,
    job_id: str,
    attempt: int,
    *,
    sha256: str = SHA256,
    digest: str = DIGEST,
    quality: Mapping[str, Any] | None = None,
    playback: Mapping[str, Any] | None = None,
    analysis: Mapping[str, Any] | None = None,
) -> separation_pb2.SeparationFinished:
    """The message of an attempt that went well."""
    stem = {
        "format": "flac",
        "size_bytes": 10,
        "sha256": "b" * 64,
        "duration_seconds": 90.5,
        "sample_rate_hz": 44100,
        "channels": 2,
        "peak_dbfs": -1.0,
        "loudness_lufs": -14.0,
        "silent": False,
    }
    manifest = {
        "input": {"sha256": sha256},
        "model": {"name": MODEL, "digest": digest},
        "stems": [{**stem, "name": name, "file": f"{name}.flac"} for name in ("vocals", "instrumental")],
        "quality": {"null_residual_dbfs": None} if quality is None else dict(quality),
        "playback": playback,
        **({} if analysis is None else {"analysis": dict(analysis)}),
    }
    return separation_pb2.SeparationFinished(
        worker_id=worker_id,
        job_id=job_id,
        attempt=attempt,
        succeeded=separation_pb2.SeparationSucceeded(
            manifest_key=f"stems/{job_id}/{attempt}/manifest.json", manifest=json.dumps(manifest).encode()
        ),
    )


def failed(
    worker_id: str, job_id: str, attempt: int, code: str, *, retryable: bool
) -> separation_pb2.SeparationFinished:
    """The message of an attempt that went wrong."""
    return separation_pb2.SeparationFinished(
        worker_id=worker_id,
        job_id=job_id,
        attempt=attempt,
        failed=separation_pb2.SeparationFailed(code=code, message="It went wrong.", retryable=retryable),
    )
