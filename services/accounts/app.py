"""The accounts service as an app."""

import json
from collections.abc import Sequence

from fastapi import FastAPI

from services.accounts.consumers import job_consumer
from services.accounts.routes import ROUTERS
from services.accounts.service.accounts import Accounts
from services.accounts.settings import Settings
from services.accounts.sweeper import sweep_holds, tidy
from services.accounts.tokens import SigningKeys
from services.kit.app import BackgroundTask, create_app
from services.kit.auth import KeySet, TokenVerifier
from services.kit.database import Database
from services.kit.events.producer import EventProducer
from services.kit.housekeeping import Housekeeping
from services.kit.outbox import OutboxRelay
from services.kit.periodic import Periodic

TIDY_SECONDS = 600


def build(settings: Settings, keys: SigningKeys, database: Database | None = None) -> FastAPI:
    """The app with its background tasks; those start when the app does, and connect by themselves."""
    database = database or Database(settings.database_url.get_secret_value(), "accounts")
    accounts = Accounts.build(settings, database, keys)
    published = json.dumps(keys.jwks()).encode()
    # This service needs no network to learn its own keys.
    own_keys = KeySet("", fetch=lambda _url: published)
    return create_app(
        name="accounts",
        title="Stemwright accounts",
        routers=ROUTERS,
        tasks=_tasks(settings, accounts),
        checks={"database": database.ping},
        state={
            "accounts": accounts,
            "verifier": TokenVerifier(own_keys, issuer=settings.token_issuer, audience=settings.token_audience),
        },
    )


def _tasks(settings: Settings, accounts: Accounts) -> Sequence[BackgroundTask]:
    return (
        OutboxRelay(accounts.database, EventProducer(settings.kafka_bootstrap_servers, "accounts")),
        job_consumer(settings, accounts),
        Periodic("hold-sweeper", settings.sweep_seconds, lambda: sweep_holds(accounts)),
        Periodic("accounts-tidying", TIDY_SECONDS, lambda: tidy(accounts)),
        Housekeeping(accounts.database),
    )
