"""Keys for programs: making, listing, revoking, and exchanging them for access tokens."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from services.accounts.api_keys import keys as rules
from services.accounts.api_keys import repository as api_keys
from services.accounts.api_keys.errors import ApiKeyNotFound, ExpiryInThePast, InvalidApiKey, TooManyApiKeys
from services.accounts.api_keys.models import ApiKey
from services.accounts.ledger import repository as ledger
from services.accounts.security_events import service as security_events
from services.accounts.security_events.kinds import Kind
from services.accounts.security_events.origin import Origin
from services.accounts.sessions.service import AccessTokens
from services.accounts.sessions.tokens import SigningKeys
from services.accounts.users import repository as users
from services.kit.auth import CANARY_SCOPE
from services.kit.database import Database, ReadSession, WriteSession
from services.kit.errors import Unauthorized
from services.kit.ids import new_id

USE_NOTED_EVERY = timedelta(minutes=5)
"""`last_used_at` is no more exact than this: a write for each request would cost more than the answer is worth."""

ENDED_KEPT = timedelta(days=1)
"""How long a key that was deleted or expired is remembered: longer than any access token that rests on it, for as long
as gateways have to be told."""

DELETED_TOGETHER = 1000


@dataclass(frozen=True)
class MadeKey:
    """A key that was just made; its secret is known now and, as a rule, never again."""

    id: str
    secret: str = field(repr=False)


class ApiKeys:
    def __init__(self, database: Database, keys: SigningKeys, access: AccessTokens, *, keys_max: int) -> None:
        self._database = database
        self._keys = keys
        self._access = access
        self._keys_max = keys_max

    @property
    def token_seconds(self) -> int:
        """How long an access token works that nothing ends."""
        return self._access.lifetime_seconds

    def create(
        self,
        session: WriteSession,
        account_id: str,
        name: str,
        scopes: Collection[str],
        origin: Origin,
        *,
        expires_at: datetime | None = None,
        tell_again: bool,
    ) -> MadeKey:
        """Makes a key. With `tell_again`, `secret_of` can tell its secret for a day.

        Raises TooManyApiKeys, ExpiryInThePast, and Unauthorized where the account has just been erased.
        """
        if expires_at is not None and expires_at <= session.now():
            raise ExpiryInThePast
        # Two requests at once must not both find the last place free; the account's money row is the one lock it has.
        ledger.lock_balance(session, account_id)
        if users.hold(session, account_id) is None:
            raise Unauthorized("this account does not exist any more")
        if api_keys.count(session, account_id) >= self._keys_max:
            raise TooManyApiKeys(f"Delete one first: an account may have {self._keys_max}.")
        key = rules.new_key()
        key_id = new_id("key")
        api_keys.add(
            session,
            key_id=key_id,
            account_id=account_id,
            name=name,
            key=key,
            scopes=[scope for scope in (*rules.SCOPES, CANARY_SCOPE) if scope in scopes],
            expires_at=expires_at,
            sealed_secret=self._keys.seal(key.secret, key_id) if tell_again else None,
        )
        security_events.add(session, account_id, Kind.API_KEY_MADE, origin, key_id=key_id, name=name)
        return MadeKey(key_id, key.secret)

    def secret_of(self, session: ReadSession, account_id: str, key_id: str) -> str | None:
        """The secret of a key that was made with `tell_again`, or None once nobody is to see it any more."""
        key = api_keys.get(session, account_id, key_id)
        if key is None or key.sealed_secret is None:
            return None
        return self._keys.unseal(key.sealed_secret, key_id)

    def page(
        self, session: ReadSession, account_id: str, *, before: str | None, limit: int
    ) -> tuple[Sequence[ApiKey], bool]:
        """A page of keys, newest first, and whether there are more."""
        found = api_keys.page(session, account_id, before=before, limit=limit + 1)
        return found[:limit], len(found) > limit

    def get(self, session: ReadSession, account_id: str, key_id: str) -> ApiKey:
        """Raises ApiKeyNotFound."""
        key = api_keys.get(session, account_id, key_id)
        if key is None:
            raise ApiKeyNotFound
        return key

    def revoke(self, session: WriteSession, account_id: str, key_id: str, origin: Origin) -> None:
        """Raises ApiKeyNotFound."""
        if not api_keys.revoke(session, account_id, key_id, session.now()):
            raise ApiKeyNotFound
        security_events.add(session, account_id, Kind.API_KEY_DELETED, origin, key_id=key_id)

    def delete_ended(self) -> None:
        """Deletes keys that nobody needs to be told of any more, in transactions that nobody has to wait long for."""
        deleted = DELETED_TOGETHER
        while deleted == DELETED_TOGETHER:
            with self._database.write() as session:
                deleted = api_keys.delete_ended(session, session.now() - ENDED_KEPT, limit=DELETED_TOGETHER)

    def exchange(self, secret: str) -> tuple[str, int]:
        """An access token for a key, and its lifetime in seconds. Raises InvalidApiKey, alike for every wrong key."""
        with self._database.read() as session:
            now = session.now()
            found = api_keys.find_by_digest(session, rules.digest(secret), now)
            if found is None:
                raise InvalidApiKey
            key, user = found
            token = self._access.make(
                now,
                account_id=user.id,
                grant_id=key.id,
                roles=rules.KEY_ROLES.intersection(user.roles),
                scopes=key.scopes,
            )
            key_id, last_used_at = key.id, key.last_used_at
        if last_used_at is None or last_used_at < now - USE_NOTED_EVERY:
            self._note_use(key_id, now)
        return token, self._access.lifetime_seconds

    def _note_use(self, key_id: str, now: datetime) -> None:
        with self._database.write() as session:
            api_keys.note_use(session, key_id, now)
