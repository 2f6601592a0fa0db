"""Forgets what an erased account sent: its uploads, their objects and the names of its files."""

from services.kit.database import Database
from services.kit.erasures import count
from services.upload import repository
from services.upload.cleaning import BATCH, Cleaner


class Forgetting:
    """The upload service's part in an erasure.

    A deleted upload is a tombstone with an id and no name until `tombstone_seconds` have passed, so that what a late
    request or a validator that slept still writes is removed as well; its row goes after that.
    """

    def __init__(self, database: Database, cleaner: Cleaner) -> None:
        self._database = database
        self._cleaner = cleaner

    def __call__(self, account_id: str) -> bool:
        """Deletes all uploads of the account at once, then their objects; True once none of those is left."""
        with self._database.write() as session:
            count(session, account_id, "uploads", repository.delete_all(session, account_id))
        last = ""
        while True:
            with self._database.read() as session:
                uploads = repository.littered(session, account_id=account_id, after=last, limit=BATCH)
            for upload in uploads:
                if not self._cleaner.clean(upload):
                    return False
                last = upload.id
            if len(uploads) < BATCH:
                return True
