"""Steps that tests of money share."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from services.accounts.accounts import Accounts
from services.accounts.ledger import lots
from services.accounts.ledger import repository as ledger
from services.accounts.ledger.batches import BatchRequest
from services.accounts.ledger.check import LedgerFindings, check_books
from services.accounts.ledger.credits import lapse_due_credits
from services.accounts.ledger.holds import Answer, Ending
from services.accounts.ledger.service import HoldRequest, expire_due_holds
from services.accounts.ledger.transfers import Balance, Source, SourceType, TransferKind
from services.accounts.security_events.origin import Origin
from services.accounts.users.emails import parse
from services.accounts.users.service import NewUser
from services.kit.ids import new_id


@dataclass
class Money:
    """An account, and what can happen to its credits. No password is hashed."""

    accounts: Accounts
    account_id: str

    @classmethod
    def of_new_user(cls, accounts: Accounts) -> "Money":
        new = NewUser(parse(f"{new_id('req')}@example.com"), "no password", None)
        with accounts.database.write() as session:
            return cls(accounts, accounts.users.register(session, new, Origin()))

    def reserve(self, price_credits: int, job_id: str | None = None) -> tuple[str, Answer]:
        job_id = job_id or new_id("job")
        request = HoldRequest(job_id, self.account_id, price_credits, preview=price_credits == 0)
        with self.accounts.database.write() as session:
            return job_id, self.accounts.billing.reserve(session, request)

    def reserve_batch(self, prices: Mapping[str, int], batch_id: str | None = None) -> tuple[str, Answer]:
        batch_id = batch_id or new_id("bat")
        request = BatchRequest(batch_id, self.account_id, prices, preview=not any(prices.values()))
        with self.accounts.database.write() as session:
            return batch_id, self.accounts.batch_holds.reserve(session, request)

    def end(self, job_id: str, ending: Ending) -> Answer:
        with self.accounts.database.write() as session:
            return self.accounts.billing.end_hold(session, job_id, self.account_id, ending)

    def grant(self, amount: int) -> None:
        self.post(TransferKind.GRANT, amount, Source(SourceType.OPERATOR, new_id("req")))

    def post(self, kind: TransferKind, amount: int, source: Source, *, expires_at: datetime | None = None) -> Balance:
        with self.accounts.database.write() as session:
            return self.accounts.credits.post(
                session, kind, self.account_id, amount, source, reason="A test", expires_at=expires_at
            )

    def promote(self, amount: int, expires_at: datetime) -> None:
        self.post(TransferKind.PROMOTION, amount, Source(SourceType.OPERATOR, new_id("req")), expires_at=expires_at)

    def expire(self) -> int:
        return expire_due_holds(self.accounts.database, self.accounts.billing)

    def lapse(self) -> int:
        return lapse_due_credits(self.accounts.database, self.accounts.credits)

    @property
    def expiring(self) -> list[tuple[int, datetime]]:
        with self.accounts.database.read() as session:
            return list(lots.expiring(session, self.account_id))

    @property
    def balance(self) -> Balance:
        with self.accounts.database.read() as session:
            balance = ledger.balance(session, self.account_id)
        assert balance is not None
        return balance

    def findings(self) -> LedgerFindings:
        with self.accounts.database.read() as session:
            return check_books(session)


def assert_books_add_up(money: Money, *, sold: bool = True) -> None:
    """`sold=False` where a test moves credits of payments that it has not written down."""
    faults = {name: ids for name, ids in money.findings().faults.items() if ids}
    if not sold:
        faults.pop("wrong_payments", None)
    assert faults == {}
