"""Registering, and what a user may change about themselves."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from services.accounts.erasure.welcomed import WelcomedAddresses
from services.accounts.ledger.credits import Credits
from services.accounts.security_events import service as security_events
from services.accounts.security_events.kinds import Kind
from services.accounts.security_events.origin import Origin
from services.accounts.sessions.errors import TooManySignIns
from services.accounts.users import repository as users
from services.accounts.users.access import access_changed
from services.accounts.users.emails import EmailAddress
from services.accounts.users.models import User
from services.accounts.users.passwords import PasswordHashing, TooManyPasswordsError
from services.accounts.users.roles import Role
from services.kit.database import ReadSession, WriteSession
from services.kit.errors import Unauthorized
from services.kit.ids import new_id

FIRST_ROLES = (Role.USER,)


@dataclass(frozen=True)
class NewUser:
    """A registration, its password hashed already: hashing is slow and must not happen inside a transaction."""

    email: EmailAddress
    password_hash: str = field(repr=False)
    display_name: str | None


class Users:
    def __init__(
        self,
        passwords: PasswordHashing,
        credits: Credits,  # noqa: A002 - the field's own word
        welcomed: WelcomedAddresses,
        *,
        default_plan: str,
        welcome_credits: int,
        welcome_lifetime: timedelta | None,
    ) -> None:
        self._passwords = passwords
        self._credits = credits
        self._welcomed = welcomed
        self._default_plan = default_plan
        self._welcome_credits = welcome_credits
        self._welcome_lifetime = welcome_lifetime

    def prepare(self, email: EmailAddress, password: str, display_name: str | None) -> NewUser:
        """Hashes the password. Blocks for one hash; raises TooManySignIns."""
        try:
            return NewUser(email, self._passwords.hash(password), display_name)
        except TooManyPasswordsError:
            raise TooManySignIns from None

    def register(
        self,
        session: WriteSession,
        new: NewUser,
        origin: Origin,
        *,
        account_id: str | None = None,
        verified_at: datetime | None = None,
    ) -> str:
        """Makes the user and their account with its welcome credits, unless an erased account of the same address has
        had them; returns the id. Raises EmailTaken."""
        user = users.add(
            session,
            account_id=account_id or new_id("usr"),
            email=new.email,
            email_verified_at=verified_at,
            password_hash=new.password_hash,
            display_name=new.display_name,
            roles=FIRST_ROLES,
            plan=self._default_plan,
        )
        self._credits.open_account(session, user.id)
        # Looked at with the address taken: an erasure that was just freeing it has ended.
        if self._welcome_credits and not self._welcomed.knows(session, new.email.key):
            self._credits.welcome(session, user.id, self._welcome_credits, self._welcome_lifetime)
        security_events.add(session, user.id, Kind.REGISTERED, origin)
        return user.id

    def get(self, session: ReadSession, account_id: str) -> User:
        """The user that a token stands for. Raises Unauthorized: the token may outlive its user."""
        user = users.get(session, account_id)
        if user is None:
            raise Unauthorized("this account does not exist any more")
        return user

    def hold(self, session: WriteSession, account_id: str) -> User:
        """The same, whom nobody else changes or erases until this transaction ends. Raises Unauthorized."""
        user = users.hold(session, account_id)
        if user is None:
            raise Unauthorized("this account does not exist any more")
        return user

    def set_display_name(self, session: WriteSession, account_id: str, display_name: str | None) -> None:
        user = self.hold(session, account_id)
        user.display_name = display_name
        user.updated_at = session.now()

    def set_low_credits_threshold(self, session: WriteSession, account_id: str, threshold: int | None) -> None:
        """Who has fewer credits than the threshold is told soon, unless they were told before and have not had enough
        since."""
        user = self.hold(session, account_id)
        user.low_credits_threshold = threshold
        user.updated_at = session.now()

    def add_role(self, session: WriteSession, email: EmailAddress, role: Role) -> User:
        """Gives a user a role, from the command line; gateways know within five seconds.

        Raises LookupError for an unknown address.
        """
        user = users.find_by_email(session, email)
        if user is None:
            raise LookupError(email.address)
        if role not in user.roles:
            user.roles = sorted({*user.roles, role})
            access_changed(session, user)
            security_events.add(
                session, user.id, Kind.ROLE_GIVEN, Origin(), actor=security_events.COMMAND_LINE, role=role
            )
        return user
