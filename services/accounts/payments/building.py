"""Payments, put together from the settings."""

from dataclasses import dataclass
from datetime import timedelta

from services.accounts.ledger.credits import Credits
from services.accounts.mail.service import Mail
from services.accounts.payments.books import Books
from services.accounts.payments.feed import ProviderFeed
from services.accounts.payments.letters import Letters
from services.accounts.payments.places import REQUESTS_AT_PROVIDER, Places
from services.accounts.payments.prices import PriceBook
from services.accounts.payments.providers import Provider
from services.accounts.payments.refunds import Refunds
from services.accounts.payments.sandbox import Sandbox
from services.accounts.payments.service import Payments
from services.accounts.payments.stripe_provider import Stripe, StripeOptions
from services.accounts.payments.subscriptions import Subscriptions
from services.accounts.payments.terms import PaymentTerms, Seller
from services.accounts.payments.totals import ProviderTotals
from services.accounts.payments.webhooks import Webhooks
from services.accounts.settings import Settings
from services.kit.database import Database


@dataclass(frozen=True)
class Cashier:
    """What takes money and hears of it."""

    places: Places
    """What a request has one of while it asks the provider."""
    payments: Payments
    webhooks: Webhooks
    refunds: Refunds
    feed: ProviderFeed
    totals: ProviderTotals


def build_cashier(settings: Settings, database: Database, credits_: Credits, prices: PriceBook, mail: Mail) -> Cashier:
    """Raises ModuleNotFoundError where the provider's library is not installed."""
    stripe = _stripe(settings) if settings.payment_provider == "stripe" else None
    sandbox = Sandbox(database, settings.public_url) if settings.payment_provider == "sandbox" else None
    return cashier(
        database,
        credits_,
        prices,
        Letters(mail),
        terms_of(settings),
        settings.default_plan,
        provider=stripe or sandbox,
    )


def cashier(
    database: Database,
    credits_: Credits,
    prices: PriceBook,
    letters: Letters,
    terms: PaymentTerms,
    default_plan: str,
    *,
    provider: Provider | None,
) -> Cashier:
    name = provider.name if provider else ""
    books = Books(credits_, terms.seller, letters)
    subscriptions = Subscriptions(books, prices, terms, letters, provider=name, default_plan=default_plan)
    payments = Payments(database, books, subscriptions, prices, terms, provider=provider)
    places = Places(REQUESTS_AT_PROVIDER)
    webhooks = Webhooks(database, payments, subscriptions, books, provider, places)
    refunds = Refunds(database, books, provider)
    feed = ProviderFeed(database, webhooks, provider, terms.poll_pause / 2)
    return Cashier(places, payments, webhooks, refunds, feed, ProviderTotals(database, provider))


def terms_of(settings: Settings) -> PaymentTerms:
    return PaymentTerms(
        public_url=settings.public_url,
        checkout_lifetime=timedelta(minutes=settings.checkout_minutes),
        open_checkouts_max=settings.open_checkouts_max,
        poll_pause=timedelta(seconds=settings.checkout_poll_seconds),
        grace=timedelta(days=settings.grace_days),
        seller=Seller(
            name=settings.seller_name,
            address=settings.seller_address,
            tax_id=settings.seller_tax_id,
            tax_name=settings.tax_name,
            tax_percent=settings.tax_percent,
            font=settings.receipt_font,
        ),
    )


def _stripe(settings: Settings) -> Stripe:
    assert settings.stripe_secret_key  # noqa: S101 - the settings have looked
    assert settings.stripe_webhook_secret  # noqa: S101
    return Stripe(
        StripeOptions(
            secret_key=settings.stripe_secret_key.get_secret_value(),
            webhook_secret=settings.stripe_webhook_secret.get_secret_value(),
            webhook_tolerance_seconds=settings.stripe_webhook_tolerance_seconds,
            api_url=settings.stripe_api_url,
            automatic_tax=settings.stripe_automatic_tax,
            tax_ids=settings.stripe_tax_ids,
            invoices=settings.stripe_invoices,
        )
    )
