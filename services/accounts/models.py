"""All tables of the accounts service, for its migrations and their test."""

from services.accounts.api_keys.models import ApiKey
from services.accounts.email_changes.models import EmailChange
from services.accounts.erasure.models import Erasure, WelcomedAddress
from services.accounts.guesses.models import WrongGuesses
from services.accounts.ledger.models import (
    AccountBalance,
    BatchHold,
    CreditLot,
    LedgerEntry,
    LedgerTransfer,
    LotHold,
    PreviewUse,
    Reservation,
)
from services.accounts.mail.models import OutgoingMail
from services.accounts.payments.models import Checkout, Payment, ProviderFeed, ProviderNews, Refund, Subscription
from services.accounts.payments.sandbox_models import (
    SandboxCharge,
    SandboxEvent,
    SandboxRefund,
    SandboxSession,
    SandboxSubscription,
)
from services.accounts.plans.models import Price
from services.accounts.second_factor.models import RecoveryCode, SecondFactor
from services.accounts.security_events.models import SecurityEvent
from services.accounts.sessions.models import RefreshToken, SignInSession
from services.accounts.tables import Base
from services.accounts.users.models import MailToken, Registration, User

__all__ = [
    "AccountBalance",
    "ApiKey",
    "Base",
    "BatchHold",
    "Checkout",
    "CreditLot",
    "EmailChange",
    "Erasure",
    "LedgerEntry",
    "LedgerTransfer",
    "LotHold",
    "MailToken",
    "OutgoingMail",
    "Payment",
    "PreviewUse",
    "Price",
    "ProviderFeed",
    "ProviderNews",
    "RecoveryCode",
    "RefreshToken",
    "Refund",
    "Registration",
    "Reservation",
    "SandboxCharge",
    "SandboxEvent",
    "SandboxRefund",
    "SandboxSession",
    "SandboxSubscription",
    "SecondFactor",
    "SecurityEvent",
    "SignInSession",
    "Subscription",
    "User",
    "WelcomedAddress",
    "WrongGuesses",
]
