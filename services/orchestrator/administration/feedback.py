"""For operators: what owners say of their stems, and listening to the regions that they marked."""

import math
import threading
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field
from sqlalchemy import select

from services.kit.database import Database, ReadSession
from services.kit.errors import answers
from services.kit.paging import JobCursor, Limit
from services.kit.schemas import JobId, Line, Page
from services.kit.storage import Content, ObjectNotFound, ObjectStorage
from services.orchestrator.administration import audit
from services.orchestrator.administration.audit import Action
from services.orchestrator.administration.routes import Operator
from services.orchestrator.feedback.errors import FeedbackNotFound
from services.orchestrator.feedback.models import Feedback
from services.orchestrator.jobs.models import Job
from services.orchestrator.jobs.schemas import Mode, ModelRef
from services.orchestrator.jobs.states import Status
from services.orchestrator.results.errors import ResultGone, SegmentNotFound
from services.orchestrator.results.playback import Tracks, key_of, tracks_of
from services.orchestrator.results.routes import SegmentNumber, Track, flac

LONGEST_SECONDS = 30.0
"""Of a marked region, no more than this from its beginning is heard."""
NOTED_EVERY = timedelta(minutes=10)
"""Somebody who listens again and again is in the audit log this often."""


class AdminFeedback(BaseModel):
    """What an owner says of the stems of a job."""

    job_id: str
    account_id: str
    mode: Mode
    model: ModelRef
    rating: int
    stem: str | None
    start_seconds: float | None
    end_seconds: float | None
    tags: list[str]
    comment: str | None
    created_at: datetime
    updated_at: datetime
    audible: bool = Field(description="Whether a region was marked, and its audio is there.")


class MarkedRegion(BaseModel):
    """The region that an owner marked, in segments of which each track has those from `first` to `last`."""

    sample_rate_hz: int
    segment_seconds: int
    start_seconds: float
    end_seconds: float = Field(description="At most thirty seconds after the start.")
    first: int
    last: int
    tracks: list[str]


class MarkedRegions:
    """Operators hear what an owner pointed at in feedback, and nothing else of anybody's."""

    def __init__(self, database: Database, storage: ObjectStorage) -> None:
        self._database = database
        self._storage = storage
        self._lock = threading.Lock()
        self._noted: dict[tuple[str, str], float] = {}

    def given(
        self, *, most: int | None, model: str | None, before: str | None, limit: int
    ) -> tuple[list[AdminFeedback], str | None]:
        """A page of feedback, that on the newest jobs first, and where the next one begins."""
        query = select(Feedback, Job).join(Job, Job.id == Feedback.job_id).where(Job.deleted_at.is_(None))
        if most is not None:
            query = query.where(Feedback.rating <= most)
        if model is not None:
            query = query.where(Job.model_name == model)
        if before is not None:
            query = query.where(Job.id < before)
        with self._database.read() as session:
            found = session.execute(query.order_by(Job.id.desc()).limit(limit + 1)).all()
            shown = [_view(given, job) for given, job in found[:limit]]
        return shown, shown[-1].job_id if len(found) > limit else None

    def region(self, job_id: str) -> MarkedRegion:
        """What may be heard of a job. Raises FeedbackNotFound, ResultGone."""
        with self._database.read() as session:
            return _marked(session, job_id)[0]

    def segment(self, operator_id: str, job_id: str, track: str, number: int) -> Content:
        """A segment of the region as FLAC; that it is heard is noted first. Raises as `region`, SegmentNotFound."""
        with self._database.read() as session:
            region, tracks, account_id = _marked(session, job_id)
            now = session.now()
        if not region.first <= number <= region.last:
            raise SegmentNotFound("it lies outside of the region that was marked")
        key = key_of(tracks, track, number)
        self._note(operator_id, account_id, job_id, now)
        try:
            return self._storage.open(key)
        except ObjectNotFound as error:
            raise ResultGone from error

    def _note(self, operator_id: str, account_id: str, job_id: str, now: datetime) -> None:
        """Before anything is heard: of this process once in a while."""
        while_of = now.timestamp() // NOTED_EVERY.total_seconds()
        # Segments are asked for several at a time: the others wait until the first is written down.
        with self._lock:
            if self._noted.get((operator_id, job_id)) == while_of:
                return
            with self._database.write() as session:
                audit.note(session, operator_id, Action.FEEDBACK_HEARD, account_id=account_id, target_id=job_id)
            self._noted = {pair: noted for pair, noted in self._noted.items() if noted == while_of}
            self._noted[operator_id, job_id] = while_of


