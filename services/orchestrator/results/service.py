"""The stems of a finished job: links, archive, the file for DJ software, mixes, waveforms, proof.

Storage is asked outside of any transaction.
"""

import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain, count
from typing import Any

from zipstream import ZIP_STORED, ZipStream

from services.kit.database import Database
from services.kit.errors import StemwrightError
from services.kit.playback import segment_key
from services.kit.storage import ObjectNotFound, ObjectStorage
from services.orchestrator.jobs import repository as job_rows
from services.orchestrator.jobs.errors import JobNotFinished, JobNotFound
from services.orchestrator.jobs.models import Job
from services.orchestrator.jobs.states import FINAL, Status
from services.orchestrator.results.errors import MixTooLong, ResultDamaged, ResultGone, StemNotFound
from services.orchestrator.results.manifests import ReportedSegments, segments_of
from services.orchestrator.results.playback import SEGMENT_LIMIT_BYTES
from services.orchestrator.results.rendering import MIX_PROGRAM, STEM_FILE_PROGRAM, Renderer, Rendering
from services.orchestrator.results.schemas import Faders, StemLink
from services.orchestrator.settings import Settings
from services.orchestrator.uploads import repository as upload_rows
from services.orchestrator.uploads.models import KnownUpload

WAVEFORMS_LIMIT_BYTES = 8 << 20
MIXTURE = "mixture"
STEM_FILE_ENDING = ".stem.mp4"
"""By this ending DJ software knows what to look for in it."""
TAGS_BYTES = 9 << 20
"""How far into a stem its tags are read; a cover of 8 MB lies within it."""
WAV_HEADER_BYTES = 44
MIX_FRAME_BYTES = 6
"""Two channels of 24 bits."""
WAV_LIMIT_BYTES = 2**32 - 1
"""Sizes in the file have 32 bits."""
MAX_NAME_BYTES = 255
"""What file systems take."""
_ENDING = re.compile(r"\.[A-Za-z0-9]{1,5}$")
FORBIDDEN_IN_NAMES = frozenset('<>:"|?*')
"""What Windows does not."""


@dataclass(frozen=True)
class Mix:
    """A file that is there when it is asked for.

    `version`: the same for the same bytes. `content`: what comes from a byte on; raises as `Renderer.render`.
    """

    name: str
    length_bytes: int
    version: str
    content: Callable[[int], Rendering]


