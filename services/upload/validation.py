"""Background work that gives each completed upload its verdict.

A validator leases an upload, joins its parts, downloads the object, compares it with what the client said, has it
decoded in a confined process, and writes the verdict and its event in one transaction. Every step may be repeated: when
a process dies, its lease lapses and another validator begins again. From completion to verdict only the holder of the
lease touches the objects, so what was checked is what is copied to where no client can write. What is kept is read once
more before the verdict: bytes that changed on their way here were another file, good or bad.
"""

import contextlib
import hashlib
import logging
import secrets
import threading
from collections.abc import Callable
from datetime import timedelta

from prometheus_client import Counter, Histogram
from sqlalchemy.exc import SQLAlchemyError

from services.kit import outbox
from services.kit.database import Database
from services.kit.storage import (
    MultipartNotFound,
    ObjectInfo,
    ObjectNotFound,
    ObjectStorage,
    Part,
    StorageUnavailable,
)
from services.kit.telemetry import span, use_ids
from services.upload import repository
from services.upload.cleaning import Cleaner
from services.upload.events import news_of
from services.upload.leases import Lease, LeaseLost, Leases, Stopping
from services.upload.models import Upload
from services.upload.prober import AudioFacts, Prober, Rejection
from services.upload.scratch import Scratch
from services.upload.settings import Settings
from services.upload.signals import StatusSignals, WorkSignal
from services.upload.states import Step, UploadStatus, after

log = logging.getLogger(__name__)

VERDICTS = Counter("stemwright_upload_verdicts_total", "Uploads decided.", ["code"])
CHECK_SECONDS = Histogram(
    "stemwright_upload_check_seconds",
    "Seconds from the claim of an upload to its verdict.",
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 180),
)

DATABASE_AWAY_SECONDS = 1.0

LOST = Rejection("upload_lost", "The parts of the file were lost before they could be joined. Please send it again.")
UNCHECKABLE = Rejection(
    "upload_not_checked", "The file could not be checked, although it was tried several times. Please send it again."
)
ANOTHER_FILE = Rejection(
    "sha256_mismatch", "The file that arrived is not the one that was announced: its SHA-256 differs."
)


class ReadDiffers(Exception):
    """The store gave two different files for one object; which of them was checked is not known."""


