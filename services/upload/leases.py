"""The right of one process to one upload, which it fetches or checks. When the process dies, its lease lapses."""

import threading
import time
from dataclasses import dataclass
from datetime import timedelta

from services.kit.database import Database
from services.upload import repository
from services.upload.models import Upload


class LeaseLost(Exception):
    """Another process has taken over, or the upload was deleted."""


class Stopping(Exception):
    """The process shuts down."""


@dataclass
class Lease:
    """The right to one upload, renewed while it is worked on."""

    upload: Upload
    token: str
    renew_at: float


class Leases:
    """Keeps the leases of one worker, from their claim to the end of the work."""

    def __init__(self, database: Database, lease_seconds: float) -> None:
        self._database = database
        self._seconds = lease_seconds
        self.stop = threading.Event()

    def taken(self, upload: Upload, token: str) -> Lease:
        """The lease on an upload that was claimed just now."""
        return Lease(upload, token, self._next_renewal())

    def beat(self, lease: Lease, *, size_bytes: int | None = None) -> None:
        """Keeps the lease, and notes with it how much of the file has come. Raises LeaseLost or Stopping."""
        if self.stop.is_set():
            raise Stopping
        if time.monotonic() < lease.renew_at:
            return
        with self._database.write() as session:
            row = repository.find_leased(session, lease.upload.id, lease.token)
            if row is None:
                raise LeaseLost
            row.lease_until = session.now() + timedelta(seconds=self._seconds)
            if size_bytes is not None:
                row.size_bytes = size_bytes
        lease.renew_at = self._next_renewal()

    def put_off(self, lease: Lease, *, seconds: float, counts: bool = False) -> None:
        """Gives the upload back, to be taken up again after a pause. Only what `counts` uses up an attempt."""
        with self._database.write() as session:
            row = repository.find_leased(session, lease.upload.id, lease.token)
            if row is None:
                return
            row.lease_token = row.lease_until = None
            row.not_before = session.now() + timedelta(seconds=seconds)
            if not counts:
                row.attempts -= 1

    def _next_renewal(self) -> float:
        return time.monotonic() + self._seconds / 3
