"""Changing what an account may do. Each change is in the audit log, and at every gateway within five seconds."""

from collections.abc import Collection, Sequence
from datetime import datetime

from services.accounts.administration import repository as administration
from services.accounts.administration.errors import LastAdmin, PromotionOver, TooFewCredits, UserNotFound
from services.accounts.ledger.credits import Credits
from services.accounts.ledger.transfers import Balance, InsufficientCreditsError, Source, SourceType, TransferKind
from services.accounts.security_events import service as security_events
from services.accounts.security_events.kinds import Kind
from services.accounts.security_events.origin import Origin
from services.accounts.sessions import repository as sessions
from services.accounts.users import repository as users
from services.accounts.users.access import access_changed
from services.accounts.users.models import User
from services.accounts.users.roles import Role
from services.kit.database import ReadSession, WriteSession
from services.kit.ids import new_id

_ADMINS = "accounts: who is an admin"


class Administration:
    """`actor` is who does it: an admin's id, or the command line."""

    def __init__(self, credits_: Credits) -> None:
        self._credits = credits_

    def search(
        self, session: ReadSession, text: str | None, *, before: str | None, limit: int
    ) -> tuple[Sequence[User], bool]:
        """A page of users, newest first, and whether there are more."""
        found = administration.search(session, text, before=before, limit=limit + 1)
        return found[:limit], len(found) > limit

    def user(self, session: ReadSession, account_id: str) -> User:
        """Raises UserNotFound."""
        user = users.get(session, account_id)
        if user is None:
            raise UserNotFound
        return user

    def _held(self, session: WriteSession, account_id: str) -> User:
        user = users.hold(session, account_id)
        if user is None:
            raise UserNotFound
        return user

    def set_roles(
        self, session: WriteSession, account_id: str, roles: Collection[Role], origin: Origin, actor: str
    ) -> None:
        """Gives the account these roles and no others; everybody is a user. Raises UserNotFound, LastAdmin."""
        session.serialize(_ADMINS)
        user = self._held(session, account_id)
        before, after = set(user.roles), {Role.USER, *roles}
        if before == after:
            return
        if Role.ADMIN in before - after:
            self._check_not_the_last(session, user)
        for kind, changed in ((Kind.ROLE_GIVEN, after - before), (Kind.ROLE_TAKEN, before - after)):
            for role in sorted(changed):
                security_events.add(session, user.id, kind, origin, actor=actor, role=role)
        user.roles = sorted(after)
        access_changed(session, user)

    def set_disabled(self, session: WriteSession, account_id: str, disabled: bool, origin: Origin, actor: str) -> None:
        """A disabled account is signed out everywhere, its keys rest, and it cannot sign in.

        Raises UserNotFound, LastAdmin.
        """
        session.serialize(_ADMINS)
        user = self._held(session, account_id)
        if disabled == (user.disabled_at is not None):
            return
        now = session.now()
        if disabled:
            if Role.ADMIN in user.roles:
                self._check_not_the_last(session, user)
            sessions.revoke_all(session, user.id, now, "account disabled")
        user.disabled_at = now if disabled else None
        security_events.add(session, user.id, Kind.DISABLED if disabled else Kind.ENABLED, origin, actor=actor)
        access_changed(session, user)

    def adjust_credits(
        self,
        session: WriteSession,
        account_id: str,
        amount: int,
        reason: str,
        origin: Origin,
        actor: str,
        *,
        expires_at: datetime | None = None,
    ) -> Balance:
        """Gives credits, or takes them where `amount` is below 0; with an end it is a promotion.

        Raises UserNotFound, TooFewCredits, PromotionOver.
        """
        user = self.user(session, account_id)
        source = Source(SourceType.OPERATOR, new_id("req"))
        kind = TransferKind.ADJUSTMENT
        if expires_at is not None:
            if amount < 0 or expires_at <= session.now():
                raise PromotionOver
            kind = TransferKind.PROMOTION
        try:
            balance = self._credits.post(session, kind, user.id, amount, source, reason=reason, expires_at=expires_at)
        except InsufficientCreditsError:
            raise TooFewCredits from None
        security_events.add(session, user.id, Kind.CREDITS_ADJUSTED, origin, actor=actor, credits=amount, reason=reason)
        return balance

    def check_may_leave(self, session: WriteSession, account_id: str) -> None:
        """The last admin makes another one first. Raises LastAdmin."""
        session.serialize(_ADMINS)
        user = users.get(session, account_id)
        if user is not None and Role.ADMIN in user.roles:
            self._check_not_the_last(session, user)

    def _check_not_the_last(self, session: ReadSession, user: User) -> None:
        if administration.other_admins(session, user.id) == 0:
            raise LastAdmin
