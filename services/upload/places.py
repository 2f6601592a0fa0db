"""Places for files that are still to come: what an account may have of them."""

from services.kit.database import WriteSession
from services.kit.ids import new_id
from services.kit.outbound.urls import AddressRefused, target_of
from services.kit.telemetry import current_traceparent
from services.upload import repository
from services.upload.errors import SourceNotAllowed, StorageQuotaExceeded
from services.upload.models import Upload
from services.upload.parts import plan
from services.upload.schemas import NewSource, NewUpload
from services.upload.settings import Settings
from services.upload.sources import UNNAMED, name_in, shown
from services.upload.states import Step, UploadStatus, after


class Places:
    """Works inside the caller's transaction, which adds the row; that of an order is added here."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def place_for(self, new: NewUpload | NewSource) -> Upload:
        """A pending upload; whose it is, and since when, is the caller's to say."""
        upload = Upload(id=new_id("upl"), status=UploadStatus.PENDING, litter=False, attempts=0)
        size_bytes = self._settings.max_size_bytes
        if isinstance(new, NewSource):
            upload.source_url, upload.named = new.source_url, new.filename is not None
            upload.filename = new.filename or name_in(new.source_url) or UNNAMED
            upload.size_bytes = 0
            upload.traceparent = current_traceparent()
        else:
            upload.filename, upload.size_bytes = new.filename, new.size_bytes
            upload.content_type, upload.declared_sha256 = new.content_type, new.sha256
            size_bytes = new.size_bytes
        upload.part_bytes = plan(size_bytes, self._settings.part_size_bytes).part_bytes
        return upload

    def take_order(self, session: WriteSession, upload_id: str, account_id: str, source_url: str) -> Upload:
        """A song that a batch names by its address, under an id that was given it; rejected at once where it cannot be
        fetched or kept. How many of them wait is bounded by how many batches may be open. Rejected ones count among
        the account's uploads too: where it has as many as it may, the one returned is told of and not kept."""
        repository.take_turns(session, f"uploads of {account_id}")
        upload = self.place_for(NewSource(source_url=source_url))
        upload.id, upload.account_id, upload.created_at, upload.ordered = upload_id, account_id, session.now(), True
        try:
            self.check_source(source_url)
            self.check_quota(session, account_id, 0)
        except (SourceNotAllowed, StorageQuotaExceeded) as error:
            upload.status = after(upload.state, Step.REJECT)
            upload.decided_at = session.now()
            upload.code, upload.reason = error.code, error.detail
            upload.source_url = shown(source_url)
            if repository.usage(session, account_id).uploads >= self._settings.max_uploads_per_account:
                return upload
        session.add(upload)
        return upload

    def check_source(self, url: str) -> None:
        """Raises SourceNotAllowed."""
        if self._settings.fetchers == 0:
            raise SourceNotAllowed("This platform fetches nothing. Send the file.")
        try:
            target_of(url, allow_loopback=self._settings.outbound_allow_loopback)
        except AddressRefused as error:
            raise SourceNotAllowed(f"source_url {error}") from None

    def check_quota(self, session: WriteSession, account_id: str, size_bytes: int) -> None:
        """Raises StorageQuotaExceeded where the account has no room for one more."""
        usage = repository.usage(session, account_id)
        settings = self._settings
        if (
            usage.uploads >= settings.max_uploads_per_account
            or usage.ready_uploads >= settings.max_ready_uploads_per_account
            or usage.stored_bytes + size_bytes > settings.max_stored_bytes_per_account
        ):
            raise StorageQuotaExceeded(
                limit_bytes=settings.max_stored_bytes_per_account,
                stored_bytes=usage.stored_bytes,
                limit_uploads=settings.max_uploads_per_account,
                uploads=usage.uploads,
                limit_ready_uploads=settings.max_ready_uploads_per_account,
                ready_uploads=usage.ready_uploads,
            )
