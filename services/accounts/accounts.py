"""The whole service, put together from its settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from services.accounts.administration.service import Administration
from services.accounts.api_keys.service import ApiKeys
from services.accounts.email_changes.service import EmailChanges
from services.accounts.erasure.service import Erasures
from services.accounts.erasure.welcomed import WelcomedAddresses
from services.accounts.guesses.throttle import Throttle
from services.accounts.ledger.batches import BatchHolds
from services.accounts.ledger.credits import Credits
from services.accounts.ledger.low_credits import LowCredits
from services.accounts.ledger.news import BalanceNews, BillingPolicy
from services.accounts.ledger.service import Billing
from services.accounts.mail.service import Composer, Mail
from services.accounts.mail.webhook_notices import WebhookNotices
from services.accounts.payments.building import build_cashier
from services.accounts.payments.feed import ProviderFeed
from services.accounts.payments.places import Places
from services.accounts.payments.prices import PriceList
from services.accounts.payments.refunds import Refunds
from services.accounts.payments.service import Payments
from services.accounts.payments.totals import ProviderTotals
from services.accounts.payments.webhooks import Webhooks
from services.accounts.second_factor.service import SecondFactors
from services.accounts.sessions.errors import TooManyGuesses
from services.accounts.sessions.service import AccessTokens, Sessions, TokenTerms
from services.accounts.sessions.tokens import SigningKeys
from services.accounts.settings import Settings
from services.accounts.users.errors import TooManyMails
from services.accounts.users.password_changes import PasswordChanges
from services.accounts.users.passwords import PasswordHashing
from services.accounts.users.service import Users
from services.accounts.users.sign_up import SignUp
from services.kit.database import Database

APP_ISSUER = "Stemwright"
"""What an authenticator app shows beside the address."""


@dataclass(frozen=True)
class Accounts:
    database: Database
    keys: SigningKeys
    mail: Mail
    users: Users
    sign_up: SignUp
    password_changes: PasswordChanges
    email_changes: EmailChanges
    sessions: Sessions
    second_factors: SecondFactors
    api_keys: ApiKeys
    administration: Administration
    credits: Credits
    policy: BillingPolicy
    billing: Billing
    batch_holds: BatchHolds
    low_credits: LowCredits
    webhook_notices: WebhookNotices
    erasures: Erasures
    welcomed: WelcomedAddresses
    security_events_kept: timedelta
    provider_places: Places
    payments: Payments
    webhooks: Webhooks
    refunds: Refunds
    provider_feed: ProviderFeed
    provider_totals: ProviderTotals

    @property
    def composers(self) -> Mapping[str, Composer]:
        """Of mails whose content is decided just before they are sent."""
        return {**self.sign_up.composers, **self.password_changes.composers, **self.email_changes.composers}

    @classmethod
    def build(cls, settings: Settings, database: Database, keys: SigningKeys) -> "Accounts":
        terms = TokenTerms(
            issuer=settings.token_issuer,
            audience=settings.token_audience,
            access_lifetime=timedelta(seconds=settings.access_token_seconds),
            refresh_lifetime=timedelta(days=settings.refresh_token_days),
            session_lifetime=timedelta(days=settings.session_days),
            grace=timedelta(seconds=settings.refresh_grace_seconds),
            sessions_max=settings.sessions_max,
        )
        passwords = PasswordHashing(
            memory_kib=settings.password_memory_kib,
            concurrency=settings.password_concurrency,
            waiting_max=settings.password_waiting_max,
        )
        access = AccessTokens(keys, terms)
        policy = BillingPolicy(
            hold_lifetime=settings.hold_lifetime,
            default_plan=settings.default_plan,
            previews_per_day=settings.previews_per_day,
        )
        news = BalanceNews(policy)
        credits = Credits(news)  # noqa: A001 - the field's own word
        billing = Billing(policy, news)
        mail = Mail()
        cashier = build_cashier(settings, database, credits, PriceList(), mail)
        welcomed = WelcomedAddresses(keys)
        users = Users(
            passwords,
            credits,
            welcomed,
            default_plan=settings.default_plan,
            welcome_credits=settings.welcome_credits,
            welcome_lifetime=(
                timedelta(days=settings.welcome_credits_days) if settings.welcome_credits_days is not None else None
            ),
        )
        second_factors = SecondFactors(database, keys, issuer=APP_ISSUER)
        sessions = Sessions(database, passwords, keys, access, terms, Throttle(keys, TooManyGuesses), second_factors)
        mails_asked_for = Throttle(keys, TooManyMails)
        return cls(
            database=database,
            keys=keys,
            mail=mail,
            users=users,
            sign_up=SignUp(database, users, mail, mails_asked_for, verify_email=settings.verify_email),
            password_changes=PasswordChanges(database, passwords, users, sessions, mail, mails_asked_for),
            email_changes=EmailChanges(database, passwords, users, sessions, mail, mails_asked_for, welcomed),
            sessions=sessions,
            second_factors=second_factors,
            api_keys=ApiKeys(database, keys, access, keys_max=settings.api_keys_max),
            administration=Administration(credits),
            credits=credits,
            policy=policy,
            billing=billing,
            batch_holds=BatchHolds(policy, news, billing),
            low_credits=LowCredits(database, mail),
            webhook_notices=WebhookNotices(mail),
            erasures=Erasures(database, mail, welcomed),
            welcomed=welcomed,
            security_events_kept=timedelta(days=settings.security_events_days),
            provider_places=cashier.places,
            payments=cashier.payments,
            webhooks=cashier.webhooks,
            refunds=cashier.refunds,
            provider_feed=cashier.feed,
            provider_totals=cashier.totals,
        )
