"""Jobs as others read them: the REST answer, the public event, the assignment to a worker."""

from collections.abc import Sequence
from typing import Any

from services.kit.database import ReadSession
from services.kit.object_keys import source_key, stems_prefix
from services.kit.protos import jobs_pb2, separation_pb2
from services.orchestrator.jobs.models import Job, JobEvent
from services.orchestrator.jobs.schemas import (
    ALL_STEMS,
    JobAnswer,
    JobError,
    ListedJob,
    ModelRef,
    Output,
    Preview,
    Progress,
)
from services.orchestrator.jobs.states import Status
from services.orchestrator.results.schemas import Quality, StemResult
from services.orchestrator.uploads import repository as upload_rows
from services.orchestrator.uploads.models import KnownUpload
from services.orchestrator.workers.models import Worker

MODES = {"full": jobs_pb2.JOB_MODE_FULL, "preview": jobs_pb2.JOB_MODE_PREVIEW}


def job_answer(job: Job) -> JobAnswer:
    """The job as the REST API shows it."""
    preview = None
    if job.mode == "preview":
        preview = Preview(start_seconds=job.preview_start_seconds, duration_seconds=job.preview_duration_seconds)
    return JobAnswer.model_validate(
        {
            "id": job.id,
            "upload_id": job.upload_id,
            "mode": job.mode,
            "tier": job.tier,
            "preview": preview,
            "requested_stems": job.stems,
            "status": job.status,
            "progress": Progress(
                stage=job.progress_stage if job.state is Status.RUNNING else None,
                fraction=1.0 if job.state is Status.SUCCEEDED else job.progress_fraction,
            ),
            "playable_seconds": job.playable_seconds,
            "price_credits": job.price_credits,
            "preview_credit_credits": job.preview_credit_credits,
            "attempt": job.attempt,
            "model": ModelRef(name=job.model_name, digest=job.model_digest),
            "output": Output.model_validate(job.output),
            "created_at": job.created_at,
            "queued_at": job.queued_at,
            "started_at": job.started_at,
            "finished_at": job.finished_at,
            "expires_at": job.expires_at,
            "error": error_of(job),
            "stems": _stems(job),
            "quality": _quality(job),
            "analysis": (job.result or {}).get("analysis"),
            "metadata": job.job_metadata,
            "retry_of": job.retry_of,
            "batch_id": job.batch_id,
            "callback_url": job.callback_url,
        }
    )


def listed(session: ReadSession, account_id: str, jobs: Sequence[Job]) -> list[ListedJob]:
    """Jobs of the account as lists show them."""
    names = upload_rows.names_of(session, account_id, {job.upload_id for job in jobs})
    return [ListedJob(**dict(job_answer(job)), filename=names.get(job.upload_id)) for job in jobs]


def job_at(job: Job, event: JobEvent) -> JobAnswer:
    """The whole job as it was when the event happened."""
    answer = job_answer(job)
    told = {name: value for name, value in event.data["job"].items() if name in JobAnswer.model_fields}
    if told["status"] == job.status and told["attempt"] == job.attempt:
        return answer
    before_its_end = {
        "progress": Progress(stage=None, fraction=0.0),
        "playable_seconds": 0.0,
        "stems": [],
        "quality": None,
        "analysis": None,
        "expires_at": None,
    }
    return JobAnswer.model_validate({**answer.model_dump(), **before_its_end, **told})


def _quality(job: Job) -> Quality | None:
    measured = (job.result or {}).get("quality")
    if measured is None:
        return None
    exact = measured.get("null_residual_dbfs") is None and measured.get("null_measured", "in_files") == "in_files"
    return Quality.model_validate(
        {"null_residual_dbfs": None, **measured, "sum_is_exact": exact if set(job.stems) == set(ALL_STEMS) else None}
    )


def error_of(job: Job) -> JobError | None:
    """Why the job did not succeed, if it did not."""
    return JobError(code=job.error_code, message=job.error_message or "") if job.error_code else None


def _stems(job: Job) -> list[StemResult]:
    """The stems that were asked for; a preview's mixture, made for the player, is not one of them."""
    return [
        StemResult.model_validate(stem) for stem in (job.result or {}).get("stems", ()) if stem["name"] in job.stems
    ]


def public_event(job: Job, upload: KnownUpload | None) -> dict[str, Any]:
    """Data of the job's public event; no URL and no result in it, who may see those asks with a token."""
    answer = job_answer(job)
    fields = {"id", "upload_id", "mode", "status", "attempt", "error", "created_at", "queued_at", "started_at"}
    fields |= {"finished_at", "metadata", "model", "retry_of", "batch_id", "callback_url", "tier"}
    shown = answer.model_dump(mode="json", include=fields)
    song_seconds = upload.duration_seconds if upload is not None else None
    audio_seconds = job.preview_duration_seconds if job.mode == "preview" else song_seconds
    own = {"account_id": job.account_id, "price_credits": job.price_credits or 0, "audio_seconds": audio_seconds}
    return {"job": {**shown, **own}}


def assignment(job: Job, upload: KnownUpload, worker: Worker) -> separation_pb2.SeparationAssigned:
    """What the worker needs to know, all of it."""
    stems = list(job.stems)
    window = None
    if job.mode == "preview":
        window = separation_pb2.Window(
            start_seconds=job.preview_start_seconds or 0.0, duration_seconds=job.preview_duration_seconds or 0.0
        )
        # A whole song's mixture is the upload itself; of a preview nobody else has the window.
        stems.append("mixture")
    message = separation_pb2.SeparationAssigned(
        worker_id=worker.id,
        job_id=job.id,
        attempt=job.attempt,
        source=separation_pb2.SourceAudio(
            object_key=source_key(upload.id),
            sha256=upload.sha256 or "",
            size_bytes=upload.size_bytes or 0,
            duration_seconds=upload.duration_seconds or 0.0,
        ),
        window=window,
        stems=stems,
        output=separation_pb2.OutputFormat(
            format=job.output["format"],
            bit_depth=job.output.get("bit_depth") or 0,
            bitrate_kbps=job.output.get("bitrate_kbps") or 0,
        ),
        model=separation_pb2.Model(name=job.model_name, digest=job.model_digest or ""),
        output_prefix=stems_prefix(job.id).rstrip("/"),
    )
    if job.lease_until is not None:
        message.deadline.FromDatetime(job.lease_until)
    return message
