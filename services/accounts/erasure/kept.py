"""What is kept of an account that was erased, why, and for how long. Pure.

Whoever adds a table with something of an account has it deleted with the user, or says here why it stays: a test
compares this list with the tables.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from services.accounts.erasure.welcomed import REMEMBERED
from services.kit.events.topics import GONE_AFTER


@dataclass(frozen=True)
class Kept:
    """`until` is None where that depends on the law of the operator's country."""

    what: str
    why: str
    until: datetime | None


TABLES: Mapping[str, str] = {
    "balances": "ledger",
    "ledger_transfers": "ledger",
    "credit_lots": "ledger",
    "reservations": "ledger",
    "batch_holds": "ledger",
    "preview_uses": "ledger",
    "checkouts": "payments",
    "payments": "payments",
    "subscriptions": "payments",
    "sandbox_sessions": "payments",
    "sandbox_subscriptions": "payments",
    "security_events": "audit_log",
    "erasures": "receipt",
}
"""Tables that outlive the user, and which line of the receipt speaks of them."""

_WORDS: Mapping[str, tuple[str, str]] = {
    "ledger": (
        "Credits given, bought, held and spent, under the account's id without a name.",
        "Books must be kept for as long as the law of commerce and taxes asks; they would not add up without.",
    ),
    "payments": (
        "What was bought and paid, and the numbers of receipts, under the account's id without a name.",
        "Invoices and payments must be kept for as long as the law of commerce and taxes asks.",
    ),
    "audit_log": (
        "That the account signed in, was changed and erased, and when; not from where, nor with what.",
        "Attacks on the platform are found out about later. It goes when its time is over, as for every account.",
    ),
    "welcome": (
        "Where the account had welcome credits: a keyed hash of its address, without a link to the account.",
        "Credits for a first try are given once to a person. Nobody can tell the address from the hash alone.",
    ),
    "receipt": (
        "This receipt: the account's id, times and numbers.",
        "To prove that the erasure was done.",
    ),
    "event_log": (
        "Messages between the services, not yet expired, with ids, names of files and notes on jobs.",
        "Single messages cannot be deleted from the log; each of them goes by itself.",
    ),
}


def kept(requested_at: datetime) -> dict[str, Kept]:
    """What the receipt of an erasure says is kept, by a name for programs."""
    until = {"event_log": requested_at + GONE_AFTER, "welcome": requested_at + REMEMBERED}
    return {name: Kept(what, why, until.get(name)) for name, (what, why) in _WORDS.items()}
