"""Signing in, refreshing and signing out."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from prometheus_client import Counter

from services.accounts.guesses.throttle import Attempt, Throttle
from services.accounts.second_factor.errors import SecondFactorRequired
from services.accounts.second_factor.service import SecondFactors
from services.accounts.security_events import service as security_events
from services.accounts.security_events.kinds import Kind
from services.accounts.security_events.origin import Origin
from services.accounts.sessions import repository as sessions
from services.accounts.sessions.errors import (
    AccountDisabled,
    InvalidGrant,
    SessionEnded,
    SessionNotFound,
    TooManyGuesses,
    TooManySignIns,
    WrongPassword,
)
from services.accounts.sessions.models import SignInSession
from services.accounts.sessions.repository import Credentials
from services.accounts.sessions.tokens import (
    PERSON_SCOPES,
    PresentedToken,
    RefreshDecision,
    SigningKeys,
    access_claims,
    grant_of,
    new_refresh_token,
    refresh_decision,
    refresh_digest,
)
from services.accounts.users import emails
from services.accounts.users import repository as users
from services.accounts.users.models import User
from services.accounts.users.passwords import PasswordHashing, TooManyPasswordsError
from services.kit import session_cookie
from services.kit.database import Database, ReadSession, WriteSession
from services.kit.errors import Unauthorized

log = logging.getLogger(__name__)

SIGN_INS = Counter("stemwright_accounts_sign_ins_total", "Requests for a token by password.", ["outcome"])
TOLD_OF = timedelta(days=1)
"""How long a session that was ended is remembered: longer than any access token that rests on it."""
COOKIE_USE_NOTED_EVERY = timedelta(hours=1)
"""A write for each exchange of a cookie would cost more than the answer to when it was last used is worth."""

WRONG_CREDENTIALS = "The address or the password is not right, or the address has not been verified yet."

WRONG_CODE = "The code of the second factor is not right, or it was used before."

REFRESHES = Counter("stemwright_accounts_refreshes_total", "Requests for a token by refresh token.", ["outcome"])


@dataclass(frozen=True)
class TokenTerms:
    """Who issues tokens for whom, and for how long."""

    issuer: str
    audience: str
    access_lifetime: timedelta
    refresh_lifetime: timedelta
    session_lifetime: timedelta
    grace: timedelta
    sessions_max: int


@dataclass(frozen=True)
class Tokens:
    """What a client that signed in gets."""

    access_token: str = field(repr=False)
    expires_in: int
    refresh_token: str = field(repr=False)


@dataclass(frozen=True)
class WebSession:
    """What a browser that signed in gets: the secret for its cookie."""

    user: User
    secret: str = field(repr=False)
    lifetime: timedelta


@dataclass(frozen=True)
class Proof:
    """Somebody has shown that an account is theirs."""

    account_id: str
    password_hash: str = field(repr=False)
    """As it was when the password was compared with it."""
    renewed_hash: str | None = field(repr=False)
    """The same password with today's parameters, where the hash was made with others."""
    attempt: Attempt


