"""Who is called back, where and under which secret.

A queue and a concurrency belong to an endpoint, so the hosts that an account names are endpoints that nobody sees: one
that hangs holds up no other. Beyond `MOST_HOSTS` the others of the account share one.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from services.kit.database import Database, ReadSession, WriteSession
from services.kit.ids import new_id
from services.notifier.callbacks import repository as callbacks
from services.notifier.callbacks.models import CallbackAccount
from services.notifier.deliveries import repository as deliveries
from services.notifier.deliveries.signing import new_secret
from services.notifier.endpoints import repository as endpoints
from services.notifier.endpoints.models import WebhookEndpoint
from services.notifier.endpoints.sealing import Sealer

BOTH_SECRETS_FOR = timedelta(hours=24)
MOST_HOSTS = 100
OTHER_HOSTS = "*"


class Callbacks:
    """Each method works inside the caller's transaction, except `reseal`."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def endpoint_for(
        self, session: WriteSession, account_id: str, url: str, ordered_at: datetime
    ) -> WebhookEndpoint | None:
        """The queue for a callback to this address; None where the account was no partner any more after it had
        ordered."""
        account = self._locked(session, account_id) or self._add(session, account_id, new_secret())
        if account.closed_at is not None:
            if ordered_at <= account.closed_at:
                return None
            account.closed_at = None
        host = urlsplit(url)
        origin = f"{host.scheme}://{host.netloc}".lower()
        found = endpoints.callback_endpoint(session, account_id, origin)
        if found is None and endpoints.count_callbacks(session, account_id) >= MOST_HOSTS:
            origin = OTHER_HOSTS
            found = endpoints.callback_endpoint(session, account_id, origin)
        if found is None:
            now = session.now()
            found = WebhookEndpoint(
                id=new_id("whe"),
                account_id=account_id,
                url=origin,
                callback_origin=origin,
                event_types=[],
                created_at=now,
                enabled=True,
                enabled_at=now,
                # Its account's is used.
                sealed_secret=b"",
            )
            session.add(found)
            session.flush()
        return found

    def rotate_secret(self, session: WriteSession, account_id: str) -> tuple[str, datetime | None]:
        """The new secret, and until when the one before signs too; None where there was none, or no key opens it."""
        secret = new_secret()
        account = self._locked(session, account_id)
        if account is None:
            self._add(session, account_id, secret)
            return secret, None
        self._sealer.rotate(account, secret, session.now() + BOTH_SECRETS_FOR)
        return secret, account.previous_until

    def signing_secrets(self, session: ReadSession, account_id: str, now: datetime) -> Sequence[str]:
        """The secrets that sign at this moment, the newest first; none where no key opens the newest."""
        account = callbacks.account(session, account_id)
        return () if account is None else self._sealer.signing_secrets(account, now)

    def reseal(self, database: Database) -> None:
        """Seals anew what a key sealed that is not the first; opens its transactions."""
        self._sealer.reseal(database, callbacks.page, self._locked)

    def close(self, session: WriteSession, account_id: str, told_at: datetime) -> None:
        """The account is no partner any more: what it ordered until then is not told, and what waits is given up."""
        account = callbacks.locked_account(session, account_id)
        if account is None or (account.closed_at is not None and account.closed_at >= told_at):
            return
        account.closed_at = told_at
        for endpoint in endpoints.locked_callbacks(session, account_id):
            deliveries.give_up_all(session, endpoint.id)

    def _locked(self, session: WriteSession, account_id: str) -> CallbackAccount | None:
        session.serialize(f"callbacks:{account_id}")
        return callbacks.locked_account(session, account_id)

    def _add(self, session: WriteSession, account_id: str, secret: str) -> CallbackAccount:
        account = CallbackAccount(account_id=account_id, sealed_secret=self._sealer.seal(secret, account_id))
        session.add(account)
        session.flush()
        return account