class Validator:
    """Checks one upload after the other; a background task. Several run side by side."""

    def __init__(
        self,
        number: int,
        database: Database,
        storage: ObjectStorage,
        settings: Settings,
        *,
        cleaner: Cleaner,
        prober: Prober,
        scratch: Scratch,
        work_signal: WorkSignal,
        status_signals: StatusSignals,
    ) -> None:
        self.name = f"upload-validator-{number}"
        self._database = database
        self._storage = storage
        self._settings = settings
        self._cleaner = cleaner
        self._prober = prober
        self._scratch = scratch
        self._work_signal = work_signal
        self._status_signals = status_signals
        self._leases = Leases(database, settings.lease_seconds)

    def run(self, stop: threading.Event) -> None:
        """Works until told to stop; what is under way then is given back at once."""
        self._leases.stop = stop
        while not stop.is_set():
            try:
                if self.check_next():
                    continue
            except SQLAlchemyError as error:
                log.warning("the database does not answer: %s", error)
                stop.wait(DATABASE_AWAY_SECONDS)
                continue
            if not self._work_signal.wait(self._settings.validator_poll_seconds) and not stop.is_set():
                # Nothing came for a while: the time to get ready costs nobody anything now.
                self._prober.warm()
        self._prober.close()

    def wake(self) -> None:
        """Has a validator look now."""
        self._work_signal.notify()

    def check_next(self) -> bool:
        """Checks one upload, of the account whose turn it is; False if none waits."""
        token = secrets.token_hex(16)
        with self._database.write() as session:
            upload = repository.claim_validating(
                session,
                lease_token=token,
                lease=timedelta(seconds=self._settings.lease_seconds),
                most_of_one_account=self._settings.validations_per_account,
            )
        if upload is None:
            return False
        ids = use_ids(account_id=upload.account_id)
        with span("validate upload", upload.traceparent), ids, CHECK_SECONDS.time():
            self._check(self._leases.taken(upload, token))
        return True

    def _check(self, lease: Lease) -> None:
        upload = lease.upload
        try:
            verdict = self._judge(lease)
            decided = self._decide(lease, verdict)
        except LeaseLost:
            self._withdraw(upload)
        except Stopping:
            self._leases.put_off(lease, seconds=0)
        except (StorageUnavailable, OSError) as error:
            # Nothing is wrong with the file: the store is away or the disk is full.
            log.warning("the check of %s is put off: %s", upload.id, error)
            self._leases.put_off(lease, seconds=self._settings.retry_seconds)
        except SQLAlchemyError:
            raise
        except ReadDiffers:
            log.warning("the store gave %s in two versions; it is checked again", upload.id)
            self._leases.put_off(lease, seconds=self._settings.retry_seconds, counts=True)
        except Exception:
            # A defect that one file brings out must not take the service away from all others; attempts are limited.
            log.exception("the check of %s failed", upload.id)
            self._leases.put_off(lease, seconds=self._settings.retry_seconds, counts=True)
        else:
            self._status_signals.announce(upload.id)
            VERDICTS.labels(decided.code or "ready").inc()
            log.info("%s is %s %s", upload.id, decided.status, decided.code or "")
            self._cleaner.clean(decided)

    def _judge(self, lease: Lease) -> AudioFacts | Rejection:
        """The verdict; where it is good, the object lies at its final place already."""
        upload = lease.upload
        refused = self._refuse_unread(upload)
        if refused is not None:
            return refused
        with self._scratch.directory() as directory:
            file = directory / "audio"
            with file.open("wb") as target:
                upload.sha256 = self._read(lease, upload.incoming_key, target.write)
            if upload.declared_sha256 in (None, upload.sha256):
                verdict = self._prober.probe(file, lambda: self._leases.beat(lease))
            else:
                verdict = ANOTHER_FILE
        self._leases.beat(lease)
        kept = upload.incoming_key
        if isinstance(verdict, AudioFacts):
            kept = upload.source_key
            try:
                self._storage.copy(upload.incoming_key, kept)
            except ObjectNotFound as error:
                raise StorageUnavailable("the object went away before it was kept") from error
        if self._read(lease, kept) != upload.sha256:
            raise ReadDiffers
        return verdict

    def _refuse_unread(self, upload: Upload) -> Rejection | None:
        """Joins the parts, and finds what can be said against the file without reading it."""
        if upload.attempts > self._settings.max_attempts:
            return UNCHECKABLE
        found = self._assemble(upload)
        if found is None:
            return LOST
        if found.size_bytes != upload.size_bytes:
            return Rejection(
                "size_mismatch",
                f"The file has {found.size_bytes:,} bytes, but {upload.size_bytes:,} were announced.",
            )
        return None

    def _assemble(self, upload: Upload) -> ObjectInfo | None:
        """The object that the parts make; None where they are gone and so is the object."""
        if upload.multipart_id is None:
            return None
        # Joined by an earlier attempt, or lost by the store: the object tells.
        with contextlib.suppress(MultipartNotFound):
            parts = [Part(number, etag) for number, etag in upload.parts or ()]
            self._storage.complete_multipart(upload.incoming_key, upload.multipart_id, parts)
        return self._storage.head(upload.incoming_key)

    def _read(self, lease: Lease, key: str, write: Callable[[bytes], object] = lambda _: None) -> str:
        """The SHA-256 of an object, whose bytes go to `write`. Raises StorageUnavailable where some are missing."""
        digest, received, size_bytes = hashlib.sha256(), 0, lease.upload.size_bytes
        try:
            for chunk in self._storage.stream(key):
                received += len(chunk)
                if received > size_bytes:
                    break
                digest.update(chunk)
                write(chunk)
                self._leases.beat(lease)
        except ObjectNotFound as error:
            raise StorageUnavailable("the object went away while it was read") from error
        if received != size_bytes:
            raise StorageUnavailable(f"the store sent {received} bytes of {size_bytes}")
        return digest.hexdigest()

    def _decide(self, lease: Lease, verdict: AudioFacts | Rejection) -> Upload:
        """Writes the verdict and its event in one transaction. Raises LeaseLost."""
        with self._database.write() as session:
            row = repository.find_leased(session, lease.upload.id, lease.token)
            if row is None:
                raise LeaseLost
            row.decided_at = session.now()
            row.lease_token = row.lease_until = row.not_before = None
            row.litter = True
            if isinstance(verdict, Rejection):
                row.status = after(row.state, Step.REJECT)
                row.code, row.reason = verdict.code, verdict.reason
            else:
                row.status = after(row.state, Step.ACCEPT)
                row.sha256 = lease.upload.sha256
                row.duration_seconds = verdict.duration_seconds
                row.samples = verdict.samples
                row.sample_rate_hz = verdict.sample_rate_hz
                row.channels = verdict.channels
                row.codec, row.container = verdict.codec, verdict.container
                row.whole = verdict.complete
                row.voice_start_seconds = verdict.voice_start_seconds
            outbox.add(session, news_of(row))
        return row

    def _withdraw(self, upload: Upload) -> None:
        """Takes back what was copied for an upload that was deleted meanwhile; a successor's work is left alone."""
        with self._database.write() as session:
            row = repository.find_any(session, upload.id, lock=True)
            if row is not None and row.state is not UploadStatus.DELETED:
                return
            if row is not None:
                # The deletion removed what was there then. What the store keeps now is the sweeper's next work.
                row.litter = True
        self._cleaner.clean(row or upload)
