"""What can be done with uploads. Every method blocks and none holds a transaction while it talks to the store."""

import logging
import threading
import time
from collections.abc import Iterable, Sequence

from fastapi.responses import JSONResponse

from services.kit import outbox
from services.kit.database import Database, WriteSession
from services.kit.erasures import check_open
from services.kit.idempotency import idempotent, replace_answers
from services.kit.schemas import Page
from services.kit.storage import MultipartNotFound, ObjectStorage, Part
from services.kit.telemetry import current_traceparent
from services.upload import repository
from services.upload.cleaning import Cleaner
from services.upload.errors import (
    ContentLengthMismatch,
    TooManyPending,
    UploadDeleted,
    UploadIsFetched,
    UploadNotFound,
    UploadNotPending,
    UploadReplaced,
    UploadTooLarge,
)
from services.upload.events import news_of
from services.upload.models import Upload
from services.upload.parts import PartPlan, agreed
from services.upload.places import Places
from services.upload.schemas import NewSource, NewUpload, PartUrl, UploadView, view
from services.upload.settings import Settings
from services.upload.signals import StatusSignals, WorkSignal
from services.upload.states import Step, UploadStatus, after

log = logging.getLogger(__name__)

STORED_AS = "application/octet-stream"
"""Never the client's word: what a browser would run must not come from our store as such."""

LOOK_AGAIN_SECONDS = 0.5


