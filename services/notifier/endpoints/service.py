"""What happens to webhook endpoints."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from services.kit.database import Database, ReadSession, WriteSession
from services.kit.erasures import check_open
from services.kit.errors import Unavailable
from services.kit.ids import new_id
from services.kit.outbound.urls import AddressRefused, target_of
from services.notifier.callbacks.service import Callbacks
from services.notifier.deliveries import repository as deliveries
from services.notifier.deliveries.models import Delivery
from services.notifier.deliveries.signing import new_secret
from services.notifier.endpoints import repository as endpoints
from services.notifier.endpoints.errors import EndpointNotFound, TooManyEndpoints, WebhookUrlRefused
from services.notifier.endpoints.models import WebhookEndpoint
from services.notifier.endpoints.schemas import DisabledBecause, EndpointChange, NewEndpoint
from services.notifier.endpoints.sealing import Sealer
from services.notifier.settings import Settings

log = logging.getLogger(__name__)

BOTH_SECRETS_FOR = timedelta(hours=24)
DELIVERIES_AT_ONCE = 1000
"""That are deleted in one transaction."""


class Endpoints:
    """Each method works inside the caller's transaction, except `delete` and `reseal`."""

    def __init__(self, settings: Settings) -> None:
        self._sealer = Sealer(settings.sealing_keys)
        self._unreadable: set[str] = set()
        """Endpoints whose secret no key opens, each told of once."""
        self.callbacks = Callbacks(self._sealer)
        self._most = settings.endpoints_max
        self._allow_loopback = settings.outbound_allow_loopback

    def create(self, session: WriteSession, account_id: str, wanted: NewEndpoint) -> WebhookEndpoint:
        """Raises WebhookUrlRefused, TooManyEndpoints, AccountGone."""
        self._check(wanted.url)
        check_open(session, account_id)
        if endpoints.count(session, account_id) >= self._most:
            raise TooManyEndpoints(f"Delete one first: an account may have {self._most}.")
        now, endpoint_id = session.now(), new_id("whe")
        endpoint = WebhookEndpoint(
            id=endpoint_id,
            account_id=account_id,
            url=wanted.url,
            event_types=sorted(set(wanted.event_types)),
            description=wanted.description,
            created_at=now,
            enabled=True,
            enabled_at=now,
            sealed_secret=self._sealer.seal(new_secret(), endpoint_id),
        )
        session.add(endpoint)
        session.flush()
        return endpoint

    def get(self, session: ReadSession, account_id: str, endpoint_id: str) -> WebhookEndpoint:
        """Raises EndpointNotFound."""
        endpoint = endpoints.find(session, account_id, endpoint_id)
        if endpoint is None:
            raise EndpointNotFound
        return endpoint

    def change(
        self, session: WriteSession, account_id: str, endpoint_id: str, change: EndpointChange
    ) -> WebhookEndpoint:
        """Raises EndpointNotFound, WebhookUrlRefused."""
        endpoint = self._locked(session, account_id, endpoint_id)
        if change.url is not None:
            self._check(change.url)
            endpoint.url = change.url
        if change.event_types is not None:
            endpoint.event_types = sorted(set(change.event_types))
        if "description" in change.model_fields_set:
            endpoint.description = change.description
        if change.enabled is False and endpoint.enabled:
            disable(session, endpoint, "owner")
        if change.enabled is True and not endpoint.enabled:
            endpoint.enabled, endpoint.disabled_because, endpoint.failing_since = True, None, None
            endpoint.enabled_at = session.now()
        return endpoint

    def delete(self, database: Database, account_id: str, endpoint_id: str) -> None:
        """Some deliveries at a time, then the endpoint with the rest, in transactions of its own that no other writer
        has to wait long for. Whoever is stopped in between calls again. Raises EndpointNotFound."""
        with database.write() as session:
            endpoint = self._locked(session, account_id, endpoint_id)
            # Nothing is sent there meanwhile, and nothing is put in.
            endpoint.enabled, endpoint.disabled_because = False, "owner"
        deleted = DELIVERIES_AT_ONCE
        while deleted == DELIVERIES_AT_ONCE:
            with database.write() as session:
                its = Delivery.endpoint_id == endpoint_id
                deleted = deliveries.delete_some(session, of=its, limit=DELIVERIES_AT_ONCE)
                if deleted < DELIVERIES_AT_ONCE:
                    endpoints.delete_one(session, account_id, endpoint_id)

    def rotate_secret(self, session: WriteSession, account_id: str, endpoint_id: str) -> tuple[str, datetime | None]:
        """The new secret, and until when the present one signs as well; None where no key opens that. Raises
        EndpointNotFound."""
        endpoint, secret = self._locked(session, account_id, endpoint_id), new_secret()
        self._sealer.rotate(endpoint, secret, session.now() + BOTH_SECRETS_FOR)
        return secret, endpoint.previous_until

    def secret_of(self, endpoint: WebhookEndpoint) -> str:
        """Raises Unavailable where no key opens it."""
        secret = self._sealer.unseal(endpoint.sealed_secret, endpoint.id)
        if secret is None:
            raise Unavailable("The secret of this endpoint cannot be read. Make a new one: rotate it.")
        return secret

    def signing_secrets(self, session: ReadSession, endpoint: WebhookEndpoint, now: datetime) -> Sequence[str]:
        """The secrets that sign at this moment, the newest first; none where no key opens the newest: nothing can be
        sent there until its owner makes another, or the key is back."""
        if endpoint.callback_origin is not None:
            secrets = self.callbacks.signing_secrets(session, endpoint.account_id, now)
        else:
            secrets = self._sealer.signing_secrets(endpoint, now)
        if secrets:
            self._unreadable.discard(endpoint.id)
        elif endpoint.id not in self._unreadable:
            self._unreadable.add(endpoint.id)
            log.error("no sealing key opens the secret of webhook endpoint %s: was one taken out?", endpoint.id)
        return secrets

    def reseal(self, database: Database) -> None:
        """Seals anew what a key sealed that is not the first, so that the key can go; opens its transactions."""
        self._sealer.reseal(database, endpoints.page_of_all, endpoints.lock)
        self.callbacks.reseal(database)

    def close_all(self, session: WriteSession, account_id: str, told_at: datetime) -> None:
        """The account may have no webhooks any more, since `told_at`; whatever was enabled later may."""
        for endpoint in endpoints.enabled_before(session, account_id, told_at):
            disable(session, endpoint, "not_a_partner")
        self.callbacks.close(session, account_id, told_at)

    def _check(self, url: str) -> None:
        try:
            target_of(url, allow_loopback=self._allow_loopback)
        except AddressRefused as error:
            raise WebhookUrlRefused(f"url {error}") from None

    def _locked(self, session: WriteSession, account_id: str, endpoint_id: str) -> WebhookEndpoint:
        endpoint = endpoints.lock(session, endpoint_id)
        if endpoint is None or endpoint.account_id != account_id or endpoint.callback_origin is not None:
            raise EndpointNotFound
        return endpoint


def disable(session: WriteSession, endpoint: WebhookEndpoint, because: DisabledBecause) -> None:
    """Nothing more is sent there; what waited is given up, and can be sent again once it is enabled."""
    endpoint.enabled, endpoint.disabled_because = False, because
    deliveries.give_up_all(session, endpoint.id)
