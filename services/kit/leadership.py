"""What one process of a service does at a time: leases, and the tasks that run where one is held.

A lease on PostgreSQL is a row: who holds it, until when by the database's clock, and a term that grows with every new
holder. It renews itself for as long as its process lives; of one that vanished it lapses, and another process takes it
under the next term. A process that slept through its lease still believes in it, so each transaction that rests on a
lease looks at the row once more before it commits (`Lease.fence`): of two holders the older one can write nothing any
more. There is nothing of a session in it, so it works behind PgBouncer in transaction mode.

On SQLite, whose processes share one machine, a lease is a lock on a file, which the system gives up with the process.

Held for the length of a batch (`OutboxRelay`, the dispatcher) a lease has the processes take turns: whichever of them
is woken works, and nobody waits for anybody's poll. Kept for as long as the process lives (`Leadership`) it says which
process does what time alone brings about: sweeping, tidying.
"""

import fcntl
import logging
import socket
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import IO, Protocol
from uuid import uuid4
from weakref import ref

from prometheus_client import Gauge
from sqlalchemy import ColumnElement, Interval, Update, func, literal, select, update

from services.kit.database import DATABASE_AWAY, Database, WriteSession
from services.kit.inserting import insert_unless_present
from services.kit.periodic import Periodic
from services.kit.tables import LEASES

log = logging.getLogger(__name__)

LEADS = Gauge("stemwright_leads", "1 while this process does what one process of its service does.")

LEASE = timedelta(seconds=4)
"""A holder that vanished is replaced this long after it last renewed, or within `LOOK_SECONDS` more."""
_LENGTH = literal(LEASE, Interval)
RENEW_SECONDS = 1.0
LOOK_SECONDS = 0.5
BUSY_SECONDS = 0.02
"""How soon a process looks again that was woken for a turn and found another one at it."""
_NOT_TO_DISK = func.set_config("synchronous_commit", "off", True)
_NOT_STOPPED = func.set_config("idle_in_transaction_session_timeout", "3s", True)
"""A process that is stopped between its last look at the lease and its commit loses the transaction after this."""


class LeaseLost(BaseException):
    """This process does not hold the lease any more; the transaction that rested on it must not commit.

    Like a cancellation no fault of what was being done: whoever lives with any error of one row must not live with it.
    """


class Lease(Protocol):
    """Held by one process of a service at most. One thread takes it and gives it up; any may ask and fence."""

    @property
    def held(self) -> bool:
        """Whether this process holds it, as far as it knows."""

    def acquire(self) -> bool:
        """True if this process holds it now. Does not wait. Raises as a database does."""

    def release(self) -> None:
        """Gives it up; harmless without it. Where the database is away it lapses by itself."""

    def fence(self, session: WriteSession) -> None:
        """Raises LeaseLost unless this process holds it, and keeps that so until the transaction ends.

        To be called last in a transaction: nobody can renew or take the lease from then on.
        """

    def finish(self, session: WriteSession) -> None:
        """The same, and gives the lease up with the transaction's commit."""


class FileLease:
    """For SQLite: a lock on a file beside the database."""

    def __init__(self, database: Database, name: str) -> None:
        assert database.file is not None  # noqa: S101 - SQLite databases are files here
        self._path = database.file.with_suffix(f".{name}")
        self._file: IO[bytes] | None = None

    @property
    def held(self) -> bool:
        return self._file is not None

    def acquire(self) -> bool:
        if self._file is not None:
            return True
        file = self._path.open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        self._file = file
        return True

    def release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def fence(self, session: WriteSession) -> None:  # noqa: ARG002 - a lock on a file cannot be lost
        if self._file is None:
            raise LeaseLost

    def finish(self, session: WriteSession) -> None:
        self.fence(session)
        session.after_commit(self.release)


