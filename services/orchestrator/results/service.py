"""The stems of a finished job: links, archive, the file for DJ software, waveforms, proof.

Storage is asked outside of any transaction.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
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
from services.orchestrator.results.errors import ResultDamaged, ResultGone, StemNotFound
from services.orchestrator.results.manifests import segments_of
from services.orchestrator.results.playback import SEGMENT_LIMIT_BYTES
from services.orchestrator.results.schemas import StemLink
from services.orchestrator.results.stem_files import StemFiles
from services.orchestrator.settings import Settings
from services.orchestrator.uploads import repository as upload_rows
from services.orchestrator.uploads.models import KnownUpload

WAVEFORMS_LIMIT_BYTES = 8 << 20
MIXTURE = "mixture"
STEM_FILE = ".stem.mp4"
"""By this ending DJ software knows what to look for in it."""
TAGS_BYTES = 9 << 20
"""How far into a stem its tags are read; a cover of 8 MB lies within it."""
MAX_NAME_BYTES = 255
"""What file systems take."""
FORBIDDEN_IN_NAMES = frozenset('<>:"|?*')
"""What Windows does not."""


class Results:
    """Reads what workers stored."""

    def __init__(self, database: Database, storage: ObjectStorage, settings: Settings) -> None:
        self._database = database
        self._storage = storage
        self._settings = settings
        self._stem_files = StemFiles(settings.stem_files_at_once)

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
        """Length in bytes and content of a zip with a folder for each job; the same song's are numbered."""
        archive, folders = _new_archive(), Counter[str]()
        for job_id in dict.fromkeys(job_ids):
            try:
                job, upload = self._finished(account_id, job_id)
                # Windows takes neither dots nor spaces at the end of a folder's name.
                title = _shortened(_title(upload), MAX_NAME_BYTES - len(f" ({len(job_ids)})")).rstrip(". ")
                folders[title] += 1
                folder = title if folders[title] == 1 else f"{title} ({folders[title]})"
                self._add(archive, job, upload, f"{folder}/")
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

    def stem_file(self, account_id: str, job_id: str) -> tuple[str, Iterator[bytes]]:
        """Name and content of the file for DJ software; made while it is sent, from what is listened to."""
        job, upload = self._finished(account_id, job_id)
        segments = segments_of(job.result)
        if segments is None:
            raise ResultGone("there are no segments of this job")
        music = (job.result or {}).get("analysis") or {}
        song = {
            "samples": segments.samples,
            "sample_rate_hz": segments.sample_rate_hz,
            "title": _title(upload),
            "tempo_bpm": music.get("tempo_bpm"),
            "key": music.get("key"),
        }
        prefix = _prefix(job)
        keys = (segment_key(prefix, track, n) for n in range(segments.segments) for track in segments.tracks)
        name = _shortened(_title(upload), MAX_NAME_BYTES - len(STEM_FILE)) + STEM_FILE
        pieces = map(self._segment, keys)
        return name, self._stem_files.make(account_id, song, segments.tracks, pieces, self._beginning_of_a_stem(job))

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
    title = name.rpartition(".")[0] or name
    title = "".join("_" if c in FORBIDDEN_IN_NAMES or not c.isprintable() else c for c in title)
    # A name that begins with a dash is an option to whatever unpacks or plays it; one with a dot is hidden.
    return title.lstrip("-. ") or "song"


def _shortened(text: str, most_bytes: int) -> str:
    return text.encode()[:most_bytes].decode(errors="ignore")
