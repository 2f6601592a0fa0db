"""Erasing an account over all services, and proving it.

    requested ---- every service has answered ----> finished
        |  ^
        \\--/ told again, less and less often

The request deletes the user and writes `AccountErased` in one transaction: whoever had signed in is out, the address is
free, and from then on nothing can be lost, because the news is told again until each service has answered.
"""

import hashlib
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

from services.accounts.email_changes import repository as email_changes
from services.accounts.erasure import repository as erasures
from services.accounts.erasure.errors import ErasureNotFound
from services.accounts.erasure.models import Erasure
from services.accounts.erasure.welcomed import WelcomedAddresses
from services.accounts.ledger import repository as ledger
from services.accounts.ledger.credits import was_welcomed
from services.accounts.mail import repository as mails
from services.accounts.mail.service import Mail
from services.accounts.security_events import repository as event_rows
from services.accounts.security_events import service as security_events
from services.accounts.security_events.kinds import Kind
from services.accounts.security_events.origin import Origin
from services.accounts.users import repository as users
from services.accounts.users.emails import registrant
from services.kit import outbox
from services.kit.database import Database, ReadSession, WriteSession
from services.kit.errors import Unauthorized
from services.kit.events.codec import OutgoingEvent
from services.kit.events.topics import ACCOUNT_RECEIPTS, ACCOUNTS
from services.kit.idempotency import forget_answers
from services.kit.ids import new_id
from services.kit.protos import accounts_pb2

log = logging.getLogger(__name__)


OURSELVES = "accounts"
ANSWERING = ACCOUNT_RECEIPTS.writers
FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=10)
MAX_DOUBLINGS = 10
REMAINS = timedelta(minutes=1)
"""For so long after a request earlier versions of what is deleted meanwhile, the last mail, are looked for."""
BACKED_UP_AFTER = timedelta(seconds=10)
TOKEN_PREFIX = "er_"  # noqa: S105 - the secret is what follows


@dataclass(frozen=True)
class Requested:
    """An erasure that has begun, and the token under which its receipt is read: known now and never again."""

    erasure: Erasure
    token: str


class Erasures:
    """Each method works inside the caller's transaction, except `tell_again`."""

    def __init__(self, database: Database, mail: Mail, welcomed: WelcomedAddresses) -> None:
        self._database = database
        self._mail = mail
        self._welcomed = welcomed

    def request(self, session: WriteSession, account_id: str) -> Requested:
        """Closes the account and deletes what this service has of it. Raises Unauthorized where there is none."""
        # What moves credits, or makes keys, of this account waits, and then finds no user.
        ledger.lock_balance(session, account_id)
        user = users.get(session, account_id)
        if user is None:
            raise Unauthorized("this account does not exist any more")
        now = session.now()
        if was_welcomed(session, account_id):
            self._welcomed.note(session, user.email_key)
        email_changes.withdraw_links(session, account_id)
        counts = erasures.delete_user(session, account_id)
        users.delete_registrations(session, user.email_key)
        users.delete_tokens(session, account_id)
        forget_answers(session, account_id)
        forget_answers(session, registrant(user.email_key))
        event_rows.anonymize(session, account_id)
        security_events.add(session, account_id, Kind.ERASED, Origin())
        token = TOKEN_PREFIX + secrets.token_urlsafe(32)
        mails.remove_all_to(session, user.email)
        # The last thing that is known of the address, until it is sent.
        self._mail.add(session, user.email, "erased", {"receipt_url": receipt_url(token)})
        erasure = Erasure(
            id=new_id("era"),
            account_id=account_id,
            token_digest=_digest(token),
            requested_at=now,
            receipts={OURSELVES: {"finished_at": now.isoformat(), "erased": counts}},
            told_times=0,
        )
        session.add(erasure)
        self._tell(session, erasure)
        session.after_commit(self._database.drop_remains)
        return Requested(erasure, token)

    def find(self, session: ReadSession, token: str) -> Erasure:
        """The erasure whose receipt this token reads. Raises ErasureNotFound."""
        erasure = erasures.get_by_digest(session, _digest(token))
        if erasure is None:
            raise ErasureNotFound
        return erasure

    def note_receipt(self, session: WriteSession, receipt: accounts_pb2.AccountErasureReceipt) -> None:
        """A service has deleted what it had. Its first answer counts; one that nobody waits for changes nothing."""
        erasure = erasures.lock(session, receipt.erasure_id)
        if erasure is None or erasure.account_id != receipt.account_id or receipt.service not in ANSWERING:
            log.warning("a receipt of %s for %s is of no erasure known here", receipt.service, receipt.erasure_id)
            return
        if receipt.service in erasure.receipts:
            return
        answer = {
            "finished_at": receipt.finished_at.ToDatetime(tzinfo=session.now().tzinfo).isoformat(),
            "erased": {records.kind: records.count for records in receipt.erased},
        }
        erasure.receipts = {**erasure.receipts, receipt.service: answer}
        if not unanswered(erasure.receipts):
            erasure.finished_at, erasure.tell_at = session.now(), None

    def tell_again(self) -> None:
        """Tells once more of each erasure that is due; opens its own transactions."""
        with self._database.read() as session:
            due = [] if outbox.backed_up(session, BACKED_UP_AFTER) else erasures.due(session, session.now())
            lately = erasures.any_since(session, session.now() - REMAINS)
        for erasure_id in due:
            with self._database.write() as session:
                erasure = erasures.lock(session, erasure_id)
                if erasure is not None and erasure.tell_at is not None and erasure.tell_at <= session.now():
                    self._tell(session, erasure)
        if lately:
            self._database.drop_remains()

    def _tell(self, session: WriteSession, erasure: Erasure) -> None:
        pause = FIRST_PAUSE * 2 ** min(erasure.told_times, MAX_DOUBLINGS)
        erasure.told_times += 1
        erasure.tell_at = session.now() + min(pause, LONGEST_PAUSE)
        news = accounts_pb2.AccountErased(
            account_id=erasure.account_id, erasure_id=erasure.id, erased_at=_timestamp(erasure.requested_at)
        )
        outbox.add(session, OutgoingEvent(ACCOUNTS, key=erasure.account_id, data=news, subject=erasure.id))


def unanswered(receipts: Mapping[str, object]) -> list[str]:
    """Services that still have to answer."""
    return [service for service in ANSWERING if service not in receipts]


def receipt_url(token: str) -> str:
    """Where the receipt is, on whatever name the platform has."""
    return f"/v1/erasures/{token}"


def _digest(token: str) -> str:
    """SHA-256 will do: 256 random bits cannot be guessed."""
    return hashlib.sha256(token.encode()).hexdigest()


def _timestamp(moment: datetime) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromDatetime(moment)
    return timestamp
