"""Listening to a job's tracks, also while they are made. Storage is asked outside of any transaction."""

from dataclasses import dataclass

from services.kit.database import Database
from services.kit.object_keys import stems_prefix
from services.kit.playback import SEGMENT_SECONDS, segment_key
from services.kit.storage import Content, ObjectNotFound, ObjectStorage
from services.orchestrator.jobs import repository as job_rows
from services.orchestrator.jobs.errors import JobNotFinished, JobNotFound
from services.orchestrator.jobs.models import Job
from services.orchestrator.jobs.schemas import ALL_STEMS
from services.orchestrator.jobs.states import FINAL, Status
from services.orchestrator.results.errors import ResultGone, SegmentNotFound, SegmentNotReady
from services.orchestrator.results.manifests import segments_of
from services.orchestrator.results.schemas import PlaybackAnswer
from services.orchestrator.uploads import repository as upload_rows
from services.orchestrator.uploads.models import KnownUpload

SEGMENT_LIMIT_BYTES = 32 << 20
"""More than the longest one has: eight channels at 192 kHz, which nothing could be done to make smaller."""


@dataclass(frozen=True)
class Tracks:
    """`prefix`: of the attempt that is listened to. `whole`: nothing is still to come."""

    prefix: str
    answer: PlaybackAnswer
    whole: bool


class Listening:
    """Serves the segments that workers stored."""

    def __init__(self, database: Database, storage: ObjectStorage) -> None:
        self._database = database
        self._storage = storage

    def playback(self, account_id: str, job_id: str) -> PlaybackAnswer:
        """What there is to listen to. Raises JobNotFound, JobNotFinished or ResultGone."""
        return self._tracks(account_id, job_id).answer

    def segment(self, account_id: str, job_id: str, track: str, number: int) -> Content:
        """A segment's FLAC. Raises as `playback`, SegmentNotFound or SegmentNotReady."""
        tracks = self._tracks(account_id, job_id)
        try:
            return self._storage.open(key_of(tracks, track, number))
        except ObjectNotFound as error:
            raise _missing(tracks) from error

    def _tracks(self, account_id: str, job_id: str) -> Tracks:
        with self._database.read() as session:
            job = job_rows.owned_job(session, account_id, job_id)
            if job is None:
                raise JobNotFound
            if job.state is Status.SUCCEEDED:
                return tracks_of(job)
            if job.state in FINAL:
                raise JobNotFinished(f"the job is {job.status} and made no stems")
            return _coming(job, upload_rows.owned_upload(session, account_id, job.upload_id))


def tracks_of(job: Job) -> Tracks:
    """Of a job that succeeded; raises ResultGone."""
    segments = segments_of(job.result)
    if segments is None or job.result_prefix is None:
        raise ResultGone("there are no segments of this job")
    answer = PlaybackAnswer(
        sample_rate_hz=segments.sample_rate_hz,
        channels=segments.channels,
        segment_seconds=segments.segment_seconds,
        duration_seconds=segments.duration_seconds,
        playable_seconds=segments.duration_seconds,
        tracks=segments.tracks,
    )
    return Tracks(job.result_prefix, answer, whole=True)


def _coming(job: Job, upload: KnownUpload | None) -> Tracks:
    duration = job.preview_duration_seconds if job.mode == "preview" else upload and upload.duration_seconds
    if upload is None or not (duration and upload.sample_rate_hz and upload.channels):
        raise JobNotFinished("the song is still being uploaded")
    answer = PlaybackAnswer(
        sample_rate_hz=upload.sample_rate_hz,
        channels=upload.channels,
        segment_seconds=SEGMENT_SECONDS,
        duration_seconds=duration,
        playable_seconds=job.playable_seconds,
        tracks=["mixture", *(stem for stem in ALL_STEMS if stem in job.stems)],
    )
    return Tracks(stems_prefix(job.id, job.attempt), answer, whole=False)


def key_of(tracks: Tracks, track: str, number: int) -> str:
    """Raises SegmentNotFound for a track that is not made, and behind its end."""
    begin, answer = number * tracks.answer.segment_seconds, tracks.answer
    # A window may be longer than it is said to be by a sample, until it is made.
    behind = begin >= answer.duration_seconds if tracks.whole else begin > answer.duration_seconds
    if track not in answer.tracks or behind:
        raise SegmentNotFound(f"there are {', '.join(answer.tracks)} of {answer.duration_seconds:g} seconds")
    return segment_key(tracks.prefix, track, number)


def _missing(tracks: Tracks) -> ResultGone | SegmentNotReady:
    return ResultGone() if tracks.whole else SegmentNotReady()
