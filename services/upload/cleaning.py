"""Removes objects that nobody needs any more, and uploads that nobody finished."""

import logging
import time
from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import islice

from services.kit import outbox
from services.kit.database import Database
from services.kit.periodic import Periodic
from services.kit.storage import ObjectStorage, StorageRefused, StorageUnavailable
from services.upload import repository
from services.upload.events import news_of
from services.upload.models import Upload
from services.upload.settings import Settings
from services.upload.sources import shown
from services.upload.states import Step, UploadStatus, after

log = logging.getLogger(__name__)

BATCH = 100


class Cleaner:
    """Removes what an upload leaves in the store once its fate is decided."""

    def __init__(self, database: Database, storage: ObjectStorage) -> None:
        self._database = database
        self._storage = storage

    def clean(self, upload: Upload) -> bool:
        """Removes an upload's litter and notes that; False where the store does not let us, to be tried again."""
        try:
            self._remove_objects(upload)
        except (StorageUnavailable, StorageRefused) as error:
            log.warning("objects of %s could not be removed, the next sweep tries again: %s", upload.id, error)
            return False
        with self._database.write() as session:
            row = repository.find_any(session, upload.id, lock=True)
            # A row that changed meanwhile (ready, then deleted) has new litter.
            if row is not None and row.status == upload.status:
                row.litter = False
        return True

    def _remove_objects(self, upload: Upload) -> None:
        if upload.multipart_id is not None and upload.state is not UploadStatus.READY:
            self._storage.abort_multipart(upload.incoming_key, upload.multipart_id)
        self._storage.delete(upload.incoming_key)
        if upload.state is not UploadStatus.READY:
            self._storage.delete_prefix(upload.source_prefix)


class Sweeper(Periodic):
    """Background task: expires uploads that were never finished, and cleans what could not be cleaned at once."""

    def __init__(self, database: Database, storage: ObjectStorage, cleaner: Cleaner, settings: Settings) -> None:
        super().__init__("upload-sweeper", settings.sweep_seconds, self.sweep)
        self._database = database
        self._cleaner = cleaner
        self._storage = storage
        self._multipart_seconds = settings.multipart_sweep_seconds
        self._look_for_multiparts_at = 0.0
        self._pending = timedelta(seconds=settings.pending_seconds)
        self._tombstone = timedelta(seconds=settings.tombstone_seconds)

    def sweep(self) -> None:
        """One round, to the end of what is due: whoever makes and deletes uploads is not quicker than that."""
        while self._expire():
            pass
        self._clean_litter()
        while self._purge_deleted():
            pass
        if time.monotonic() >= self._look_for_multiparts_at:
            self._look_for_multiparts_at = time.monotonic() + self._multipart_seconds
            self.abort_unknown_multiparts()

    def abort_unknown_multiparts(self) -> None:
        """Throws away the parts of uploads whose process ended before anybody noted them, in the whole bucket.

        What is older than an upload may wait for its bytes is nobody's, unless an upload is still made of it.
        """
        with self._database.read() as session:
            before = session.now() - self._pending
        try:
            old = {found.multipart_id: found for found in self._storage.open_multiparts("") if found.begun_at < before}
            for ids in batched(old):
                with self._database.read() as session:
                    in_use = repository.multiparts_in_use(session, ids)
                for multipart_id in set(ids) - in_use:
                    self._storage.abort_multipart(old[multipart_id].key, multipart_id)
                    log.info("the parts of %s, which nobody knew, are thrown away", old[multipart_id].key)
        except (StorageUnavailable, StorageRefused) as error:
            log.warning("unfinished multipart uploads could not be thrown away, a later sweep tries again: %s", error)

    def _expire(self) -> bool:
        """Some of them; whether there may be more."""
        with self._database.read() as session:
            ids = repository.pending_since_before(session, session.now() - self._pending, BATCH)
        for upload_id in ids:
            with self._database.write() as session:
                upload = repository.find_any(session, upload_id, lock=True)
                if upload is None or upload.state is not UploadStatus.PENDING:
                    continue
                upload.status = after(upload.state, Step.EXPIRE)
                upload.decided_at = session.now()
                upload.code = "upload_expired"
                come = "sent" if upload.source_url is None else "fetched"
                upload.reason = f"The file was not {come} in time. Start a new upload."
                upload.source_url, upload.lease_token = shown(upload.source_url), None
                upload.litter = True
                outbox.add(session, news_of(upload))
            log.info("%s expired", upload_id)
        return len(ids) == BATCH

    def _clean_litter(self) -> None:
        last = ""
        while True:
            with self._database.read() as session:
                uploads = repository.littered(session, after=last, limit=BATCH)
            for upload in uploads:
                if not self._cleaner.clean(upload):
                    return
                last = upload.id
            if len(uploads) < BATCH:
                return

    def _purge_deleted(self) -> bool:
        """Forgets some deleted uploads, and cleans once more: a late part or a validator that slept may have written.

        Whether there may be more, and the store lets us.
        """
        with self._database.read() as session:
            uploads = repository.deleted_before(session, session.now() - self._tombstone, BATCH)
        for upload in uploads:
            if not self._cleaner.clean(upload):
                return False
            with self._database.write() as session:
                repository.purge(session, upload.id)
        return len(uploads) == BATCH


def batched(ids: Iterable[str]) -> Iterator[list[str]]:
    """As many at a time as a query names."""
    rest = iter(ids)
    while batch := list(islice(rest, BATCH)):
        yield batch