class Uploads:
    """The uploads of all accounts; each call names the one it acts for."""

    def __init__(
        self,
        database: Database,
        storage: ObjectStorage,
        settings: Settings,
        *,
        cleaner: Cleaner,
        work_signal: WorkSignal,
        source_signal: WorkSignal,
        status_signals: StatusSignals,
    ) -> None:
        self.settings = settings
        self.places = Places(settings)
        self._database = database
        self._storage = storage
        self._cleaner = cleaner
        self._work_signal = work_signal
        self._source_signal = source_signal
        self._status_signals = status_signals
        self._may_wait = threading.Semaphore(settings.max_waiting_requests)

    def create(self, account_id: str, new: NewUpload | NewSource, key: str | None) -> JSONResponse:
        """Makes a place for a file that is sent or fetched; once per idempotency key.

        Raises UploadTooLarge, SourceNotAllowed, TooManyPending, StorageQuotaExceeded, and UploadDeleted where the key
        made an upload that is gone.
        """
        if isinstance(new, NewSource):
            self.places.check_source(new.source_url)
        elif new.size_bytes > self.settings.max_size_bytes:
            raise UploadTooLarge(self.settings.max_size_bytes)

        def insert(session: WriteSession) -> str:
            # Two that count at the same moment would both find room.
            repository.take_turns(session, f"uploads of {account_id}")
            check_open(session, account_id)
            self.places.check_quota(session, account_id, 0 if isinstance(new, NewSource) else new.size_bytes)
            if repository.count_pending(session, account_id) >= self.settings.max_pending_per_account:
                raise TooManyPending("Send or delete some of the uploads that are pending first.")
            upload = self.places.place_for(new)
            upload.account_id, upload.created_at = account_id, session.now()
            session.add(upload)
            if isinstance(new, NewSource):
                session.after_commit(self._source_signal.notify)
            outbox.add(session, news_of(upload))
            return upload.id

        def respond(upload_id: str) -> tuple[int, dict[str, object]]:
            try:
                return 201, self.get(account_id, upload_id).model_dump(mode="json")
            except UploadNotFound:
                raise UploadDeleted from None

        return idempotent(
            self._database,
            account_id=account_id,
            key=key,
            operation="createUpload",
            body=new,
            create=insert,
            respond=respond,
        )

    def get(self, account_id: str, upload_id: str) -> UploadView:
        """The upload; while it is pending, with what has arrived and a URL for each part that has not."""
        upload = self._own(account_id, upload_id)
        if upload.state is not UploadStatus.PENDING or upload.source_url is not None:
            return view(upload)
        upload, stored = self._with_multipart(upload)
        if upload.state is not UploadStatus.PENDING or upload.multipart_id is None:
            return view(upload)
        cut = _plan_of(upload)
        arrived = {part.number for part in stored if part.size_bytes == cut.size_of(part.number)}
        urls = [
            PartUrl(
                number=number,
                url=self._storage.presign_part(
                    upload.incoming_key,
                    upload.multipart_id,
                    number,
                    cut.size_of(number),
                    self.settings.part_url_seconds,
                ),
                size_bytes=cut.size_of(number),
            )
            for number in cut.numbers
            if number not in arrived
        ]
        return view(upload, parts=urls, uploaded=list(stored))

    def list(self, account_id: str, *, cursor: str | None, limit: int) -> Page[UploadView]:
        """One page of the account's uploads, the newest first."""
        with self._database.read() as session:
            uploads = repository.list_own(session, account_id, before=cursor, limit=limit + 1)
        shown = uploads[:limit]
        more = len(uploads) > limit
        return Page(items=[view(upload) for upload in shown], next_cursor=shown[-1].id if more else None)

    def complete(self, account_id: str, upload_id: str, named: Iterable[tuple[int, str]] | None) -> UploadView:
        """Declares the file whole and waits a bounded time for the verdict.

        Asked again, it answers with the same upload. Raises UploadIncomplete and PartMismatch, after which the client
        may send the missing parts and try again, and UploadIsFetched.
        """
        upload = self._own(account_id, upload_id)
        if upload.state is not UploadStatus.PENDING:
            return self._verdict(upload)
        if upload.source_url is not None:
            raise UploadIsFetched
        upload, stored = self._with_multipart(upload)
        if upload.state is not UploadStatus.PENDING:
            return self._verdict(upload)
        parts = agreed(_plan_of(upload), stored, named)
        return self.hand_over(account_id, upload_id, multipart_id=upload.multipart_id, parts=parts)

    def hand_over(
        self, account_id: str, upload_id: str, *, multipart_id: str | None, parts: Sequence[Part]
    ) -> UploadView:
        """Gives a file whose parts are all there to the validators, and waits a bounded time for the verdict.

        From here on only the holder of the lease touches the objects. Raises UploadReplaced where the parts belong to
        a transfer that another one has replaced.
        """
        with self._status_signals.expected(upload_id) as announced:
            with self._database.write() as session:
                upload = repository.find_own(session, account_id, upload_id, lock=True)
                if upload is None:
                    raise UploadNotFound
                if upload.state is UploadStatus.PENDING:
                    if upload.multipart_id != multipart_id:
                        raise UploadReplaced
                    upload.status = after(upload.state, Step.COMPLETE)
                    upload.completed_at = session.now()
                    upload.parts = [[part.number, part.etag] for part in parts]
                    upload.traceparent = current_traceparent()
                    session.after_commit(self._work_signal.notify)
            return self._verdict_after(upload, announced)

    def expect_transfer(self, account_id: str, upload_id: str, length: int | None) -> Upload:
        """The pending upload that a body of this length, where that is known, may be sent to.

        Raises UploadTooLarge or ContentLengthMismatch where the announced length cannot be right, UploadIsFetched,
        UploadNotPending.
        """
        upload = self._own(account_id, upload_id)
        if upload.source_url is not None:
            raise UploadIsFetched
        if upload.state is not UploadStatus.PENDING:
            raise UploadNotPending
        if length is not None and length > self.settings.max_size_bytes:
            raise UploadTooLarge(self.settings.max_size_bytes)
        if length is not None and length != upload.size_bytes:
            raise ContentLengthMismatch(upload.size_bytes, f"{length:,}")
        return upload

    def begin_transfer(self, account_id: str, upload_id: str, length: int | None) -> Upload:
        """A pending upload under a fresh multipart upload, for a transfer that sends everything; an older one is
        thrown away.

        Raises what `expect_transfer` does, and UploadReplaced where another transfer begins at the same moment.
        """
        upload = self.expect_transfer(account_id, upload_id, length)
        replaced = upload.multipart_id
        upload, bound = self._renew_multipart(upload)
        if not bound:
            raise UploadReplaced
        if replaced is not None:
            self._storage.abort_multipart(upload.incoming_key, replaced)
        return upload

    def delete(self, account_id: str, upload_id: str) -> None:
        """Deletes the upload and its objects, whatever state it is in."""
        with self._database.write() as session:
            upload = repository.find_own(session, account_id, upload_id, lock=True)
            if upload is None:
                raise UploadNotFound
            upload.status = after(upload.state, Step.DELETE)
            upload.deleted_at = session.now()
            upload.filename, upload.source_url = "", None
            upload.lease_token = None
            upload.litter = True
            outbox.add(session, news_of(upload))
            # The first answer names the file and presigned URLs that lead nowhere now.
            replace_answers(session, account_id, upload_id, UploadDeleted())
        self._status_signals.announce(upload_id)
        # What the store does not let us remove now, the sweeper removes later.
        self._cleaner.clean(upload)

    def _own(self, account_id: str, upload_id: str) -> Upload:
        with self._database.read() as session:
            upload = repository.find_own(session, account_id, upload_id)
        if upload is None:
            raise UploadNotFound
        return upload

    def _with_multipart(self, upload: Upload) -> tuple[Upload, Sequence[Part]]:
        """A pending upload with a multipart upload that the store knows, and the parts there.

        A store may forget an unfinished multipart upload (some do at a restart, others after days): then everything
        is sent anew under another one.
        """
        if upload.multipart_id is not None:
            try:
                return upload, self._storage.list_parts(upload.incoming_key, upload.multipart_id)
            except MultipartNotFound:
                log.warning("the store has forgotten the parts of %s", upload.id)
        renewed, _ = self._renew_multipart(upload)
        if renewed.multipart_id is None or renewed.state is not UploadStatus.PENDING:
            return renewed, ()
        try:
            return renewed, self._storage.list_parts(renewed.incoming_key, renewed.multipart_id)
        except MultipartNotFound:
            return renewed, ()

    def _renew_multipart(self, upload: Upload) -> tuple[Upload, bool]:
        """The upload bound to a new multipart upload and True, or as another request left it meanwhile and False."""
        fresh = self._storage.create_multipart(upload.incoming_key, STORED_AS)
        with self._database.write() as session:
            row = repository.find_own(session, upload.account_id, upload.id, lock=True)
            bound = row is not None and row.state is UploadStatus.PENDING and row.multipart_id == upload.multipart_id
            if row is not None and bound:
                row.multipart_id = fresh
        if not bound:
            self._storage.abort_multipart(upload.incoming_key, fresh)
        if row is None:
            raise UploadNotFound
        return row, bound

    def _verdict(self, upload: Upload) -> UploadView:
        """The upload once it is decided, or as it is when the time to wait is over."""
        with self._status_signals.expected(upload.id) as announced:
            return self._verdict_after(upload, announced)

    def _verdict_after(self, upload: Upload, announced: threading.Event) -> UploadView:
        if upload.state is not UploadStatus.VALIDATING or not self._may_wait.acquire(blocking=False):
            return view(upload)
        try:
            return view(self._wait(upload, announced))
        finally:
            self._may_wait.release()

    def _wait(self, upload: Upload, announced: threading.Event) -> Upload:
        deadline = time.monotonic() + self.settings.verdict_wait_seconds
        while upload.state is UploadStatus.VALIDATING:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                break
            # Another process may be the one that decides.
            announced.wait(min(remaining, LOOK_AGAIN_SECONDS))
            announced.clear()
            upload = self._own(upload.account_id, upload.id)
        return upload


def _plan_of(upload: Upload) -> PartPlan:
    return PartPlan(upload.size_bytes, upload.part_bytes)
