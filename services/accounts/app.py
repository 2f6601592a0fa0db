"""The accounts service as an app."""

import json
from collections.abc import Sequence
from functools import partial

from fastapi import FastAPI

from services.accounts.accounts import Accounts
from services.accounts.api_keys.errors import ApiKeyNotFound
from services.accounts.consumers import job_consumer
from services.accounts.erasure.errors import ErasureNotFound
from services.accounts.mail.service import MailSender
from services.accounts.mail.transports import transport_of
from services.accounts.measures import account_measures
from services.accounts.payments.errors import CheckoutNotFound, PaymentNotFound
from services.accounts.plans.errors import PriceNotFound
from services.accounts.routes import ROUTERS
from services.accounts.sessions.errors import SessionNotFound
from services.accounts.sessions.tokens import SigningKeys
from services.accounts.settings import Settings
from services.accounts.sweeper import NightlyCheck, sweep_credits, sweep_holds, tidy
from services.kit.app import create_app
from services.kit.auth import KeySet, TokenVerifier
from services.kit.database import Database
from services.kit.events.brokers import Brokers
from services.kit.events.producer import EventProducer
from services.kit.events.rights import writes_of
from services.kit.housekeeping import Housekeeping
from services.kit.leadership import Leadership
from services.kit.outbox import OutboxRelay
from services.kit.periodic import Periodic
from services.kit.process import BackgroundTask
from services.kit.schema import check_schema

TIDY_SECONDS = 600
TELL_SECONDS = 5
"""How often erasures are looked for that a service has not answered."""
LOW_CREDITS_SECONDS = 5
"""How often accounts are looked for whose credits have become few."""


def build(settings: Settings, keys: SigningKeys, database: Database | None = None) -> FastAPI:
    """The app with its background tasks; those start when the app does, and connect by themselves."""
    database = database or Database.from_settings(settings, "accounts")
    accounts = Accounts.build(settings, database, keys)
    published = json.dumps(keys.jwks()).encode()
    # This service needs no network to learn its own keys.
    own_keys = KeySet("", fetch=lambda _url, _timeout_seconds: published)
    return create_app(
        name="accounts",
        title="Stemwright accounts",
        routers=ROUTERS,
        tasks=_tasks(settings, accounts),
        prerequisites={"database": partial(check_schema, database)},
        measures=account_measures(database),
        state={
            "accounts": accounts,
            "verifier": TokenVerifier(own_keys, issuer=settings.token_issuer, audience=settings.token_audience),
        },
        missing={
            "session_id": SessionNotFound,
            "key_id": ApiKeyNotFound,
            "checkout_id": CheckoutNotFound,
            "payment_id": PaymentNotFound,
            "receipt_token": ErasureNotFound,
            "price_id": PriceNotFound,
        },
    )


def _tasks(settings: Settings, accounts: Accounts) -> Sequence[BackgroundTask]:
    leadership = Leadership(accounts.database)
    return (
        OutboxRelay(accounts.database, EventProducer(Brokers.of(settings), "accounts", writes_of("accounts"))),
        job_consumer(settings, accounts),
        MailSender(
            accounts.database,
            accounts.mail,
            transport_of(settings),
            sender=settings.mail_from,
            public_url=settings.public_url,
            composers=accounts.composers,
        ),
        # In every process: what it finds is told by the metrics of the process.
        Periodic("ledger-check", TIDY_SECONDS, NightlyCheck(accounts.database, accounts.provider_totals)),
        leadership,
        *leadership.where_held(
            Periodic("hold-sweeper", settings.sweep_seconds, lambda: sweep_holds(accounts)),
            Periodic("credits-sweeper", settings.sweep_seconds, lambda: sweep_credits(accounts)),
            Periodic("checkouts", settings.checkout_poll_seconds, accounts.payments.reconcile),
            Periodic("erasure-teller", TELL_SECONDS, accounts.erasures.tell_again),
            Periodic("provider-feed", settings.checkout_poll_seconds, accounts.provider_feed.read),
            Periodic("refunds", settings.checkout_poll_seconds, accounts.refunds.sweep),
            Periodic("subscriptions", settings.checkout_poll_seconds, accounts.webhooks.sweep_subscriptions),
            Periodic("low-credits", LOW_CREDITS_SECONDS, accounts.low_credits.tell),
            Periodic("accounts-tidying", TIDY_SECONDS, lambda: tidy(accounts)),
            Housekeeping(accounts.database),
        ),
    )
