"""Signing up: whoever asks is answered the same, and whoever reads the mail gets the account.

Each registration has a password of its own, and a link that is sent once. Who wants another link signs up again: a mail
that is asked for by the address alone would be of whoever signed up with it last (record 0269).
"""

from collections.abc import Mapping
from datetime import timedelta

from services.accounts.guesses.throttle import Throttle
from services.accounts.mail.service import Composed, Composer, Mail, PendingMail
from services.accounts.security_events import service as security_events
from services.accounts.security_events.kinds import Kind
from services.accounts.security_events.origin import Origin
from services.accounts.users import emails, mail_tokens
from services.accounts.users import repository as users
from services.accounts.users.emails import EmailAddress
from services.accounts.users.errors import EmailTaken, LinkNotValid
from services.accounts.users.mail_tokens import SENT_AN_HOUR, Purpose
from services.accounts.users.models import Registration, User
from services.accounts.users.service import NewUser, Users
from services.kit.database import Database, WriteSession
from services.kit.ids import new_id

TEMPLATE = "verify-email"


class SignUp:
    """A request notes a registration and a mail, whoever the address belongs to; the mail's composer finds out. So
    neither the answer nor its time tells whether there is an account."""

    def __init__(
        self, database: Database, all_users: Users, mail: Mail, throttle: Throttle, *, verify_email: bool
    ) -> None:
        self._database = database
        self._users = all_users
        self._mail = mail
        self._throttle = throttle
        self._verify_email = verify_email

    def register(self, session: WriteSession, new: NewUser, origin: Origin) -> str:
        """Notes who wants to be a user; returns the id that they are going to have.

        Where addresses are not verified there is a user at once, unless there is one with this address. Raises
        TooManyMails.
        """
        # One after the other: of many at once, too, the throttle hears a few.
        session.serialize(f"register:{new.email.key}")
        with self._throttle.attempt(new.email.key, origin.network) as attempt:
            attempt.admit(session)
            attempt.count(session)
        account_id = new_id("usr")
        users.add_registration(
            session,
            Registration(
                id=account_id,
                email=new.email.address,
                email_key=new.email.key,
                password_hash=new.password_hash,
                display_name=new.display_name,
                created_at=session.now(),
            ),
        )
        if not self._verify_email and users.find_by_email(session, new.email) is None:
            self._users.register(session, new, origin, account_id=account_id)
        self._mail.add(session, new.email.address, TEMPLATE, {"registration": account_id}, proved=False)
        return account_id

    def ask_again(self, email: EmailAddress, origin: Origin) -> None:
        """Has the mail of an account sent once more whose address is not proved. Raises TooManyMails."""
        with self._throttle.attempt(email.key, origin.network) as attempt, self._database.write() as session:
            attempt.admit(session)
            attempt.count(session)
            self._mail.add(session, email.address, TEMPLATE, proved=False)

    def verify(self, session: WriteSession, token: str, origin: Origin) -> None:
        """Makes the user of a registration, or notes that the user's address is right. Raises LinkNotValid."""
        now = session.now()
        taken = users.take_token(session, mail_tokens.digest_of(token), Purpose.VERIFY, now)
        if taken is None:
            raise LinkNotValid
        user = users.hold(session, taken.subject_id)
        if user is None:
            self._make_user(session, users.registration(session, taken.subject_id), origin)
        elif user.email_verified_at is None:
            user.email_verified_at = user.updated_at = now
            users.delete_registrations(session, user.email_key)
        users.delete_tokens(session, taken.subject_id, Purpose.VERIFY)
        security_events.add(session, taken.subject_id, Kind.EMAIL_VERIFIED, origin)

    def _make_user(self, session: WriteSession, waiting: Registration | None, origin: Origin) -> None:
        if waiting is None:
            raise LinkNotValid
        new = NewUser(emails.parse(waiting.email), waiting.password_hash, waiting.display_name)
        try:
            self._users.register(session, new, origin, account_id=waiting.id, verified_at=session.now())
        except EmailTaken:
            raise LinkNotValid from None  # of two registrations the other was first
        users.delete_registrations(session, new.email.key)

    @property
    def composers(self) -> Mapping[str, Composer]:
        return {TEMPLATE: self._compose}

    def _compose(self, session: WriteSession, mail: PendingMail) -> Composed | None:
        if "registration" not in mail.values:
            return self._compose_again(session, mail)
        waiting = users.registration(session, mail.values["registration"])
        if waiting is None:
            return None
        user = users.find_by_email(session, EmailAddress(waiting.email, waiting.email_key))
        lately = session.now() - timedelta(hours=1)
        if users.registrations_up_to(session, waiting, lately) > SENT_AN_HOUR:
            return None
        if user is None or user.id == waiting.id:
            return self._with_token(session, waiting)
        return Composed(user.email, "registered-already", {})

    def _compose_again(self, session: WriteSession, mail: PendingMail) -> Composed | None:
        user = users.find_by_email(session, emails.parse(mail.recipient))
        return None if user is None or user.email_verified_at else self._with_token(session, user)

    def _with_token(self, session: WriteSession, signed_up: User | Registration) -> Composed | None:
        token = mail_tokens.make(session, signed_up.id, Purpose.VERIFY)
        # Who gets several of these mails knows their own by the time.
        when = f"{signed_up.created_at:%Y-%m-%d %H:%M} UTC"
        return Composed(signed_up.email, TEMPLATE, {"token": token, "when": when}) if token else None
