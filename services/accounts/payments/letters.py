"""What a person is written about their payments: written with what they tell of, sent later."""

from typing import Any

from services.accounts.mail.service import Mail
from services.accounts.payments.amounts import amount_text
from services.accounts.payments.models import Payment, Subscription
from services.accounts.users import repository as users
from services.kit.database import WriteSession

PAID, RENEWAL_FAILED, DISPUTED = "payment", "renewal-failed", "disputed"


class Letters:
    """Each method works inside the caller's transaction. Who was erased is written nothing."""

    def __init__(self, mail: Mail) -> None:
        self._mail = mail

    def paid(self, session: WriteSession, payment: Payment) -> None:
        self._write(
            session,
            payment.account_id,
            PAID,
            name=payment.name,
            amount=amount_text(payment.total_minor, payment.currency),
            credits=payment.credits,
            receipt_number=payment.receipt_number,
        )

    def disputed(self, session: WriteSession, payment: Payment) -> None:
        amount = amount_text(payment.total_minor, payment.currency)
        self._write(session, payment.account_id, DISPUTED, name=payment.name, amount=amount)

    def renewal_failed(self, session: WriteSession, subscription: Subscription) -> None:
        until = f"{subscription.grace_until:%Y-%m-%d}" if subscription.grace_until else ""
        self._write(session, subscription.account_id, RENEWAL_FAILED, name=subscription.name, until=until)

    def _write(self, session: WriteSession, account_id: str, template: str, **values: Any) -> None:
        user = users.get(session, account_id)
        if user is not None:
            self._mail.add(session, user.email, template, values)
