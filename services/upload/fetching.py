"""Background work that fetches files from the addresses that their uploads name.

A fetcher leases an upload, as a validator does, and streams what its address answers into the store, part by part,
under a multipart upload of its own. Then it is a file like any other: it goes to the validators, with the digest of
what came. When a process dies, its lease lapses and another fetcher begins again.
"""

import asyncio
import hashlib
import logging
import secrets
import threading
from datetime import timedelta

from prometheus_client import Counter
from sqlalchemy.exc import SQLAlchemyError

from services.kit import outbox
from services.kit.database import Database
from services.kit.outbound.fetcher import Download, Fetcher, FetchFailed, NoPlace, NotPublic, Pace, TooSlow
from services.kit.outbound.urls import AddressRefused
from services.kit.storage import MultipartNotFound, ObjectStorage, Part, StorageRefused, StorageUnavailable
from services.kit.telemetry import span
from services.upload import repository
from services.upload.cleaning import Cleaner
from services.upload.events import news_of
from services.upload.leases import Lease, LeaseLost, Leases, Stopping
from services.upload.models import Upload
from services.upload.prober import Rejection
from services.upload.service import STORED_AS
from services.upload.settings import Settings
from services.upload.signals import StatusSignals, WorkSignal
from services.upload.sources import name_in, name_told, shown
from services.upload.states import Step, after

log = logging.getLogger(__name__)

FETCHES = Counter("stemwright_upload_fetches_total", "Files that were to be fetched.", ["code"])
FETCHED_BYTES = Counter("stemwright_upload_fetched_bytes_total", "Bytes of files that were fetched.")

HEADERS = {"User-Agent": "Stemwright", "Accept": "audio/*, */*;q=0.5"}
BEAT_SECONDS = 1.0
DATABASE_AWAY_SECONDS = 1.0
ITS_OWN_FAULT = frozenset({408, 425, 429, *range(500, 600)})
"""Statuses of a server that may answer otherwise the next time."""

UNFETCHABLE = Rejection(
    "source_not_fetched", "The file could not be fetched, although it was tried several times. Please try again."
)
EMPTY = Rejection("source_empty", "There is nothing in the file at that address.")
FULL = Rejection("storage_quota_exceeded", "The account keeps as many bytes as it may. Delete some uploads first.")


class Unusable(Exception):
    """Nothing becomes of this file; `again` where the next attempt may find another answer."""

    def __init__(self, verdict: Rejection, *, again: bool = False) -> None:
        super().__init__(verdict.code)
        self.verdict = verdict
        self.again = again


