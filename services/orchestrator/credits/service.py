"""Quotes: what a separation would cost, and whether it could be paid. Waiting is done outside of any transaction."""

from datetime import datetime, timedelta

from services.kit.database import Database
from services.kit.errors import Unavailable
from services.orchestrator.credits import quotes, rates, repository
from services.orchestrator.credits.models import KnownBalance, KnownRate
from services.orchestrator.credits.schemas import NewQuote, Obstacle, Quote
from services.orchestrator.jobs.lifecycle import Lifecycle
from services.orchestrator.queue.model_choice import ModelChoice
from services.orchestrator.settings import Settings
from services.orchestrator.signals import Signals
from services.orchestrator.uploads.errors import UploadNotReady
from services.orchestrator.uploads.models import KnownUpload
from services.orchestrator.uploads.service import Uploads


class Quotes:
    """The use case of quotes."""

    def __init__(self, database: Database, settings: Settings, lifecycle: Lifecycle, signals: Signals) -> None:
        self._database = database
        self._settings = settings
        self._lifecycle = lifecycle
        self._signals = signals
        self._uploads = Uploads(database, settings, lifecycle, signals)
        self._models = ModelChoice(settings)

    def quote(self, account_id: str, request: NewQuote) -> Quote:
        """The exact price, and whether the account can pay it. Raises UploadNotReady while the song is still coming."""
        self._uploads.learn(account_id, request.upload_id)

        def settled() -> KnownUpload | None:
            with self._database.read() as session:
                upload = self._uploads.usable(session, account_id, request.upload_id)
                return upload if upload.status == "ready" else None

        upload = settled()
        if upload is None:
            # It may be ready, and the word of it under way or lost.
            with self._database.write() as session:
                self._lifecycle.ask_for_upload(session, request.upload_id)
            upload = self._signals.wait_for(settled, self._settings.answer_wait_seconds)
        if upload is None:
            raise UploadNotReady
        balance = self.learn_balance(account_id)
        self.learn_rates()
        lifetime = timedelta(seconds=self._settings.quote_seconds)
        with self._database.write() as session:
            model = self._models.model_for(session, request.upload_id, request.model)
            order = quotes.Order(upload, request.mode, request.tier, request.model or "", model)
            price, expires_at = quotes.give(session, order, lifetime)
            now = session.now()
        reason: Obstacle | None = None
        if price.credits > balance.available_credits:
            reason = "insufficient_credits"
        elif request.mode == "preview" and not has_previews_left(balance, 1, now):
            reason = "preview_allowance_exhausted"
        return Quote(
            price_credits=price.credits,
            preview_credit_credits=price.preview_credit_credits,
            available_credits=balance.available_credits,
            affordable=reason is None,
            reason=reason,
            rate_id=price.rate_id,
            credits_per_second=_credits(price.millicredits_per_second),
            expires_at=expires_at,
        )

    def learn_balance(self, account_id: str) -> KnownBalance:
        """The account's credits as last told, asked for where nothing was. Raises Unavailable."""

        def known() -> KnownBalance | None:
            with self._database.read() as session:
                return repository.balance(session, account_id)

        balance = known()
        if balance is None:
            with self._database.write() as session:
                self._lifecycle.ask_for_balance(session, account_id)
            balance = self._signals.wait_for(known, self._settings.answer_wait_seconds)
        if balance is None:
            raise Unavailable("the balance is not known at the moment", retry_after_seconds=2)
        return balance

    def learn_rates(self) -> None:
        """Waits a moment where accounts has never told what a second costs. Raises Unavailable."""

        def known() -> KnownRate | None:
            with self._database.read() as session:
                return rates.rate_for(session, self._settings.default_model, rates.FAST, session.now())

        if known() is None:
            with self._database.write() as session:
                rates.ask(session)
            if self._signals.wait_for(known, self._settings.answer_wait_seconds) is None:
                raise Unavailable("what a second costs is not known at the moment", retry_after_seconds=2)


def _credits(millicredits: int | None) -> float | None:
    return None if millicredits is None else millicredits / 1000


def previews_left(balance: KnownBalance, now: datetime) -> int | None:
    """How many are left by the last word of accounts, if it is of today (UTC); each day has new ones, of which None is
    known before the first."""
    told_at = balance.previews_told_at
    return balance.previews_left if told_at is not None and told_at.date() == now.date() else None


def has_previews_left(balance: KnownBalance, number: int, now: datetime) -> bool:
    """Whether so many are left, as far as that is known."""
    left = previews_left(balance, now)
    return left is None or left >= number
