"""Removes objects that are no longer wanted. A task of its own: a store that is slow must not delay anything else."""

import logging
from datetime import timedelta

from services.kit.database import Database
from services.kit.errors import StemwrightError
from services.kit.periodic import Periodic
from services.kit.storage import ObjectStorage
from services.orchestrator import repository
from services.orchestrator.settings import Settings

log = logging.getLogger(__name__)

TRY_AGAIN_AFTER = timedelta(minutes=1)


class Deleter(Periodic):
    """A background task."""

    def __init__(self, database: Database, storage: ObjectStorage, settings: Settings) -> None:
        super().__init__("deleter", settings.sweep_seconds, self.delete_due)
        self._database = database
        self._storage = storage

    def delete_due(self) -> None:
        """One round. What the store refuses is put off, and the rest goes on."""
        with self._database.read() as session:
            due = [(deletion.id, deletion.prefix) for deletion in repository.due_deletions(session, session.now())]
        for deletion_id, prefix in due:
            try:
                self._storage.delete_prefix(prefix)
            except StemwrightError as error:
                log.warning("objects under %s could not be deleted yet: %s", prefix, error, exc_info=error.__cause__)
                with self._database.write() as session:
                    repository.put_off_deletion(session, deletion_id, session.now() + TRY_AGAIN_AFTER)
            else:
                with self._database.write() as session:
                    repository.finish_deletion(session, deletion_id)