class RowLease:
    """For PostgreSQL: a row with holder, term and end.

    What changes the row alone does not wait for the disk: a crash of the server may forget who took the lease, but not
    without whatever was committed under it, which comes later in the server's log.
    """

    def __init__(self, database: Database, name: str, *, renew_seconds: float = RENEW_SECONDS) -> None:
        self._database = database
        self._name = name
        self._holder = f"{socket.gethostname()[:60]}:{uuid4().hex}"
        self._renew_seconds = renew_seconds
        self._term: int | None = None
        self._renewing = threading.Lock()
        self._renewal: threading.Thread | None = None

    @property
    def held(self) -> bool:
        return self._term is not None

    @property
    def term(self) -> int | None:
        """Under which this process holds it."""
        return self._term

    def acquire(self) -> bool:
        if self._term is not None:
            return True
        now = self._database.moment
        with self._database.write() as session:
            if self._renewal is None:
                row = {"name": self._name, "term": 0, "holder": "", "until": session.now()}
                insert_unless_present(session, LEASES, row)
            # Whoever renews or fences just now holds it: not waited for.
            free = select(LEASES.c.name).where(LEASES.c.name == self._name, LEASES.c.until <= now)
            taken = session.execute(
                update(LEASES)
                .where(LEASES.c.name.in_(free.with_for_update(skip_locked=True)))
                .values(term=LEASES.c.term + 1, holder=self._holder, until=now + _LENGTH)
                .returning(LEASES.c.term, _NOT_TO_DISK)
            ).one_or_none()
        if self._renewal is None:
            self._renewal = threading.Thread(target=_renew, args=(ref(self), self._renew_seconds), daemon=True)
            self._renewal.start()
        self._term = taken.term if taken is not None else None
        return taken is not None

    def release(self) -> None:
        term = self._forget()
        if term is None:
            return
        try:
            with self._database.write() as session:
                session.execute(self._end_of(term).returning(_NOT_TO_DISK))
        except DATABASE_AWAY as error:
            log.warning("the lease %s is left to lapse: %s", self._name, error)

    def fence(self, session: WriteSession) -> None:
        # A lock of the row: whoever would take the lease comes after this transaction.
        mine = select(LEASES.c.term, _NOT_STOPPED).where(*self._held_under(self._term)).with_for_update(read=True)
        if session.execute(mine).one_or_none() is None:
            self._forget()
            raise LeaseLost

    def finish(self, session: WriteSession) -> None:
        term = self._forget()
        if session.execute(self._end_of(term).returning(_NOT_STOPPED)).one_or_none() is None:
            raise LeaseLost

    def _held_under(self, term: int | None) -> tuple[ColumnElement[bool], ...]:
        return LEASES.c.name == self._name, LEASES.c.holder == self._holder, LEASES.c.term == term

    def _end_of(self, term: int | None) -> Update:
        """Free from now on, and nobody's: a renewal that comes late renews nothing."""
        return update(LEASES).where(*self._held_under(term)).values(until=self._database.moment, holder="")

    def _forget(self) -> int | None:
        term, self._term = self._term, None
        # A renewal under way has its connection still.
        if self._renewing.acquire(timeout=RENEW_SECONDS):
            self._renewing.release()
        return term

    def renew(self) -> None:
        """Does what the lease does by itself: puts its end off, or finds that it is lost."""
        with self._renewing:
            term = self._term
            if term is not None and not self._renewed(term) and self._term == term:
                self._term = None

    def _renewed(self, term: int) -> bool:
        """False where another process holds it; where the database does not answer nobody knows yet."""
        try:
            with self._database.write() as session:
                mine = update(LEASES).where(*self._held_under(term)).values(until=self._database.moment + _LENGTH)
                return session.execute(mine.returning(_NOT_TO_DISK)).one_or_none() is not None
        except DATABASE_AWAY as error:
            log.warning("the lease %s is not renewed at the moment: %s", self._name, error)
        except Exception:
            log.exception("the lease %s is not renewed", self._name)
        return True


def _renew(lease: "ref[RowLease]", every_seconds: float) -> None:
    """Runs in a thread of its own for as long as there is the lease, held or not: a turn is too short for a thread."""
    pause = threading.Event()
    while not pause.wait(every_seconds):
        there = lease()
        if there is None:
            return
        there.renew()
        del there


def lease_of(database: Database, name: str) -> Lease:
    """A lease of the service; by one name one process holds it at a time."""
    return FileLease(database, name) if database.is_sqlite else RowLease(database, name)


class Leadership:
    """Keeps one lease for the whole process; a background task.

    Of the tasks that `where_held` returns the rounds are left out in every process but the one that holds it, and what
    such a round writes is committed under its term or not at all.
    """

    name = "leadership"

    def __init__(self, database: Database, lease: Lease | None = None) -> None:
        self._database = database
        self._lease = lease or lease_of(database, "leader")

    def run(self, stop: threading.Event) -> None:
        """Holds the lease, or looks for it to be free, until told to stop; then gives it up."""
        try:
            while not stop.is_set():
                self._look()
                stop.wait(LOOK_SECONDS)
        finally:
            self._lease.release()
            LEADS.set(0)

    def _look(self) -> None:
        held_before = self._lease.held
        try:
            held = self._lease.acquire()
        except DATABASE_AWAY as error:
            log.warning("nobody is asked who leads: the database does not answer: %s", error)
            held = self._lease.held
        except Exception:
            # Told, and tried again: without it nothing would be swept until somebody starts the process anew.
            log.exception("a look at who leads failed")
            held = self._lease.held
        if held and not held_before:
            log.info("this process leads %s", self._database.service)
        LEADS.set(int(held))

    def where_held(self, *tasks: Periodic) -> Sequence[Periodic]:
        """The same tasks, from now on with rounds where the lease is held."""
        for task in tasks:
            task.around(self._round)
        return tasks

    def _round(self, action: Callable[[], None]) -> None:
        if not self._lease.held:
            return
        try:
            with self._database.fenced(self._lease.fence):
                action()
        except LeaseLost:
            log.info("another process of %s leads now, and goes on from here", self._database.service)
