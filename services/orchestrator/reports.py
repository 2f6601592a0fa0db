"""What workers report, checked before it is believed: nothing in it may stop us from handling the next record."""

import json
import math
from typing import Annotated, Any, NoReturn

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.kit.events.outcomes import InvalidMessage
from services.kit.events.topics import ASSIGNMENTS
from services.kit.ids import is_id
from services.kit.protos import separation_pb2, workers_pb2
from services.orchestrator.schemas import StemResult

MAX_SLOTS = 1024
MAX_ATTEMPT = 1_000_000
MAX_NAME_CHARACTERS = 80


class ReportedStem(StemResult):
    """A stem in a manifest, with the name of its file beside the manifest."""

    model_config = ConfigDict(allow_inf_nan=False, extra="allow")

    file: Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,40}\.[a-z0-9]{1,8}$")]


class _Input(BaseModel):
    sha256: str


class _Model(BaseModel):
    digest: str


class ReportedManifest(BaseModel):
    """What we rely on in a manifest; whatever else it says is kept as it is."""

    model_config = ConfigDict(allow_inf_nan=False, extra="allow")

    input: _Input
    model: _Model
    stems: list[ReportedStem]
    quality: dict[str, Any]


class UnreadableManifest(ValueError):
    """The manifest is not one."""


def read_manifest(content: bytes) -> tuple[ReportedManifest, dict[str, Any]]:
    """The manifest, checked, and the whole document as written. Raises UnreadableManifest."""
    if b"\\u0000" in content:
        raise UnreadableManifest("it holds NUL, which no database stores")
    try:
        document: dict[str, Any] = json.loads(content, parse_constant=_refuse)
        return ReportedManifest.model_validate(document), document
    except (ValidationError, ValueError, RecursionError) as error:
        raise UnreadableManifest(str(error)[:300]) from error


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number")


def check_heartbeat(beat: workers_pb2.WorkerHeartbeat) -> None:
    """Raises InvalidMessage for a heartbeat that no worker of ours would send."""
    if not is_id("wrk", beat.worker_id):
        raise InvalidMessage("it names no worker")
    if beat.slots > MAX_SLOTS or beat.sequence >= 2**63 or not math.isfinite(beat.speed):
        raise InvalidMessage("a number in it is out of range")
    if beat.assignments_partition >= ASSIGNMENTS.partitions:
        raise InvalidMessage(f"{ASSIGNMENTS.name} has no partition {beat.assignments_partition}")
    for model in beat.models:
        if not 0 < len(model.name) <= MAX_NAME_CHARACTERS or not 0 < len(model.digest) <= MAX_NAME_CHARACTERS:
            raise InvalidMessage("a model in it has no proper name or digest")
    for running in beat.running:
        _check_attempt(running.job_id, running.attempt)
        if not math.isfinite(running.fraction):
            raise InvalidMessage("a progress in it is not a number")
    for finished in beat.finished:
        check_finished(finished)


def check_finished(finished: separation_pb2.SeparationFinished) -> None:
    """Raises InvalidMessage for an end of an attempt that no worker of ours would report."""
    if not is_id("wrk", finished.worker_id):
        raise InvalidMessage("it names no worker")
    _check_attempt(finished.job_id, finished.attempt)
    if finished.WhichOneof("outcome") is None:
        raise InvalidMessage("the attempt ended without an outcome")


def _check_attempt(job_id: str, attempt: int) -> None:
    if not is_id("job", job_id) or not 0 < attempt <= MAX_ATTEMPT:
        raise InvalidMessage("it names no attempt")
