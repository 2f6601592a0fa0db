"""Files that come as the body of one request and go to the store part by part."""

import threading
from collections import Counter
from collections.abc import Callable

from services.kit.storage import MultipartNotFound, ObjectStorage, Part, StorageRefused, StorageUnavailable
from services.upload.errors import ContentLengthMismatch, TooManyTransfers, TransferStalled, UploadReplaced
from services.upload.models import Upload
from services.upload.schemas import UploadView
from services.upload.service import Uploads
from services.upload.settings import Settings


class Transfers:
    """Admits a bounded number of transfers, each with one part in memory."""

    def __init__(self, uploads: Uploads, storage: ObjectStorage, settings: Settings) -> None:
        self.idle_seconds = settings.transfer_idle_seconds
        self._slowest = settings.transfer_bytes_per_second
        self._uploads = uploads
        self._storage = storage
        self._most = settings.max_transfers
        self._most_of_one = settings.max_transfers_per_account
        # However many accounts take all that they may, others find a place.
        self._for_all = settings.max_transfers - settings.max_transfers // 4
        self._running: Counter[str] = Counter()
        self._lock = threading.Lock()

    def begin(self, account_id: str, upload_id: str, length: int | None) -> "Transfer":
        """A transfer of `length` bytes, if that is known. Blocks while the store is asked for a place.

        Raises UploadNotFound, UploadNotPending, UploadTooLarge, ContentLengthMismatch, TooManyTransfers.
        """
        # What cannot become a file takes nobody's place.
        self._uploads.expect_transfer(account_id, upload_id, length)
        with self._lock:
            if not self._has_room(self._running.total(), self._running[account_id]):
                raise TooManyTransfers
            self._running[account_id] += 1
        try:
            upload = self._uploads.begin_transfer(account_id, upload_id, length)
        except BaseException:
            self._ended(account_id)
            raise
        rate = MinimumRate(self._slowest, self.idle_seconds)
        return Transfer(self._uploads, self._storage, upload, rate, ended=lambda: self._ended(account_id))

    def _has_room(self, running: int, of_the_account: int) -> bool:
        if of_the_account == 0:
            return running < self._most
        return running < self._for_all and of_the_account < self._most_of_one

    def _ended(self, account_id: str) -> None:
        with self._lock:
            self._running[account_id] -= 1
            if not self._running[account_id]:
                del self._running[account_id]


class MinimumRate:
    """How fast a body comes, over windows of time that was spent waiting for it: a slow store is nobody's fault."""

    def __init__(self, bytes_per_second: float, window_seconds: float) -> None:
        self._least = bytes_per_second * window_seconds
        self._window_seconds = window_seconds
        self._waited_seconds = 0.0
        self._came = 0

    def note(self, size: int, waited_seconds: float) -> None:
        """So many bytes came after so long. Raises TransferStalled at the end of a window in which too few came."""
        self._waited_seconds += waited_seconds
        self._came += size
        if self._waited_seconds >= self._window_seconds:
            if self._came < self._least:
                raise TransferStalled
            self._waited_seconds, self._came = 0.0, 0


class Transfer:
    """One body on its way. `take` what comes, `flush` when told to, `finish` at the end, `close` in any case."""

    def __init__(
        self, uploads: Uploads, storage: ObjectStorage, upload: Upload, rate: MinimumRate, *, ended: Callable[[], None]
    ) -> None:
        self._rate = rate
        self._uploads = uploads
        self._storage = storage
        self._upload = upload
        self._ended = ended
        self._buffer = bytearray()
        self._parts: list[Part] = []
        self._received = 0
        self._counted = True
        self._settled = False

    def take(self, chunk: bytes, waited_seconds: float) -> bool:
        """Keeps a chunk that came after so long; True when a part is full and must be flushed. Never blocks.

        Raises ContentLengthMismatch as soon as there is more than was announced, TransferStalled where it comes too
        slowly.
        """
        self._rate.note(len(chunk), waited_seconds)
        self._received += len(chunk)
        if self._received > self._upload.size_bytes:
            raise ContentLengthMismatch(self._upload.size_bytes, f"more than {self._upload.size_bytes:,}")
        self._buffer += chunk
        return len(self._buffer) >= self._upload.part_bytes

    def flush(self) -> None:
        """Sends what is kept to the store, in parts of the planned size. Blocks."""
        while len(self._buffer) >= self._upload.part_bytes:
            self._send(self._upload.part_bytes)

    def finish(self) -> UploadView:
        """Sends the rest and has the file checked. Blocks. Raises ContentLengthMismatch where bytes are missing."""
        upload = self._upload
        if self._received != upload.size_bytes:
            raise ContentLengthMismatch(upload.size_bytes, f"{self._received:,}")
        self.flush()
        if self._buffer:
            self._send(len(self._buffer))
        # From the hand-over on the parts belong to the validators, whatever becomes of this request.
        self._settled = True
        self._leave()
        return self._uploads.hand_over(
            upload.account_id, upload.id, multipart_id=upload.multipart_id, parts=self._parts
        )

    def close(self) -> None:
        """Throws the parts away unless the file was handed over. Blocks."""
        self._leave()
        upload = self._upload
        if self._settled or upload.multipart_id is None:
            return
        self._settled = True
        try:
            self._storage.abort_multipart(upload.incoming_key, upload.multipart_id)
        except (StorageUnavailable, StorageRefused):
            # The upload still names them: they go when it is sent anew, deleted, or expires.
            return

    def _send(self, size: int) -> None:
        upload = self._upload
        assert upload.multipart_id is not None  # noqa: S101 - there are bytes, so there is a place for them
        number = len(self._parts) + 1
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        try:
            etag = self._storage.upload_part(upload.incoming_key, upload.multipart_id, number, data)
        except MultipartNotFound:
            raise UploadReplaced from None
        self._parts.append(Part(number, etag, size))

    def _leave(self) -> None:
        if self._counted:
            self._counted = False
            self._buffer = bytearray()
            self._ended()