class SourceFetcher:
    """Fetches one file after the other; a background task. Several run side by side."""

    def __init__(
        self,
        number: int,
        database: Database,
        storage: ObjectStorage,
        settings: Settings,
        *,
        fetcher: Fetcher,
        cleaner: Cleaner,
        source_signal: WorkSignal,
        work_signal: WorkSignal,
        status_signals: StatusSignals,
    ) -> None:
        self.name = f"upload-fetcher-{number}"
        self._database = database
        self._storage = storage
        self._settings = settings
        self._fetcher = fetcher
        self._cleaner = cleaner
        self._source_signal = source_signal
        self._work_signal = work_signal
        self._status_signals = status_signals
        self._leases = Leases(database, settings.lease_seconds)
        self._pace = Pace(settings.fetch_seconds, settings.transfer_idle_seconds, settings.transfer_bytes_per_second)

    def run(self, stop: threading.Event) -> None:
        """Works until told to stop; what is under way then is given back at once."""
        self._leases.stop = stop
        while not stop.is_set():
            try:
                if not self.fetch_next():
                    self._source_signal.wait(self._settings.fetcher_poll_seconds)
            except SQLAlchemyError as error:
                log.warning("the database does not answer: %s", error)
                stop.wait(DATABASE_AWAY_SECONDS)

    def wake(self) -> None:
        """Has a fetcher look now."""
        self._source_signal.notify()

    def fetch_next(self) -> bool:
        """Fetches one file, of the account whose turn it is; False if none waits."""
        token = secrets.token_hex(16)
        with self._database.write() as session:
            upload = repository.claim_fetching(
                session,
                lease_token=token,
                lease=timedelta(seconds=self._settings.lease_seconds),
                most_of_one_account=self._settings.fetches_per_account,
            )
        if upload is None:
            return False
        with span("fetch upload", upload.traceparent):
            self._fetch(self._leases.taken(upload, token))
        return True

    def _fetch(self, lease: Lease) -> None:
        upload = lease.upload
        try:
            if upload.attempts > self._settings.fetch_attempts:
                raise Unusable(UNFETCHABLE)
            asyncio.run(self._watched(lease))
        except Unusable as unusable:
            self._refuse(lease, unusable)
        except LeaseLost:
            log.info("%s is fetched no longer", upload.id)
        except Stopping:
            self._leases.put_off(lease, seconds=0)
        except (StorageUnavailable, StorageRefused) as error:
            # Nothing is wrong with the file: the store is away.
            log.warning("the fetching of %s is put off: %s", upload.id, error)
            self._leases.put_off(lease, seconds=self._settings.fetch_retry_seconds)
        except NoPlace as error:
            log.info("%s is fetched later: %s", upload.id, error)
            self._leases.put_off(lease, seconds=self._settings.fetch_retry_seconds)
        except SQLAlchemyError:
            raise
        except Exception:
            # A defect that one answer brings out must not take the service away from all others.
            log.exception("the fetching of %s failed", upload.id)
            self._leases.put_off(lease, seconds=self._settings.fetch_retry_seconds, counts=True)

    async def _watched(self, lease: Lease) -> None:
        """Fetches while the lease stands. Raises Unusable, LeaseLost, Stopping, NoPlace and what the store raises."""
        incoming = await asyncio.to_thread(self._begin, lease)
        fetching = asyncio.create_task(self._streamed(lease, incoming))
        try:
            while not (await asyncio.wait({fetching}, timeout=BEAT_SECONDS))[0]:
                await asyncio.to_thread(self._leases.beat, lease, size_bytes=incoming.received)
            fetching.result()
        finally:
            fetching.cancel()
            await asyncio.wait({fetching})

    def _begin(self, lease: Lease) -> "Incoming":
        """A fresh place in the store; that of an attempt before is thrown away."""
        upload = lease.upload
        multipart_id, older = self._storage.create_multipart(upload.incoming_key, STORED_AS), upload.multipart_id
        with self._database.write() as session:
            row = repository.find_leased(session, upload.id, lease.token)
            if row is not None:
                row.multipart_id, row.size_bytes = multipart_id, 0
            stored_bytes = repository.usage(session, upload.account_id).stored_bytes
        if row is None:
            self._storage.abort_multipart(upload.incoming_key, multipart_id)
            raise LeaseLost
        if older is not None:
            self._storage.abort_multipart(upload.incoming_key, older)
        room_bytes = self._settings.max_stored_bytes_per_account - stored_bytes
        return Incoming(self._storage, row, most_bytes=self._settings.max_size_bytes, room_bytes=room_bytes)

    async def _streamed(self, lease: Lease, incoming: "Incoming") -> None:
        assert lease.upload.source_url is not None  # noqa: S101 - or it would not have been claimed
        try:
            async with self._fetcher.stream(
                lease.upload.source_url, asker=lease.upload.account_id, headers=HEADERS, pace=self._pace
            ) as download:
                _check_answer(download)
                incoming.expect(download.announced_bytes)
                async for piece in download:
                    if incoming.take(piece):
                        await asyncio.to_thread(incoming.flush)
                await asyncio.to_thread(incoming.finish)
                name = name_told(download.headers) or name_in(download.url)
        except (AddressRefused, NotPublic) as error:
            raise Unusable(Rejection("source_not_allowed", f"The address, or where it leads: {error}.")) from error
        except TooSlow as error:
            raise Unusable(Rejection("source_too_slow", f"The file came too slowly: {error}."), again=True) from error
        except NoPlace:
            raise
        except FetchFailed as error:
            verdict = Rejection("source_unreachable", f"The file could not be fetched: {error}.")
            raise Unusable(verdict, again=True) from error
        except MultipartNotFound as error:
            # Thrown away by who deleted the upload or took it over; or lost by the store.
            raise StorageUnavailable("the parts went away while they were sent") from error
        await asyncio.to_thread(self._hand_over, lease, incoming, name)

    def _hand_over(self, lease: Lease, incoming: "Incoming", name: str | None) -> None:
        """Gives the file to the validators. Raises LeaseLost, or Unusable where the account has no room for it."""
        with self._database.write() as session:
            repository.take_turns(session, f"uploads of {lease.upload.account_id}")
            row = repository.find_leased(session, lease.upload.id, lease.token)
            if row is None:
                raise LeaseLost
            row.size_bytes = incoming.received
            row.declared_sha256 = incoming.sha256
            row.parts = [[part.number, part.etag] for part in incoming.parts]
            row.filename = row.filename if row.named or name is None else name
            row.source_url = shown(row.source_url)
            row.lease_token = row.lease_until = row.not_before = None
            row.attempts = 0
            row.completed_at = session.now()
            row.status = after(row.state, Step.COMPLETE)
            session.flush()
            used = repository.usage(session, row.account_id).stored_bytes
            if used > self._settings.max_stored_bytes_per_account:
                raise Unusable(FULL)
            session.after_commit(self._work_signal.notify)
        FETCHES.labels("fetched").inc()
        FETCHED_BYTES.inc(incoming.received)
        log.info("%s is fetched, %d bytes", row.id, row.size_bytes)

    def _refuse(self, lease: Lease, unusable: Unusable) -> None:
        """Tells the owner why there will be no file, unless it is worth another attempt."""
        upload, verdict = lease.upload, unusable.verdict
        if unusable.again and upload.attempts < self._settings.fetch_attempts:
            log.info("%s is fetched again: %s", upload.id, verdict.code)
            pause = self._settings.fetch_retry_seconds * 2 ** (upload.attempts - 1)
            self._leases.put_off(lease, seconds=pause, counts=True)
            return
        with self._database.write() as session:
            row = repository.find_leased(session, upload.id, lease.token)
            if row is None:
                return
            row.status = after(row.state, Step.REJECT)
            row.decided_at = session.now()
            row.code, row.reason = verdict.code, verdict.reason
            row.source_url = shown(row.source_url)
            row.lease_token = row.lease_until = row.not_before = None
            row.litter = True
            outbox.add(session, news_of(row))
        self._status_signals.announce(row.id)
        FETCHES.labels(verdict.code).inc()
        log.info("%s is rejected: %s", row.id, verdict.code)
        self._cleaner.clean(row)