class AccessTokens:
    """Makes access tokens."""

    def __init__(self, keys: SigningKeys, terms: TokenTerms) -> None:
        self._keys = keys
        self._terms = terms

    @property
    def lifetime_seconds(self) -> int:
        return int(self._terms.access_lifetime.total_seconds())

    def make(
        self, now: datetime, *, account_id: str, grant_id: str, roles: Iterable[str], scopes: Iterable[str]
    ) -> str:
        return self._keys.sign(
            access_claims(
                issuer=self._terms.issuer,
                audience=self._terms.audience,
                account_id=account_id,
                grant_id=grant_id,
                roles=roles,
                scopes=scopes,
                now=now,
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
        throttle: Throttle,
        second_factors: SecondFactors,
    ) -> None:
        self._database = database
        self._passwords = passwords
        self._throttle = throttle
        self._keys = keys
        self._access = access
        self._terms = terms
        self._second_factors = second_factors

    def sign_in(self, username: str, password: str, origin: Origin, code: str | None = None) -> Tokens:
        """Opens a session that refresh tokens keep up. Raises as `_prove` and `_open`."""
        proof = self._prove(username, password, code, origin)
        with self._database.write() as session:
            now = session.now()
            user, session_id = self._open(session, proof, now, origin)
            token = new_refresh_token()
            sessions.add_token(session, session_id, refresh_digest(token), now, now + self._terms.refresh_lifetime)
        return self._tokens(now, user.id, session_id, user.roles, token)

    def sign_in_by_cookie(self, username: str, password: str, origin: Origin, code: str | None = None) -> WebSession:
        """Opens a session that the use of a cookie keeps up. Raises as `_prove` and `_open`."""
        proof = self._prove(username, password, code, origin)
        secret = session_cookie.new_secret()
        with self._database.write() as session:
            user, _ = self._open(session, proof, session.now(), origin, cookie=session_cookie.secret_digest(secret))
        return WebSession(user, secret, self._terms.session_lifetime)

    def exchange_cookie(self, secret: str) -> tuple[str, int]:
        """An access token for a cookie's secret, and its lifetime in seconds. Raises SessionEnded."""
        with self._database.read() as session:
            now = session.now()
            found = sessions.of_cookie(session, session_cookie.secret_digest(secret), now)
            if found is None:
                raise SessionEnded
            opened, user = found
            token = self._access.make(
                now, account_id=user.id, grant_id=opened.id, roles=user.roles, scopes=PERSON_SCOPES
            )
            session_id, kept_until = opened.id, opened.cookie_expires_at
        until = now + self._terms.refresh_lifetime
        if kept_until is None or kept_until < until - COOKIE_USE_NOTED_EVERY:
            with self._database.write() as writing:
                sessions.keep_cookie(writing, session_id, until)
        return token, self._access.lifetime_seconds

    def _prove(self, username: str, password: str, code: str | None, origin: Origin) -> Proof:
        """Whose password this is, and `code` that of their second factor where they have one.

        Raises InvalidGrant, whatever was wrong, after the same work; SecondFactorRequired where the password is right
        and the code absent; TooManyGuesses where others were wrong before; TooManySignIns under load.
        """
        try:
            key = guessed = emails.parse(username).key
        except ValueError:
            # What cannot be an address is looked for too, as one that nobody has.
            key, guessed = "", username.casefold()
        with self._throttle.attempt(guessed, origin.network) as attempt:
            with self._database.read() as session:
                self._admit(session, attempt)
                found = sessions.credentials(session, key)
            known_hash = None if found is None else found.password_hash
            try:
                right = self._passwords.matches(password, known_hash)
                renewed = None
                if right and known_hash is not None and self._passwords.outdated(known_hash):
                    renewed = self._passwords.hash(password)
            except TooManyPasswordsError:
                SIGN_INS.labels("overloaded").inc()
                raise TooManySignIns from None
            if found is None or not right:
                # Of nobody, too, this is noted: an answer that takes longer would tell that there is an account.
                with self._database.write() as session:
                    self._note_wrong(session, attempt, found, origin)
                raise InvalidGrant(WRONG_CREDENTIALS)
            # Nothing is forgotten before this is proved as well: guesses at a code count like those at a password.
            if found.has_second_factor:
                self._prove_second_factor(attempt, found, code, origin)
        return Proof(found.account_id, found.password_hash, renewed, attempt)

    def _admit(self, session: ReadSession, attempt: Attempt) -> None:
        try:
            attempt.admit(session)
        except TooManyGuesses:
            SIGN_INS.labels("guessed").inc()
            raise

    def _note_wrong(self, session: WriteSession, attempt: Attempt, found: Credentials | None, origin: Origin) -> None:
        SIGN_INS.labels("refused").inc()
        if attempt.count(session):
            account_id = None if found is None else found.account_id
            security_events.add(session, account_id, Kind.SIGN_IN_FAILED, origin)

    def _prove_second_factor(self, attempt: Attempt, found: Credentials, code: str | None, origin: Origin) -> None:
        if code is None:
            SIGN_INS.labels("code_asked").inc()
            raise SecondFactorRequired
        with self._database.write() as session:
            accepted = self._second_factors.accepts(session, found.account_id, code, origin)
            if not accepted:
                self._note_wrong(session, attempt, found, origin)
        if not accepted:
            raise InvalidGrant(WRONG_CODE)

    def _open(
        self, session: WriteSession, proof: Proof, now: datetime, origin: Origin, *, cookie: str | None = None
    ) -> tuple[User, str]:
        """The id of a new session of the account; `cookie` is the digest of its secret. Raises InvalidGrant,
        AccountDisabled."""
        user = users.hold(session, proof.account_id)
        if user is None or user.password_hash != proof.password_hash:
            # The account was erased, or its password changed, while the old one was being checked.
            raise InvalidGrant(WRONG_CREDENTIALS)
        if user.disabled_at is not None:
            raise AccountDisabled
        if proof.renewed_hash is not None:
            user.password_hash = proof.renewed_hash
        if proof.attempt.remembered:
            proof.attempt.forget(session)
        session_id = sessions.open_session(
            session,
            user.id,
            now,
            now + self._terms.session_lifetime,
            origin,
            cookie_digest=cookie,
            cookie_expires_at=None if cookie is None else now + self._terms.refresh_lifetime,
        )
        sessions.revoke_all_but_newest(session, user.id, now, self._terms.sessions_max)
        security_events.add(session, user.id, Kind.SIGNED_IN, origin, session_id=session_id)
        SIGN_INS.labels("signed_in").inc()
        return user, session_id

    def confirm_password(self, account_id: str, password: str, origin: Origin) -> None:
        """Makes sure that whoever is signed in as this account knows its password. Blocks for one hash.

        Guesses here count as guesses at signing in. Raises WrongPassword, Unauthorized where there is no such account,
        TooManyGuesses, TooManySignIns.
        """
        with self._database.read() as session:
            user = users.get(session, account_id)
        if user is None:
            raise Unauthorized("this account does not exist any more")
        with self._throttle.attempt(user.email_key, origin.network) as attempt:
            with self._database.read() as session:
                attempt.admit(session)
            try:
                right = self._passwords.matches(password, user.password_hash)
            except TooManyPasswordsError:
                raise TooManySignIns from None
            if not right or attempt.remembered:
                with self._database.write() as session:
                    (attempt.forget if right else attempt.count)(session)
        if not right:
            raise WrongPassword

    def refresh(self, token: str, origin: Origin) -> Tokens:
        """Exchanges a refresh token for new tokens. Raises InvalidGrant; one that was used before ends its session."""
        with self._database.write() as session:
            decision, tokens = self._refresh(session, token, origin)
        # Only now: raising inside would undo the revocation.
        REFRESHES.labels(decision).inc()
        if tokens is None:
            raise InvalidGrant("The refresh token is not valid any more. Sign in again.")
        return tokens

    def _refresh(self, session: WriteSession, token: str, origin: Origin) -> tuple[RefreshDecision, Tokens | None]:
        digest = refresh_digest(token)
        opened = sessions.lock_session_of_token(session, digest)
        stored = sessions.token(session, digest) if opened else None
        if opened is None or stored is None:
            return RefreshDecision.REFUSE, None
        successor = sessions.token(session, stored.successor_digest) if stored.successor_digest else None
        now = session.now()
        presented = PresentedToken(
            session_revoked=opened.revoked_at is not None,
            session_expires_at=opened.expires_at,
            expires_at=stored.expires_at,
            used_at=stored.used_at,
            successor_used=successor is not None and successor.used_at is not None,
        )
        decision = refresh_decision(presented, now, self._terms.grace)
        user = users.get(session, opened.account_id)
        if decision is RefreshDecision.REFUSE or user is None or user.disabled_at is not None:
            return RefreshDecision.REFUSE, None
        next_tokens = {refresh_digest(following): following for following in self._keys.next_refresh_tokens(token)}
        next_digest, next_token = next(iter(next_tokens.items()))
        if decision is RefreshDecision.REPEAT:
            said = next_tokens.get(stored.successor_digest or "")
            if said is None:
                # The key that it was derived from is not in the file any more: it cannot be said again.
                return RefreshDecision.REFUSE, None
            next_token = said
        if decision is RefreshDecision.REVOKE:
            sessions.revoke(session, opened.id, opened.account_id, now, "refresh token used twice")
            security_events.add(session, user.id, Kind.REFRESH_TOKEN_REUSED, origin, session_id=opened.id)
            log.warning("a refresh token of session %s was used twice: the session ends", opened.id)
            return decision, None
        if decision is RefreshDecision.ROTATE:
            sessions.mark_used(session, digest, now, next_digest)
            sessions.forget_superseded(session, opened.id)
            opened.last_used_at, opened.network = now, origin.network
            sessions.add_token(session, opened.id, next_digest, now, now + self._terms.refresh_lifetime)
        return decision, self._tokens(now, user.id, opened.id, user.roles, next_token)

    def sign_out(self, session: WriteSession, account_id: str, token_id: str, origin: Origin) -> None:
        """Ends the session that an access token rests on; its access tokens the gateway lets in no more."""
        session_id = grant_of(token_id)
        if sessions.revoke(session, session_id, account_id, session.now(), "signed out"):
            security_events.add(session, account_id, Kind.SIGNED_OUT, origin, session_id=session_id)

    def list_open(self, session: ReadSession, account_id: str) -> Sequence[SignInSession]:
        """Where the account is signed in, the session used last first."""
        now = session.now()
        return sessions.open_sessions(session, account_id, now, now - self._terms.refresh_lifetime)

    def is_open(self, session: ReadSession, account_id: str, session_id: str) -> bool:
        """Whether this session of the account has not ended, in whatever way: what it asked for ends with it."""
        now = session.now()
        return sessions.is_open(session, session_id, account_id, now, now - self._terms.refresh_lifetime)

    def require_open(self, session: WriteSession, account_id: str, session_id: str) -> None:
        """For what outlives a sign-in: access tokens pass the gateway for some seconds after theirs has ended, and a
        password may have changed while the old one was being compared. Hold the user. Raises Unauthorized."""
        if not self.is_open(session, account_id, session_id):
            raise Unauthorized("this sign-in has ended")

    def end(self, session: WriteSession, account_id: str, session_id: str, origin: Origin) -> None:
        """Ends a session of the account. Raises SessionNotFound."""
        if not sessions.revoke(session, session_id, account_id, session.now(), "ended by its owner"):
            raise SessionNotFound
        security_events.add(session, account_id, Kind.SIGNED_OUT, origin, session_id=session_id)

    def tidy(self, session: WriteSession) -> None:
        """Deletes what has ended."""
        now = session.now()
        sessions.delete_ended(session, now, now - self._terms.refresh_lifetime, now - TOLD_OF)

    def _tokens(
        self, now: datetime, account_id: str, session_id: str, roles: Iterable[str], refresh_token: str
    ) -> Tokens:
        access_token = self._access.make(
            now, account_id=account_id, grant_id=session_id, roles=roles, scopes=PERSON_SCOPES
        )
        return Tokens(access_token, self._access.lifetime_seconds, refresh_token)
