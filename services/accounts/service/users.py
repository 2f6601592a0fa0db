"""Registering, and what a user may change about themselves."""

from dataclasses import dataclass

from services.accounts.emails import EmailAddress
from services.accounts.errors import TooManySignIns
from services.accounts.models import User
from services.accounts.passwords import PasswordHashing, TooManyPasswordsError
from services.accounts.repository import users
from services.accounts.roles import Role
from services.accounts.service.billing import Billing
from services.kit.database import Database, ReadSession, WriteSession
from services.kit.errors import Unauthorized
from services.kit.idempotency import IdempotencyConflict

FIRST_ROLES = (Role.USER,)


@dataclass(frozen=True)
class NewUser:
    """A registration, its password hashed already: hashing is slow and must not happen inside a transaction."""

    email: EmailAddress
    password_hash: str
    display_name: str | None


class Users:
    def __init__(
        self,
        database: Database,
        passwords: PasswordHashing,
        billing: Billing,
        *,
        default_plan: str,
        welcome_credits: int,
    ) -> None:
        self._database = database
        self._passwords = passwords
        self._billing = billing
        self._default_plan = default_plan
        self._welcome_credits = welcome_credits

    def prepare(self, email: EmailAddress, password: str, display_name: str | None) -> NewUser:
        """Hashes the password. Blocks for one hash; raises TooManySignIns."""
        try:
            return NewUser(email, self._passwords.hash(password), display_name)
        except TooManyPasswordsError:
            raise TooManySignIns from None

    def register(self, session: WriteSession, new: NewUser) -> str:
        """Makes the user and their account with its welcome credits; returns the id. Raises EmailTaken."""
        user = users.add(
            session,
            email=new.email,
            password_hash=new.password_hash,
            display_name=new.display_name,
            roles=FIRST_ROLES,
            plan=self._default_plan,
        )
        self._billing.open_account(session, user.id, self._welcome_credits)
        return user.id

    def check_same_person(self, email: EmailAddress, password: str) -> None:
        """Raises IdempotencyConflict unless the password is that of the user with this address. Blocks for one hash.

        A registration that is sent again is answered with the user it made; the password is not part of what is
        compared by hash, because a fast hash of it must not lie in the database, so it is compared here.
        """
        with self._database.read() as session:
            user = users.find_by_email(session, email)
            password_hash = user.password_hash if user else None
        try:
            same = self._passwords.matches(password, password_hash)
        except TooManyPasswordsError:
            raise TooManySignIns from None
        if not same:
            raise IdempotencyConflict

    def get(self, session: ReadSession, account_id: str) -> User:
        """The user that a token stands for. Raises Unauthorized: the token may outlive its user."""
        user = users.get(session, account_id)
        if user is None:
            raise Unauthorized("this account does not exist any more")
        return user

    def set_display_name(self, session: WriteSession, account_id: str, display_name: str | None) -> User:
        user = self.get(session, account_id)
        user.display_name = display_name
        user.updated_at = session.now()
        return user

    def add_role(self, session: WriteSession, email: EmailAddress, role: Role) -> User:
        """Gives a user a role; their next access token carries it. Raises LookupError for an unknown address."""
        user = users.find_by_email(session, email)
        if user is None:
            raise LookupError(email.address)
        user.roles = sorted({*user.roles, role})
        user.updated_at = session.now()
        return user
