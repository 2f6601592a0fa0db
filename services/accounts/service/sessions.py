"""Signing in, refreshing and signing out."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from prometheus_client import Counter

from services.accounts import emails
from services.accounts.emails import EmailAddress
from services.accounts.errors import InvalidGrant, TooManyGuesses, TooManySignIns
from services.accounts.guesses import Guesses
from services.accounts.passwords import PasswordHashing, TooManyPasswordsError
from services.accounts.repository import sessions, users
from services.accounts.tokens import (
    PERSON_SCOPES,
    PresentedToken,
    SigningKeys,
    Verdict,
    access_claims,
    grant_of,
    judge,
    new_refresh_token,
    refresh_digest,
)
from services.kit.database import Database, ReadSession, WriteSession

log = logging.getLogger(__name__)

SIGN_INS = Counter("accounts_sign_ins_total", "Requests for a token by password.", ["outcome"])
WRONG_CREDENTIALS = "The address or the password is not right."

REFRESHES = Counter("accounts_refreshes_total", "Requests for a token by refresh token.", ["outcome"])


@dataclass(frozen=True)
class TokenTerms:
    """Who issues tokens for whom, and for how long."""

    issuer: str
    audience: str
    access_lifetime: timedelta
    refresh_lifetime: timedelta
    session_lifetime: timedelta
    grace: timedelta


@dataclass(frozen=True)
class Tokens:
    """What a client that signed in gets."""

    access_token: str
    expires_in: int
    refresh_token: str


class AccessTokens:
    """Makes access tokens."""

    def __init__(self, keys: SigningKeys, terms: TokenTerms) -> None:
        self._keys = keys
        self._terms = terms

    @property
    def lifetime_seconds(self) -> int:
        return int(self._terms.access_lifetime.total_seconds())

    def make(
        self, session: ReadSession, *, account_id: str, grant_id: str, roles: Iterable[str], scopes: Iterable[str]
    ) -> str:
        return self._keys.sign(
            access_claims(
                issuer=self._terms.issuer,
                audience=self._terms.audience,
                account_id=account_id,
                grant_id=grant_id,
                roles=roles,
                scopes=scopes,
                now=session.now(),
                lifetime=self._terms.access_lifetime,
            )
        )


class Sessions:
    """Opens its own transactions: a refused refresh must be able to revoke, and a password is checked in none."""

    def __init__(
        self,
        database: Database,
        passwords: PasswordHashing,
        keys: SigningKeys,
        access: AccessTokens,
        terms: TokenTerms,
        guesses: Guesses,
    ) -> None:
        self._database = database
        self._passwords = passwords
        self._guesses = guesses
        self._keys = keys
        self._access = access
        self._terms = terms

    def sign_in(self, username: str, password: str, network: str) -> Tokens:
        """Opens a session. `network` is where the request comes from.

        Raises InvalidGrant, whatever was wrong, after the same time; TooManyGuesses where others were wrong before;
        TooManySignIns under load.
        """
        try:
            address = emails.parse(username)
        except ValueError:
            address = None
        guessed = username.casefold() if address is None else address.key
        try:
            self._guesses.begin(guessed, network)
        except TooManyGuesses:
            SIGN_INS.labels("guessed").inc()
            raise
        account_id, password_hash = self._credentials(address)
        try:
            right = self._passwords.matches(password, password_hash)
            renewed = None
            if right and password_hash is not None and self._passwords.outdated(password_hash):
                renewed = self._passwords.hash(password)
        except TooManyPasswordsError:
            SIGN_INS.labels("overloaded").inc()
            raise TooManySignIns from None
        if not right or account_id is None:
            SIGN_INS.labels("refused").inc()
            raise InvalidGrant(WRONG_CREDENTIALS)
        self._guesses.right(guessed, network)
        with self._database.write() as session:
            user = users.get(session, account_id)
            if user is None or user.password_hash != password_hash:
                # The password was changed while it was being checked.
                raise InvalidGrant(WRONG_CREDENTIALS)
            if renewed is not None:
                user.password_hash = renewed
            now = session.now()
            opened = sessions.open_session(session, user.id, now, now + self._terms.session_lifetime)
            token = new_refresh_token()
            sessions.add_token(session, opened.id, refresh_digest(token), now, now + self._terms.refresh_lifetime)
            SIGN_INS.labels("signed_in").inc()
            return self._tokens(session, user.id, opened.id, user.roles, token)

    def _credentials(self, address: EmailAddress | None) -> tuple[str | None, str | None]:
        """Id and password hash of the user with this address; nothing where there is none."""
        if address is None:
            return None, None
        with self._database.read() as session:
            user = users.find_by_email(session, address)
            return (user.id, user.password_hash) if user else (None, None)

    def refresh(self, token: str) -> Tokens:
        """Exchanges a refresh token for new tokens. Raises InvalidGrant; one that was used before ends its session."""
        with self._database.write() as session:
            verdict, tokens = self._refresh(session, token)
        # Only now: raising inside would undo the revocation.
        REFRESHES.labels(verdict).inc()
        if tokens is None:
            raise InvalidGrant("The refresh token is not valid any more. Sign in again.")
        return tokens

    def _refresh(self, session: WriteSession, token: str) -> tuple[Verdict, Tokens | None]:
        digest = refresh_digest(token)
        opened = sessions.lock_session_of_token(session, digest)
        stored = sessions.token(session, digest) if opened else None
        if opened is None or stored is None:
            return Verdict.REFUSE, None
        successor = sessions.token(session, stored.successor_digest) if stored.successor_digest else None
        now = session.now()
        presented = PresentedToken(
            session_revoked=opened.revoked_at is not None,
            session_expires_at=opened.expires_at,
            expires_at=stored.expires_at,
            used_at=stored.used_at,
            successor_used=successor is not None and successor.used_at is not None,
        )
        verdict = judge(presented, now, self._terms.grace)
        user = users.get(session, opened.account_id)
        if verdict is Verdict.REFUSE or user is None:
            return Verdict.REFUSE, None
        next_token = self._keys.next_refresh_token(token)
        next_digest = refresh_digest(next_token)
        if verdict is Verdict.REPEAT and next_digest != stored.successor_digest:
            # The signing key was rotated in between, so the successor cannot be said again.
            return Verdict.REFUSE, None
        if verdict is Verdict.REVOKE:
            sessions.revoke(session, opened.id, opened.account_id, now, "refresh token used twice")
            log.warning("a refresh token of session %s was used twice: the session ends", opened.id)
            return verdict, None
        if verdict is Verdict.ROTATE:
            sessions.mark_used(session, digest, now, next_digest)
            sessions.add_token(session, opened.id, next_digest, now, now + self._terms.refresh_lifetime)
        return verdict, self._tokens(session, user.id, opened.id, user.roles, next_token)

    def sign_out(self, session: WriteSession, account_id: str, token_id: str) -> None:
        """Ends the session that an access token rests on; its access tokens run out by themselves."""
        sessions.revoke(session, grant_of(token_id), account_id, session.now(), "signed out")

    def _tokens(
        self, session: ReadSession, account_id: str, session_id: str, roles: Iterable[str], refresh_token: str
    ) -> Tokens:
        access_token = self._access.make(
            session, account_id=account_id, grant_id=session_id, roles=roles, scopes=PERSON_SCOPES
        )
        return Tokens(access_token, self._access.lifetime_seconds, refresh_token)