class Results:
    """Reads what workers stored."""

    def __init__(self, database: Database, storage: ObjectStorage, settings: Settings) -> None:
        self._database = database
        self._storage = storage
        self._settings = settings
        self._stem_files = Renderer(STEM_FILE_PROGRAM, settings.renderings_at_once)
        self._mixes = Renderer(MIX_PROGRAM, settings.renderings_at_once)

    def stem_link(self, account_id: str, job_id: str, name: str) -> StemLink:
        """Presigned URL of a stem. The mixture of a whole song is the upload itself."""
        job, upload = self._finished(account_id, job_id)
        if name == MIXTURE and job.mode == "full":
            if upload is None or upload.object_key is None:
                raise ResultGone("the upload of this job was deleted")
            facts = (upload.size_bytes or 0, upload.sha256 or "")
            return self._link(upload.object_key, upload.filename or upload.id, *facts, until=None)
        stem = self._stem(job, name)
        file_name = _file_name(upload, name, stem["format"])
        facts = (stem["size_bytes"], stem["sha256"])
        return self._link(self._intact(job, stem), file_name, *facts, until=job.expires_at)

    def archive(self, account_id: str, job_id: str) -> tuple[str, int, Iterator[bytes]]:
        """Name, length in bytes and content of a zip of the job's stems; made while it is sent, nothing is stored."""
        job, upload = self._finished(account_id, job_id)
        archive = _new_archive()
        self._add(archive, job, upload)
        return _file_name(upload, "stems", "zip"), len(archive), iter(archive)

    def archive_of_many(self, account_id: str, job_ids: Sequence[str]) -> tuple[int, Iterator[bytes]]:
        """Length in bytes and content of a zip with a folder for each job; those of the same name are numbered."""
        archive, folders = _new_archive(), set[str]()
        for job_id in dict.fromkeys(job_ids):
            try:
                job, upload = self._finished(account_id, job_id)
                # Windows takes neither dots nor spaces at the end of a folder's name.
                title = _shortened(_title(upload), MAX_NAME_BYTES - len(f" ({len(job_ids)})")).rstrip(". ")
                self._add(archive, job, upload, f"{_free_name(title, folders)}/")
            except StemwrightError as error:
                error.extra["job_id"] = job_id
                raise
        return len(archive), iter(archive)

    def _add(self, archive: ZipStream, job: Job, upload: KnownUpload | None, folder: str = "") -> None:
        for name in job.stems:
            stem = self._stem(job, name)
            key = self._intact(job, stem)
            file_name = _file_name(upload, name, stem["format"])
            archive.add(self._storage.stream(key), folder + file_name, size=stem["size_bytes"])

    def stem_file(self, account_id: str, job_id: str) -> tuple[str, Rendering]:
        """Name and content of the file for DJ software; made while it is sent, from what is listened to."""
        job, upload = self._finished(account_id, job_id)
        segments = _segments(job)
        music = (job.result or {}).get("analysis") or {}
        song = {
            "samples": segments.samples,
            "sample_rate_hz": segments.sample_rate_hz,
            "title": _title(upload),
            "tempo_bpm": music.get("tempo_bpm"),
            "key": music.get("key"),
        }
        stem = self._beginning_of_a_stem(job)
        head = {"song": song, "tracks": segments.tracks, **({"stem": stem[0]} if stem else {})}
        pieces = chain((stem[1],) if stem else (), self._pieces(job, segments, segments.tracks))
        name = _shortened(_title(upload), MAX_NAME_BYTES - len(STEM_FILE_ENDING)) + STEM_FILE_ENDING
        return name, self._stem_files.render(account_id, head, pieces)

    def mix(self, account_id: str, job_id: str, faders: Faders) -> Mix:
        """The stems as the faders stand, as a WAV; made while it is sent."""
        job, upload = self._finished(account_id, job_id)
        segments = _segments(job)
        length = WAV_HEADER_BYTES + MIX_FRAME_BYTES * segments.samples
        if length > WAV_LIMIT_BYTES:
            raise MixTooLong("a WAV file ends at 4 GB; the stems can be downloaded in FLAC")
        what = f"{_prefix(job)} {faders.model_dump_json()}"

        def content(begin: int) -> Rendering:
            return self._mixed(account_id, job, segments, faders, begin)

        return Mix(_file_name(upload, "mix", "wav"), length, hashlib.sha256(what.encode()).hexdigest(), content)

    def _mixed(self, account_id: str, job: Job, segments: ReportedSegments, faders: Faders, begin: int) -> Rendering:
        # It is taken up again at a segment: each is as long as the others but for the last.
        segment_samples = segments.segment_seconds * segments.sample_rate_hz
        first = max(0, begin - WAV_HEADER_BYTES) // (MIX_FRAME_BYTES * segment_samples)
        skipped = begin - (WAV_HEADER_BYTES + first * MIX_FRAME_BYTES * segment_samples if first else 0)
        # A stem that nobody ordered is the mixture minus the other, which takes every track.
        whole = not faders.heard <= set(segments.tracks)
        tracks = [track for track in segments.tracks if whole or track in faders.heard] or segments.tracks[:1]
        head = {
            "samples": segments.samples,
            "begin": first * segment_samples,
            "sample_rate_hz": segments.sample_rate_hz,
            "faders": faders.model_dump(),
            "tracks": tracks,
        }
        return self._mixes.render(account_id, head, self._pieces(job, segments, tracks, first), skipped)

    def _pieces(self, job: Job, segments: ReportedSegments, tracks: Sequence[str], first: int = 0) -> Iterator[bytes]:
        """Each of the tracks of the first segment, of the second, and so on. Raises ResultGone at once where not even
        that is there."""
        prefix = _prefix(job)
        keys = (segment_key(prefix, track, number) for number in range(first, segments.segments) for track in tracks)
        pieces = map(self._segment, keys)
        return chain((next(pieces),), pieces)

    def _beginning_of_a_stem(self, job: Job) -> tuple[str, bytes] | None:
        """Name and first bytes of a stem, which has what the song says about itself; none is no reason to fail."""
        stem = next(iter((job.result or {}).get("stems", ())), None)
        if stem is None:
            return None
        try:
            return stem["name"], b"".join(self._storage.stream(f"{_prefix(job)}{stem['file']}", 0, TAGS_BYTES))
        except ObjectNotFound:
            return None

    def _segment(self, key: str) -> bytes:
        try:
            return self._storage.read_bytes(key, SEGMENT_LIMIT_BYTES)
        except ObjectNotFound as error:
            raise ResultGone from error

    def waveforms(self, account_id: str, job_id: str) -> dict[str, Any]:
        """Peaks of every track."""
        return self._document(account_id, job_id, "waveforms.json")

    def manifest(self, account_id: str, job_id: str) -> dict[str, Any]:
        """The worker's proof, as written."""
        return self._document(account_id, job_id, "manifest.json")

    def _document(self, account_id: str, job_id: str, name: str) -> dict[str, Any]:
        job, _ = self._finished(account_id, job_id)
        key = f"{_prefix(job)}{name}"
        try:
            content = self._storage.read_bytes(key, WAVEFORMS_LIMIT_BYTES)
        except ObjectNotFound as error:
            raise ResultGone from error
        try:
            document = json.loads(content)
        except ValueError as error:
            raise ResultDamaged from error
        if not isinstance(document, dict):
            raise ResultDamaged
        return document

    def _intact(self, job: Job, stem: dict[str, Any]) -> str:
        """Key of a stem that is stored as it was made, as far as its length tells."""
        key = f"{_prefix(job)}{stem['file']}"
        stored = self._storage.head(key)
        if stored is None:
            raise ResultGone
        if stored.size_bytes != stem["size_bytes"]:
            raise ResultDamaged
        return key

    def _link(self, key: str, name: str, size_bytes: int, sha256: str, *, until: datetime | None) -> StemLink:
        """`until`: when the object goes; no address is told to last longer."""
        seconds = self._settings.presigned_url_seconds
        if until is not None:
            seconds = max(1, min(seconds, int((until - datetime.now(UTC)).total_seconds())))
        # Before it is signed: what is told never lasts longer than what works.
        expires_at = datetime.now(UTC) + timedelta(seconds=seconds)
        url = self._storage.presign_get(key, seconds, name)
        return StemLink(url=url, expires_at=expires_at, size_bytes=size_bytes, sha256=sha256)

    def _finished(self, account_id: str, job_id: str) -> tuple[Job, KnownUpload | None]:
        with self._database.read() as session:
            job = job_rows.owned_job(session, account_id, job_id)
            if job is None:
                raise JobNotFound
            if job.state is not Status.SUCCEEDED:
                ended = "and made no stems" if job.state in FINAL else "and has no result yet"
                raise JobNotFinished(f"the job is {job.status} {ended}")
            return job, upload_rows.owned_upload(session, account_id, job.upload_id)

    @staticmethod
    def _stem(job: Job, name: str) -> dict[str, Any]:
        for stem in (job.result or {}).get("stems", ()):
            if stem["name"] == name:
                found: dict[str, Any] = stem
                return found
        raise StemNotFound(f"this job made {', '.join(job.stems)}")


