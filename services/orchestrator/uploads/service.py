"""Songs that are asked about before they are known here."""

import threading
from collections import Counter
from collections.abc import Collection
from datetime import datetime

from services.kit.database import Database, ReadSession
from services.kit.errors import Unavailable
from services.orchestrator.jobs.lifecycle import Lifecycle
from services.orchestrator.settings import Settings
from services.orchestrator.signals import Signals
from services.orchestrator.uploads import repository
from services.orchestrator.uploads.errors import TooManyUnknownUploads, UploadNotFound, UploadRejected
from services.orchestrator.uploads.models import KnownUpload

UNKNOWN_A_MINUTE = 300


class Questions:
    """How many uploads that nobody has told of an account may ask about in a minute, of this process.

    Each costs a record, an answer and a row, and anybody can make up ids. An account that has asked about fewer may ask
    once about as many as an order has: after everything was lost here, all songs of a batch are unknown.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._minute = 0
        self._asked: Counter[str] = Counter()

    def take(self, account_id: str, count: int, now: datetime) -> None:
        """Raises TooManyUnknownUploads."""
        with self._lock:
            minute = int(now.timestamp() // 60)
            if minute != self._minute:
                self._minute, self._asked = minute, Counter()
            if self._asked[account_id] >= UNKNOWN_A_MINUTE:
                raise TooManyUnknownUploads(retry_after_seconds=60)
            self._asked[account_id] += count


class Uploads:
    """What the upload service told, and asking it."""

    def __init__(self, database: Database, settings: Settings, lifecycle: Lifecycle, signals: Signals) -> None:
        self._database = database
        self._settings = settings
        self._lifecycle = lifecycle
        self._signals = signals
        self._questions = Questions()

    def look_for(self, account_id: str, upload_id: str) -> bool:
        """Asks the upload service about an upload that is not known here, and waits a moment for the answer.

        False where none comes: that the upload does not exist is then not known either. Raises TooManyUnknownUploads.
        """

        def known() -> KnownUpload | None:
            with self._database.read() as session:
                return repository.upload(session, upload_id)

        if known() is not None:
            return True
        with self._database.write() as session:
            self._questions.take(account_id, 1, session.now())
            self._lifecycle.ask_for_upload(session, upload_id)
        return self._signals.wait_for(known, self._settings.answer_wait_seconds) is not None

    def learn(self, account_id: str, upload_id: str) -> None:
        """The same. Raises Unavailable where no answer comes."""
        if not self.look_for(account_id, upload_id):
            raise Unavailable("what became of the upload is not known yet", retry_after_seconds=2)

    def look_for_all(self, account_id: str, upload_ids: Collection[str]) -> bool:
        """Asks about several together. False where one of them is still not known. Raises TooManyUnknownUploads."""

        def unknown() -> set[str]:
            with self._database.read() as session:
                return set(upload_ids) - repository.known(session, upload_ids)

        missing = unknown()
        if missing:
            with self._database.write() as session:
                self._questions.take(account_id, len(missing), session.now())
                for upload_id in sorted(missing):
                    self._lifecycle.ask_for_upload(session, upload_id)
            told = self._signals.wait_for(lambda: not unknown() or None, self._settings.answer_wait_seconds)
            return told is not None
        return True

    def learn_all(self, account_id: str, upload_ids: Collection[str]) -> None:
        """The same. Raises Unavailable where one is still not known."""
        if not self.look_for_all(account_id, upload_ids):
            raise Unavailable("what became of some uploads is not known yet", retry_after_seconds=2)

    @staticmethod
    def usable(session: ReadSession, account_id: str, upload_id: str) -> KnownUpload:
        """The account's upload, still coming or ready. Raises UploadNotFound or UploadRejected."""
        upload = repository.owned_upload(session, account_id, upload_id)
        if upload is None:
            raise UploadNotFound
        if upload.status == "rejected":
            raise UploadRejected(upload.reason, extra={"reason_code": upload.code})
        return upload