def _check_answer(download: Download) -> None:
    """Raises Unusable where the answer is not the file."""
    if download.status != 200:
        verdict = Rejection("source_refused", f"The server at that address does not give the file: {download.status}.")
        raise Unusable(verdict, again=download.status in ITS_OWN_FAULT)
    if download.headers.get("content-encoding", "identity").lower() != "identity":
        raise Unusable(Rejection("source_refused", "The server at that address sends the file packed."))


class Incoming:
    """A file on its way to the store: its bytes are counted, digested, and sent in parts."""

    def __init__(self, storage: ObjectStorage, upload: Upload, *, most_bytes: int, room_bytes: int) -> None:
        self._storage = storage
        self._upload = upload
        self._most_bytes = most_bytes
        self._room_bytes = room_bytes
        self._buffer = bytearray()
        self._digest = hashlib.sha256()
        self.received = 0
        self.parts: list[Part] = []

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def expect(self, size_bytes: int | None) -> None:
        """Raises Unusable where a file of this size, if it is known, finds no place."""
        if size_bytes is None:
            return
        if size_bytes > self._most_bytes:
            raise Unusable(Rejection("source_too_large", f"Files may have at most {self._most_bytes:,} bytes."))
        if size_bytes > self._room_bytes:
            raise Unusable(FULL)

    def take(self, piece: bytes) -> bool:
        """Keeps what came; True when a part is full and must be flushed. Never blocks. Raises Unusable."""
        self.received += len(piece)
        self.expect(self.received)
        self._digest.update(piece)
        self._buffer += piece
        return len(self._buffer) >= self._upload.part_bytes

    def flush(self) -> None:
        """Sends full parts to the store. Blocks."""
        while len(self._buffer) >= self._upload.part_bytes:
            self._send(self._upload.part_bytes)

    def finish(self) -> None:
        """Sends the rest. Blocks. Raises Unusable where nothing came."""
        if not self.received:
            raise Unusable(EMPTY)
        self.flush()
        if self._buffer:
            self._send(len(self._buffer))

    def _send(self, size: int) -> None:
        assert self._upload.multipart_id is not None  # noqa: S101 - it was made for this
        number, data = len(self.parts) + 1, bytes(self._buffer[:size])
        del self._buffer[:size]
        etag = self._storage.upload_part(self._upload.incoming_key, self._upload.multipart_id, number, data)
        self.parts.append(Part(number, etag, size))
