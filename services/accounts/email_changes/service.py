"""Another address for an account: proved by a mail to it, and told to the old one with a way back (record 0150).

    asked for ---- its link is followed ----> made ---- the way back, within 7 days ----> as before
        \\-- a day, a newer one, or the end of the sign-in that asked ----> of no use

Whoever ends a sign-in, by a new password above all, ends what it asked for (record 0268). The change is held against
the session when it is composed, made or listed, so nothing that ends sessions needs to know of changes.
"""

import secrets
from collections.abc import Mapping, Sequence
from datetime import timedelta

from sqlalchemy.exc import IntegrityError

from services.accounts.api_keys import repository as api_keys
from services.accounts.email_changes import repository as changes
from services.accounts.email_changes.models import EmailChange
from services.accounts.erasure.welcomed import WelcomedAddresses
from services.accounts.guesses.throttle import Throttle
from services.accounts.ledger.credits import was_welcomed
from services.accounts.mail.service import Composed, Composer, Mail, PendingMail
from services.accounts.second_factor import repository as factors
from services.accounts.security_events import service as security_events
from services.accounts.security_events.kinds import Kind
from services.accounts.security_events.origin import Origin
from services.accounts.sessions import repository as sessions
from services.accounts.sessions.errors import TooManySignIns
from services.accounts.sessions.service import Sessions
from services.accounts.users import mail_tokens, password_changes
from services.accounts.users import repository as users
from services.accounts.users.emails import EmailAddress
from services.accounts.users.errors import LinkNotValid
from services.accounts.users.mail_tokens import SENT_AN_HOUR, Purpose
from services.accounts.users.models import MailToken, User
from services.accounts.users.passwords import PasswordHashing, TooManyPasswordsError
from services.accounts.users.service import Users
from services.kit.database import Database, ReadSession, WriteSession
from services.kit.ids import new_id

PROVE, ASKED, CHANGED = "change-email", "email-change-asked", "email-changed"


