"""Accounts that are erased: what every service does alike once accounts has told of it on `accounts.v1`.

The news is noted in the transaction that hears it. From then on the account can make nothing new here, and late events
about it leave nothing behind: whoever adds a row of an account asks `is_erased` first, which keeps the news out until
the transaction ends. A background task deletes what there is, piece by piece, each in a transaction of its own, so that
a process that dies is followed by one that goes on. When nothing is left the service answers with its receipt, and
answers again each time it is told again.

The note itself holds no more than the account's id and stays for longer than any record about the account can.
"""

import logging
import threading
import time
from collections.abc import Mapping
from typing import Any, Protocol, cast

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from prometheus_client import Counter
from sqlalchemy import Row, delete, select, update

from services.kit import outbox
from services.kit.database import DATABASE_AWAY, Database, ReadSession, WriteSession
from services.kit.errors import Unauthorized
from services.kit.events.codec import Event, OutgoingEvent
from services.kit.events.consumer import Handler
from services.kit.events.topics import ACCOUNT_RECEIPTS, GONE_AFTER
from services.kit.handling import in_transaction
from services.kit.idempotency import forget_answers
from services.kit.inserting import insert_unless_present
from services.kit.protos import accounts_pb2
from services.kit.tables import ERASED_ACCOUNTS

log = logging.getLogger(__name__)

FAILED = Counter("stemwright_erasures_failed_total", "Rounds in which an account could not be erased further.")

AT_ONCE = 100
REMEMBERED = 2 * GONE_AFTER
SHORTEST_PAUSE_SECONDS = 0.25
STOP_SECONDS = 1.0


class AccountGone(Unauthorized):
    code = "account_erased"
    title = "This account was erased"


class Forget(Protocol):
    """What a service does to forget an account."""

    def __call__(self, account_id: str) -> bool:
        """Deletes what it can of the account, and counts it with `count`; True once nothing is left.

        Opens its own transactions. May be called again and again, by several processes at once.
        """


def is_erased(session: WriteSession, account_id: str) -> bool:
    """Whether the account was erased. The answer holds until the transaction ends."""
    session.serialize(f"account:{account_id}")
    return _find(session, account_id) is not None


def check_open(session: WriteSession, account_id: str) -> None:
    """Raises AccountGone for an account that was erased: its access token may still be about."""
    if is_erased(session, account_id):
        raise AccountGone


def count(session: WriteSession, account_id: str, kind: str, number: int) -> None:
    """Notes for the receipt that so many of a kind were deleted, in the transaction that deletes them."""
    row = _find(session, account_id, lock=True)
    if row is not None and number:
        erased = {**row.erased, kind: row.erased.get(kind, 0) + number}
        session.execute(_row_of(account_id).values(erased=erased))


class Eraser:
    """A background task: forgets the accounts that were erased, and answers.

    Woken by the news; what could not be finished is tried again, after pauses that double up to `interval_seconds`.
    """

    name = "eraser"

    def __init__(self, database: Database, forget: Forget, *, interval_seconds: float = 30.0) -> None:
        self._database = database
        self._forget = forget
        self._interval_seconds = interval_seconds
        self._news = threading.Event()

    @property
    def handlers(self) -> Mapping[type[Message] | str, Handler]:
        """What the service's consumer gives us."""
        return {accounts_pb2.AccountErased: in_transaction(self._database, self.hear)}

    def hear(self, session: WriteSession, event: Event) -> None:
        """Notes that the account is erased; answers at once where nothing is left of it."""
        told: accounts_pb2.AccountErased = event.data
        session.serialize(f"account:{told.account_id}")
        row = {
            "account_id": told.account_id,
            "erasure_id": told.erasure_id,
            "heard_at": session.now(),
            "erased": {},
        }
        if insert_unless_present(session, ERASED_ACCOUNTS, row):
            session.after_commit(self._news.set)
            return
        known = _find(session, told.account_id)
        if known is not None and known.finished_at is not None:
            self._answer(session, known)

    def run(self, stop: threading.Event) -> None:
        """Works until told to stop."""
        pause, due = SHORTEST_PAUSE_SECONDS, 0.0
        while not stop.is_set():
            if self._news.wait(max(0.0, min(STOP_SECONDS, due - time.monotonic()))):
                self._news.clear()
                pause, due = SHORTEST_PAUSE_SECONDS, 0.0
            if stop.is_set() or time.monotonic() < due:
                continue
            finished = self._round()
            pause = self._interval_seconds if finished else min(2 * pause, self._interval_seconds)
            due = time.monotonic() + pause

    def wake(self) -> None:
        """Has it look now."""
        self._news.set()

    def _round(self) -> bool:
        try:
            return self.erase()
        except DATABASE_AWAY as error:
            log.warning("erasing is put off: the database does not answer: %s", error)
            return False

    def erase(self) -> bool:
        """One round over all accounts that are not forgotten yet; whether none is left."""
        with self._database.read() as session:
            waiting = session.scalars(
                select(ERASED_ACCOUNTS.c.account_id)
                .where(ERASED_ACCOUNTS.c.finished_at.is_(None))
                .order_by(ERASED_ACCOUNTS.c.heard_at)
                .limit(AT_ONCE)
            ).all()
        left = [account_id for account_id in waiting if not self._erase(account_id)]
        with self._database.write() as session:
            old = ERASED_ACCOUNTS.c.finished_at < session.now() - REMEMBERED
            session.execute(delete(ERASED_ACCOUNTS).where(old))
        return not left

    def _erase(self, account_id: str) -> bool:
        try:
            finished = self._forget(account_id) and self._finish(account_id)
        except DATABASE_AWAY:
            raise
        except Exception:
            # The store may be away, or one account may trip us: the others shall be forgotten all the same.
            FAILED.inc()
            log.exception("account %s could not be erased yet", account_id)
            return False
        if finished:
            self._database.drop_remains()
            log.info("account %s is erased here", account_id)
        return finished

    def _finish(self, account_id: str) -> bool:
        with self._database.write() as session:
            row = _find(session, account_id, lock=True)
            if row is None or row.finished_at is not None:
                return True
            forget_answers(session, account_id)
            if not outbox.forget(session, account_id):
                # What is told of the account leaves before its receipt.
                return False
            session.execute(_row_of(account_id).values(finished_at=session.now()))
            self._answer(session, cast("Row[Any]", _find(session, account_id)))
            return True

    def _answer(self, session: WriteSession, row: Row[Any]) -> None:
        finished_at = Timestamp()
        finished_at.FromDatetime(row.finished_at)
        receipt = accounts_pb2.AccountErasureReceipt(
            account_id=row.account_id,
            erasure_id=row.erasure_id,
            service=self._database.service,
            erased=[accounts_pb2.ErasedRecords(kind=kind, count=number) for kind, number in sorted(row.erased.items())],
            finished_at=finished_at,
        )
        outbox.add(session, OutgoingEvent(ACCOUNT_RECEIPTS, key=row.account_id, data=receipt, subject=row.erasure_id))


def _find(session: ReadSession, account_id: str, *, lock: bool = False) -> Row[Any] | None:
    query = select(ERASED_ACCOUNTS).where(ERASED_ACCOUNTS.c.account_id == account_id)
    return session.execute(query.with_for_update() if lock else query).one_or_none()


def _row_of(account_id: str) -> Any:
    return update(ERASED_ACCOUNTS).where(ERASED_ACCOUNTS.c.account_id == account_id)