def _marked(session: ReadSession, job_id: str) -> tuple[MarkedRegion, Tracks, str]:
    """Of what an owner pointed at; the owner's id. Raises FeedbackNotFound, ResultGone."""
    job, given = session.get(Job, job_id), session.get(Feedback, job_id)
    if job is None or given is None or job.deleted_at is not None or not _is_marked(given):
        raise FeedbackNotFound("no region was marked in feedback on this job")
    if job.state is not Status.SUCCEEDED:
        raise ResultGone("there are no stems of this job")
    tracks = tracks_of(job)
    playback = tracks.answer
    start = min(given.start_seconds or 0.0, playback.duration_seconds)
    end = min(given.end_seconds or 0.0, start + LONGEST_SECONDS, playback.duration_seconds)
    first = int(start // playback.segment_seconds)
    return (
        MarkedRegion(
            sample_rate_hz=playback.sample_rate_hz,
            segment_seconds=playback.segment_seconds,
            start_seconds=start,
            end_seconds=end,
            first=first,
            last=max(first, math.ceil(end / playback.segment_seconds) - 1),
            tracks=playback.tracks,
        ),
        tracks,
        job.account_id,
    )


def _is_marked(given: Feedback) -> bool:
    start, end = given.start_seconds, given.end_seconds
    return start is not None and end is not None and end > start


def _view(given: Feedback, job: Job) -> AdminFeedback:
    return AdminFeedback(
        job_id=job.id,
        account_id=job.account_id,
        mode="preview" if job.mode == "preview" else "full",
        model=ModelRef(name=job.model_name, digest=job.model_digest),
        rating=given.rating,
        stem=given.stem,
        start_seconds=given.start_seconds,
        end_seconds=given.end_seconds,
        tags=given.tags,
        comment=given.comment,
        created_at=given.created_at,
        updated_at=given.updated_at,
        audible=_is_marked(given) and job.state is Status.SUCCEEDED and job.result_prefix is not None,
    )


async def _regions(request: Request) -> MarkedRegions:
    regions: MarkedRegions = request.app.state.marked_regions
    return regions


RegionsDep = Annotated[MarkedRegions, Depends(_regions)]

router = APIRouter(prefix="/v1/admin/feedback", tags=["operators"])


@router.get("", summary="Read feedback")
def read_feedback(
    _operator: Operator,
    regions: RegionsDep,
    most: Annotated[int | None, Query(ge=1, le=5, description="Only ratings up to this.")] = None,
    model: Annotated[Line | None, Query(max_length=80)] = None,
    limit: Limit = 20,
    cursor: JobCursor = None,
) -> Page[AdminFeedback]:
    """What owners say of their stems, that on the newest jobs first."""
    items, following = regions.given(most=most, model=model, before=cursor, limit=limit)
    return Page(items=items, next_cursor=following)


@router.get("/{job_id}", summary="See what was marked", responses=answers(FeedbackNotFound, ResultGone))
def get_marked_region(job_id: JobId, _operator: Operator, regions: RegionsDep) -> MarkedRegion:
    """The region that the owner marked in feedback: all that anybody but the owner may hear of a job."""
    return regions.region(job_id)


@router.get(
    "/{job_id}/playback/{track}/{number}",
    summary="Listen to what was marked",
    response_class=Response,
    responses={
        200: {"description": "FLAC of 16 bits.", "content": {"audio/flac": {}}},
        **answers(FeedbackNotFound, ResultGone, SegmentNotFound),
    },
)
def get_marked_segment(
    job_id: JobId, track: Track, number: SegmentNumber, operator: Operator, regions: RegionsDep
) -> Response:
    """A segment of a track within the region. The audit log and the owner's own events say that it was heard."""
    return flac(regions.segment(operator.account_id, job_id, track, number), {"Cache-Control": "no-store"})
