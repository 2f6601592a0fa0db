"""Steps that tests of money share."""

from dataclasses import dataclass

from services.accounts.emails import parse
from services.accounts.ledger import Balance
from services.accounts.repository import ledger
from services.accounts.repository.ledger import LedgerFindings
from services.accounts.reservations import Answer, Ending
from services.accounts.service.accounts import Accounts
from services.accounts.service.billing import HoldRequest, expire_due_holds
from services.accounts.service.users import NewUser
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
            return cls(accounts, accounts.users.register(session, new))

    def reserve(self, price_credits: int, job_id: str | None = None) -> tuple[str, Answer]:
        job_id = job_id or new_id("job")
        request = HoldRequest(job_id, self.account_id, price_credits, preview=price_credits == 0)
        with self.accounts.database.write() as session:
            return job_id, self.accounts.billing.reserve(session, request)

    def end(self, job_id: str, ending: Ending) -> Answer:
        with self.accounts.database.write() as session:
            return self.accounts.billing.end_hold(session, job_id, self.account_id, ending)

    def grant(self, amount: int) -> None:
        with self.accounts.database.write() as session:
            self.accounts.billing.grant(session, self.account_id, amount, "A gift")

    def expire(self) -> int:
        return expire_due_holds(self.accounts.database, self.accounts.billing)

    @property
    def balance(self) -> Balance:
        with self.accounts.database.read() as session:
            balance = ledger.balance(session, self.account_id)
        assert balance is not None
        return balance

    def findings(self) -> LedgerFindings:
        with self.accounts.database.read() as session:
            return ledger.check(session)


def assert_books_add_up(money: Money) -> None:
    findings = money.findings()
    assert findings.total_credits == 0
    assert not findings.unbalanced_transfers
    assert not findings.wrong_balances
    assert not findings.wrong_holds