class EmailChanges:
    """Opens its own transactions: passwords are checked and hashed in none."""

    def __init__(
        self,
        database: Database,
        passwords: PasswordHashing,
        all_users: Users,
        all_sessions: Sessions,
        mail: Mail,
        throttle: Throttle,
        welcomed: WelcomedAddresses,
    ) -> None:
        self._database = database
        self._passwords = passwords
        self._users = all_users
        self._sessions = all_sessions
        self._mail = mail
        self._throttle = throttle
        self._welcomed = welcomed

    def ask(self, account_id: str, session_id: str, password: str, new: EmailAddress, origin: Origin) -> None:
        """Has a mail sent to the new address, the work being the same whoever has it, and tells the present one. Links
        from before end.

        Raises WrongPassword, after a number of them TooManyGuesses; TooManyMails; TooManySignIns under load.
        """
        self._sessions.confirm_password(account_id, password, origin)
        with self._throttle.attempt(new.key, origin.network) as attempt, self._database.write() as session:
            attempt.admit(session)
            attempt.count(session)
            user = self._users.hold(session, account_id)
            changes.withdraw_unproved_links(session, account_id)
            change = EmailChange(
                id=new_id("ema"),
                account_id=account_id,
                session_id=session_id,
                email=new.address,
                email_key=new.key,
                previous_email=user.email,
                previous_key=user.email_key,
                asked_at=session.now(),
                changed_at=None,
            )
            changes.add(session, change)
            self._mail.add(session, new.address, PROVE, {"change": change.id}, proved=False)
            self._mail.add(session, user.email, ASKED, {"change": change.id})
            security_events.add(session, account_id, Kind.EMAIL_CHANGE_ASKED, origin)

    def use(self, token: str, origin: Origin) -> bool:
        """Makes a change, or takes one back, by the token of a mail. False where the token is for something else.

        Raises LinkNotValid, and TooManySignIns under load.
        """
        digest = mail_tokens.digest_of(token)
        with self._database.read() as session:
            known = users.token(session, digest)
        if known is None or known.purpose not in (Purpose.CHANGE, Purpose.RESTORE):
            return False
        nobodys = self._password_of_nobody() if known.purpose == Purpose.RESTORE else None
        with self._database.write() as session:
            taken = users.take_token(session, digest, known.purpose, session.now())
            change, user = self._of_token(session, taken)
            if nobodys is None:
                # The user is held: a new password that is being set has ended its sign-ins, or comes afterwards.
                if not self._is_asked_for(session, change):
                    raise LinkNotValid
                self._change(session, change, user, origin)
            else:
                self._restore(session, change, user, nobodys, origin)
        return True

    def list_of(self, session: ReadSession, account_id: str) -> Sequence[EmailChange]:
        """Those that wait for their proof or that can be taken back, newest first."""
        found = changes.of_account(session, account_id)
        return [change for change in found if change.changed_at is not None or self._is_asked_for(session, change)]

    def tidy(self, session: WriteSession) -> None:
        """Deletes what can neither be proved nor taken back any more."""
        now = session.now()
        changes.delete_old(session, now - Purpose.CHANGE.lifetime, now - Purpose.RESTORE.lifetime)

    def _is_asked_for(self, session: ReadSession, change: EmailChange) -> bool:
        """Whether a change that was not made yet still can be."""
        newest = changes.of_account(session, change.account_id)[0]
        return change.id == newest.id and self._sessions.is_open(session, change.account_id, change.session_id)

    def _of_token(self, session: WriteSession, taken: MailToken | None) -> tuple[EmailChange, User]:
        change = changes.get(session, taken.subject_id) if taken else None
        user = users.hold(session, change.account_id) if change else None
        if change is None or user is None:
            raise LinkNotValid
        return change, user

    def _change(self, session: WriteSession, change: EmailChange, user: User, origin: Origin) -> None:
        now = session.now()
        if was_welcomed(session, user.id):
            # The address that becomes free again has had its welcome.
            self._welcomed.note(session, user.email_key)
        change.previous_email, change.previous_key, change.changed_at = user.email, user.email_key, now
        self._give(session, user, EmailAddress(change.email, change.email_key))
        # What lies in the old mailbox, except the way back, opens nothing any more.
        users.delete_tokens(session, user.id)
        changes.withdraw_unproved_links(session, user.id)
        ended = sessions.revoke_all(session, user.id, now, "address changed", but=change.session_id)
        security_events.add(session, user.id, Kind.EMAIL_CHANGED, origin, sign_ins_ended=ended)
        self._mail.add(session, change.previous_email, CHANGED, {"change": change.id})

    def _restore(
        self, session: WriteSession, change: EmailChange, user: User, password_hash: str, origin: Origin
    ) -> None:
        """Whoever changed the address knew the password: it ends, with all that was made since."""
        now = session.now()
        since = change.changed_at or change.asked_at
        self._give(session, user, EmailAddress(change.previous_email, change.previous_key))
        user.password_hash = password_hash
        users.delete_tokens(session, user.id)
        changes.withdraw_links(session, user.id)
        changes.delete_of_account(session, user.id)
        ended = sessions.revoke_all(session, user.id, now, "address restored")
        keys = api_keys.revoke_made_since(session, user.id, since, now)
        factors.remove_added_since(session, user.id, since)
        security_events.add(session, user.id, Kind.EMAIL_RESTORED, origin, sign_ins_ended=ended, api_keys_deleted=keys)
        self._mail.add(session, user.email, password_changes.ASKED)

    def _give(self, session: WriteSession, user: User, email: EmailAddress) -> None:
        now = session.now()
        user.email, user.email_key = email.address, email.key
        user.email_verified_at = user.updated_at = now
        try:
            session.flush()
        except IntegrityError:
            raise LinkNotValid from None  # somebody has an account with this address
        users.delete_registrations(session, email.key)

    def _password_of_nobody(self) -> str:
        try:
            return self._passwords.hash(secrets.token_urlsafe(32))
        except TooManyPasswordsError:
            raise TooManySignIns from None

    @property
    def composers(self) -> Mapping[str, Composer]:
        return {PROVE: self._compose_proof, ASKED: self._compose_warning, CHANGED: self._compose_notice}

    def _compose_proof(self, session: WriteSession, mail: PendingMail) -> Composed | None:
        change = changes.get(session, mail.values["change"])
        if change is None or not self._is_asked_for(session, change):
            return None
        lately = session.now() - timedelta(hours=1)
        if changes.asked_since(session, change.account_id, change.email_key, lately) > SENT_AN_HOUR:
            return None
        owner = users.find_by_email(session, EmailAddress(change.email, change.email_key))
        if owner is not None and owner.id != change.account_id:
            return Composed(owner.email, "registered-already", {})
        token = mail_tokens.make(session, change.id, Purpose.CHANGE)
        return Composed(change.email, PROVE, {"token": token}) if token else None

    def _compose_warning(self, session: WriteSession, mail: PendingMail) -> Composed | None:
        change = changes.get(session, mail.values["change"])
        lately = session.now() - timedelta(hours=1)
        if change is None or changes.asked_up_to(session, change, lately) > SENT_AN_HOUR:
            return None
        return Composed(change.previous_email, ASKED, {"email": change.email})

    def _compose_notice(self, session: WriteSession, mail: PendingMail) -> Composed | None:
        change = changes.get(session, mail.values["change"])
        token = mail_tokens.make(session, change.id, Purpose.RESTORE) if change else None
        days = Purpose.RESTORE.lifetime.days
        return Composed(change.previous_email, CHANGED, {"token": token, "days": days}) if change and token else None
