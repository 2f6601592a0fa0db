"""New passwords: for who has the present one, and for who reads the account's mail."""

from collections.abc import Mapping

from services.accounts.guesses.throttle import Throttle
from services.accounts.mail.service import Composed, Composer, Mail, PendingMail
from services.accounts.security_events import service as security_events
from services.accounts.security_events.kinds import Kind
from services.accounts.security_events.origin import Origin
from services.accounts.sessions import repository as sessions
from services.accounts.sessions.errors import TooManySignIns
from services.accounts.sessions.service import Sessions
from services.accounts.users import emails, mail_tokens
from services.accounts.users import repository as users
from services.accounts.users.emails import EmailAddress
from services.accounts.users.errors import LinkNotValid
from services.accounts.users.mail_tokens import Purpose
from services.accounts.users.passwords import PasswordHashing, TooManyPasswordsError
from services.accounts.users.service import Users
from services.kit.database import Database, WriteSession

ASKED, CHANGED = "password-reset", "password-changed"


class PasswordChanges:
    """Opens its own transactions: passwords are hashed and checked in none."""

    def __init__(
        self,
        database: Database,
        passwords: PasswordHashing,
        all_users: Users,
        all_sessions: Sessions,
        mail: Mail,
        throttle: Throttle,
    ) -> None:
        self._database = database
        self._passwords = passwords
        self._users = all_users
        self._mail = mail
        self._sessions = all_sessions
        self._throttle = throttle

    def ask_reset(self, email: EmailAddress, origin: Origin) -> None:
        """Has a mail sent if somebody has this address; the work is the same if not. Raises TooManyMails."""
        with self._throttle.attempt(email.key, origin.network) as attempt, self._database.write() as session:
            attempt.admit(session)
            attempt.count(session)
            self._mail.add(session, email.address, ASKED)

    @property
    def composers(self) -> Mapping[str, Composer]:
        return {ASKED: self._compose}

    def _compose(self, session: WriteSession, mail: PendingMail) -> Composed | None:
        user = users.find_by_email(session, emails.parse(mail.recipient))
        token = mail_tokens.make(session, user.id, Purpose.RESET) if user else None
        # To the address that the account has: one that merely looks the same may be another mailbox.
        return Composed(user.email, ASKED, {"token": token}) if user and token else None

    def reset(self, token: str, password: str, origin: Origin) -> None:
        """Sets a new password by the token of a mail and ends every sign-in. Raises LinkNotValid, TooManySignIns."""
        digest = mail_tokens.digest_of(token)
        with self._database.read() as session:
            known = users.token(session, digest)
        if known is None:
            raise LinkNotValid
        password_hash = self._hash(password)
        with self._database.write() as session:
            now = session.now()
            taken = users.take_token(session, digest, Purpose.RESET, now)
            user = users.hold(session, taken.subject_id) if taken else None
            if user is None:
                raise LinkNotValid
            user.password_hash = password_hash
            user.updated_at = now
            user.email_verified_at = user.email_verified_at or now
            users.delete_tokens(session, user.id, Purpose.RESET)
            ended = sessions.revoke_all(session, user.id, now, "password reset")
            security_events.add(session, user.id, Kind.PASSWORD_RESET, origin, sign_ins_ended=ended)
            self._mail.add(session, user.email, CHANGED)

    def change(self, account_id: str, session_id: str, present: str, new: str, origin: Origin) -> None:
        """Sets a new password and ends every sign-in but this one.

        Raises WrongPassword, after a number of them TooManyGuesses; TooManySignIns under load; Unauthorized where this
        sign-in has ended.
        """
        self._sessions.confirm_password(account_id, present, origin)
        password_hash = self._hash(new)
        with self._database.write() as session:
            now = session.now()
            changed = self._users.hold(session, account_id)
            self._sessions.require_open(session, account_id, session_id)
            changed.password_hash = password_hash
            changed.updated_at = now
            users.delete_tokens(session, account_id, Purpose.RESET)
            ended = sessions.revoke_all(session, account_id, now, "password changed", but=session_id)
            security_events.add(session, account_id, Kind.PASSWORD_CHANGED, origin, sign_ins_ended=ended)
            self._mail.add(session, changed.email, CHANGED)

    def _hash(self, password: str) -> str:
        try:
            return self._passwords.hash(password)
        except TooManyPasswordsError:
            raise TooManySignIns from None
