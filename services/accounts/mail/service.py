"""Writing mails, and the background task that sends them."""

import logging
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

from prometheus_client import Counter

from services.accounts.mail import repository as mails
from services.accounts.mail.rendering import exists, render
from services.accounts.mail.transports import MailDelayed, MailRefused, Transport, message_of
from services.kit.database import DATABASE_AWAY, Database, WriteSession

log = logging.getLogger(__name__)

MAILS = Counter("stemwright_accounts_mails_total", "Attempts to send a mail, by what became of it.", ["outcome"])

FIRST_PAUSE = timedelta(minutes=2)
"""Before a mail that was not taken is tried again; longer than an attempt may last. It doubles each time."""
LONGEST_PAUSE = timedelta(hours=1)
GIVEN_UP_AFTER = timedelta(hours=24)
POLL_SECONDS = 2.0
TURNS = 4
"""Of so many mails one is to an address that nobody has proved yet, where there are both: strangers who sign up by the
hundred keep nobody waiting for a reset or a receipt, and are not forgotten either."""


@dataclass(frozen=True)
class PendingMail:
    """A mail before it is composed."""

    id: str
    recipient: str
    template: str
    values: Mapping[str, Any]
    created_at: datetime


@dataclass(frozen=True)
class Composed:
    """A mail as it is to be sent."""

    recipient: str
    template: str
    values: Mapping[str, Any]


Composer = Callable[[WriteSession, PendingMail], Composed | None]
"""Decides what is sent just before it is, in a transaction of its own; None: nothing.

Where a mail holds a token this makes it, so that none lies in the database but as a digest; and where nobody may learn
whether an address is known, the request only adds the mail, whoever it is for, and this finds out.
"""


class Mail:
    """What adds mails."""

    def __init__(self) -> None:
        self.ready = threading.Event()
        """Set after a commit that left a mail to be sent."""

    def add(
        self,
        session: WriteSession,
        to: str,
        template: str,
        values: Mapping[str, Any] | None = None,
        *,
        proved: bool = True,
    ) -> str:
        """Has a mail sent if the session's transaction commits; returns its id. Reaches no mail server.

        `template` names two files in `templates/`, `values` what they are filled with: JSON, and nothing secret. Not
        `proved` is an address of which nobody has shown yet that it is theirs: such mails let the others go first.
        Raises ValueError for an unknown template.
        """
        if not exists(template):
            raise ValueError(f"there is no template {template!r} for a mail")
        mail_id = mails.add(
            session, recipient=to, template=template, values=values or {}, proved=proved, now=session.now()
        )
        session.after_commit(self.ready.set)
        return mail_id


class MailSender:
    """Sends what waits; a background task. Several processes share the work.

    A process that dies between handing a mail over and forgetting it sends it twice, with the same Message-ID.
    """

    name = "mail-sender"

    def __init__(
        self,
        database: Database,
        mail: Mail,
        transport: Transport,
        *,
        sender: str,
        public_url: str,
        composers: Mapping[str, Composer] | None = None,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._database = database
        self._ready = mail.ready
        self._transport = transport
        self._sender = sender
        self._public_url = public_url
        self._composers = composers or {}
        self._poll_seconds = poll_seconds
        self._turn = 0

    def run(self, stop: threading.Event) -> None:
        """Works until told to stop. Whatever happens to one mail, the next is sent."""
        while not stop.is_set():
            self._ready.clear()
            try:
                worked = self.send_next()
            except DATABASE_AWAY as error:
                log.warning("mails cannot be read: %s", error)
                worked = False
            if not worked and not stop.is_set():
                self._ready.wait(self._poll_seconds)

    def wake(self) -> None:
        """Has it look now."""
        self._ready.set()

    def send_next(self) -> bool:
        """Tries to send the mail whose turn it is; False where none is due."""
        with self._database.read() as session:
            if not mails.is_any_due(session, session.now()):
                return False
        self._turn = (self._turn + 1) % TURNS
        with self._database.write() as session:
            claimed = mails.claim(session, session.now(), FIRST_PAUSE, LONGEST_PAUSE, proved_first=self._turn != 0)
            if claimed is None:
                return False
            mail = PendingMail(claimed.id, claimed.recipient, claimed.template, claimed.values, claimed.created_at)
            is_last = claimed.next_attempt_at > mail.created_at + GIVEN_UP_AFTER
        try:
            message = self._compose(mail)
            if message is None:
                self._forget(mail, "unwanted")
            else:
                self._hand_over(mail, message, is_last=is_last)
        except DATABASE_AWAY:
            raise
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one, the next is sent
            self._note_failed(mail, error, is_last=is_last)
        return True

    def _compose(self, mail: PendingMail) -> EmailMessage | None:
        # A transaction of its own: a mail that cannot be composed must not be due again at once.
        with self._database.write() as session:
            composer = self._composers.get(mail.template)
            plain = Composed(mail.recipient, mail.template, mail.values)
            composed = plain if composer is None else composer(session, mail)
            now = session.now()
        if composed is None:
            return None
        letter = render(composed.template, {"public_url": self._public_url, **composed.values})
        return message_of(mail.id, self._sender, composed.recipient, letter, format_datetime(now))

    def _note_failed(self, mail: PendingMail, error: Exception, *, is_last: bool) -> None:
        """Neither sent nor refused, but a fault of ours. What the error says may be the mail's own, so where it was
        raised is logged in its stead."""
        raised = traceback.extract_tb(error.__traceback__)[-1]
        wrong = f"{type(error).__name__} at {raised.filename}:{raised.lineno}"
        if is_last:
            log.error("mail %s (%s) cannot be composed, and is given up: %s", mail.id, mail.template, wrong)
            self._forget(mail, "given_up")
        else:
            log.error("mail %s (%s) could not be composed, and is tried again: %s", mail.id, mail.template, wrong)
            MAILS.labels("failed").inc()

    def _hand_over(self, mail: PendingMail, message: EmailMessage, *, is_last: bool) -> None:
        try:
            self._transport.send(mail.id, message)
        except MailRefused as error:
            log.warning("mail %s (%s) was refused: %s", mail.id, mail.template, error)
            self._forget(mail, "refused")
        except MailDelayed as error:
            if is_last:
                log.error("mail %s (%s) is given up: %s", mail.id, mail.template, error)
                self._forget(mail, "given_up")
            else:
                log.warning("mail %s (%s) was not taken, and is tried again: %s", mail.id, mail.template, error)
                MAILS.labels("delayed").inc()
        else:
            self._forget(mail, "sent")

    def _forget(self, mail: PendingMail, outcome: str) -> None:
        with self._database.write() as session:
            mails.remove(session, mail.id)
        MAILS.labels(outcome).inc()
