"""Telling people that few credits are left: once each time, and again only after there were enough.

It looks at balances instead of being told of each movement: what is held for a job and given back a moment later is no
news, whatever comes to move credits needs to know nothing of it, and a process that dies in between has forgotten
nothing.
"""

from sqlalchemy import ColumnElement, and_, func, or_, select

from services.accounts.ledger.models import AccountBalance
from services.accounts.mail.service import Mail
from services.accounts.users.models import User
from services.kit import outbox
from services.kit.database import Database, WriteSession
from services.kit.events.codec import OutgoingEvent
from services.kit.events.topics import BILLING
from services.kit.protos import billing_pb2

BATCH = 200
TEMPLATE = "low-credits"

_IS_LOW = AccountBalance.available < User.low_credits_threshold
# Of the threshold that was told of: whoever moves it, or takes it away for a while, has no more credits for it.
_HAD_ENOUGH = AccountBalance.available >= func.coalesce(User.low_credits_told_of, User.low_credits_threshold)
# An account whose credits never moved never had any.
_IS_NEWS: ColumnElement[bool] = and_(
    AccountBalance.version > 0,
    or_(
        and_(_IS_LOW, User.low_credits_told_at.is_(None)),
        and_(_HAD_ENOUGH, User.low_credits_told_at.is_not(None)),
    ),
)


class LowCredits:
    def __init__(self, database: Database, mail: Mail) -> None:
        self._database = database
        self._mail = mail

    def tell(self) -> None:
        """Writes to those whose credits have become few, and tells the others; at most `BATCH` accounts a call."""
        with self._database.read() as session:
            due = session.scalars(
                select(User.id)
                .join(AccountBalance, AccountBalance.account_id == User.id)
                .where(or_(User.low_credits_threshold.is_not(None), User.low_credits_told_at.is_not(None)), _IS_NEWS)
                .limit(BATCH)
            ).all()
        for account_id in due:
            with self._database.write() as session:
                self._tell_one(session, account_id)

    def _tell_one(self, session: WriteSession, account_id: str) -> None:
        # Another replica may have told meanwhile: the lock waits for it, and then nothing is news.
        found = session.execute(
            select(User, AccountBalance.available)
            .join(AccountBalance, AccountBalance.account_id == User.id)
            .where(User.id == account_id, _IS_NEWS)
            .with_for_update(of=User)
        ).one_or_none()
        if found is None:
            return
        user, available = found
        if user.low_credits_told_at is not None:
            user.low_credits_told_at = user.low_credits_told_of = None
            return
        threshold = user.low_credits_threshold
        user.low_credits_told_at, user.low_credits_told_of = session.now(), threshold
        self._mail.add(session, user.email, TEMPLATE, {"available": available, "threshold": threshold})
        news = billing_pb2.CreditsLow(account_id=account_id, available_credits=available, threshold_credits=threshold)
        outbox.add(session, OutgoingEvent(BILLING, key=account_id, data=news, subject=account_id))