def _segments(job: Job) -> ReportedSegments:
    segments = segments_of(job.result)
    if segments is None:
        raise ResultGone("there are no segments of this job")
    return segments


def _prefix(job: Job) -> str:
    """Under which the job's files are stored. Raises ResultGone once they have expired."""
    if job.result_prefix is None:
        raise ResultGone("the stems of this job were kept for a time that is over")
    return job.result_prefix


def _new_archive() -> ZipStream:
    """Audio does not shrink any further; stored as it is, the length is known before the first byte."""
    return ZipStream(compress_type=ZIP_STORED, sized=True)


def _file_name(upload: KnownUpload | None, stem: str, extension: str) -> str:
    """Name under which a person finds the file again."""
    ending = f" ({stem}).{extension}"
    return _shortened(_title(upload), MAX_NAME_BYTES - len(ending)) + ending


def _title(upload: KnownUpload | None) -> str:
    """What the song is called, as a name of files. Only the last part of the upload's name counts: no path."""
    given = upload.filename if upload is not None and upload.filename else ""
    name = given.replace("\\", "/").rpartition("/")[2]
    # What follows a full stop is an ending of a file's name only where it looks like one: "feat. Somebody" does not.
    title = _ENDING.sub("", name) or name
    title = "".join("_" if c in FORBIDDEN_IN_NAMES or not c.isprintable() else c for c in title)
    # A name that begins with a dash is an option to whatever unpacks or plays it; one with a dot is hidden.
    return title.lstrip("-. ") or "song"


def _free_name(name: str, taken: set[str]) -> str:
    """The name, numbered where it is taken, and takes it."""
    numbered = chain((name,), (f"{name} ({number})" for number in count(2)))
    free = next(each for each in numbered if _on_disk(each) not in taken)
    taken.add(_on_disk(free))
    return free


def _on_disk(name: str) -> str:
    """Disks of many take capital and small letters, and a letter with its accent in one or in two, for the same."""
    return unicodedata.normalize("NFC", name).casefold()


def _shortened(text: str, most_bytes: int) -> str:
    return text.encode()[:most_bytes].decode(errors="ignore")
