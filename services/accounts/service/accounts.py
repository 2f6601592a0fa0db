"""The whole service, put together from its settings."""

from dataclasses import dataclass
from datetime import timedelta

from services.accounts.guesses import Guesses
from services.accounts.passwords import PasswordHashing
from services.accounts.service.api_keys import ApiKeys
from services.accounts.service.billing import Billing, BillingPolicy
from services.accounts.service.sessions import AccessTokens, Sessions, TokenTerms
from services.accounts.service.users import Users
from services.accounts.settings import Settings
from services.accounts.tokens import SigningKeys
from services.kit.database import Database


@dataclass(frozen=True)
class Accounts:
    database: Database
    keys: SigningKeys
    users: Users
    sessions: Sessions
    api_keys: ApiKeys
    billing: Billing

    @classmethod
    def build(cls, settings: Settings, database: Database, keys: SigningKeys) -> "Accounts":
        terms = TokenTerms(
            issuer=settings.token_issuer,
            audience=settings.token_audience,
            access_lifetime=timedelta(seconds=settings.access_token_seconds),
            refresh_lifetime=timedelta(days=settings.refresh_token_days),
            session_lifetime=timedelta(days=settings.session_days),
            grace=timedelta(seconds=settings.refresh_grace_seconds),
        )
        passwords = PasswordHashing(
            concurrency=settings.password_concurrency, waiting_max=settings.password_waiting_max
        )
        access = AccessTokens(keys, terms)
        billing = Billing(
            BillingPolicy(
                hold_lifetime=settings.hold_lifetime,
                default_plan=settings.default_plan,
                previews_per_day=settings.previews_per_day,
            )
        )
        return cls(
            database=database,
            keys=keys,
            users=Users(
                database,
                passwords,
                billing,
                default_plan=settings.default_plan,
                welcome_credits=settings.welcome_credits,
            ),
            sessions=Sessions(database, passwords, keys, access, terms, Guesses()),
            api_keys=ApiKeys(database, keys, access, keys_max=settings.api_keys_max),
            billing=billing,
        )
