"""What a batch would cost, and whether it could be paid. Waiting is done outside of any transaction."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from services.kit.database import Database
from services.orchestrator.batches.schemas import BatchItem, BatchQuote, NewBatch
from services.orchestrator.batches.songs import usable_songs
from services.orchestrator.credits import quotes
from services.orchestrator.credits.schemas import Obstacle
from services.orchestrator.credits.service import Quotes, has_previews_left, previews_left
from services.orchestrator.queue.model_choice import ModelChoice
from services.orchestrator.settings import Settings
from services.orchestrator.uploads.errors import UploadNotReady
from services.orchestrator.uploads.models import KnownUpload
from services.orchestrator.uploads.service import Uploads

QUOTED_AT_ONCE = 100
"""Songs of one transaction, which keeps others from pricing them meanwhile."""


class BatchQuotes:
    """The use case of quotes for batches."""

    def __init__(self, database: Database, settings: Settings, uploads: Uploads, single: Quotes) -> None:
        self._database = database
        self._lifetime = timedelta(seconds=settings.quote_seconds)
        self._uploads = uploads
        self._single = single
        self._models = ModelChoice(settings)

    def quote(self, account_id: str, request: NewBatch) -> BatchQuote:
        """The exact price, which binds as the quotes of its songs do. Raises what ordering it would, and UploadNotReady
        of a song that is still coming."""
        self._uploads.learn_all(account_id, {item.upload_id for item in request.items if item.upload_id is not None})
        balance = self._single.learn_balance(account_id)
        self._single.learn_rates()
        with self._database.read() as session:
            uploads = usable_songs(session, account_id, request.items)
            now = session.now()
        songs = [_ready(uploads, item, number) for number, item in enumerate(request.items)]
        prices, expires_at = self._give(request, uploads)
        full = sum(prices[upload_id].full_credits for upload_id in songs)
        # Once for each song, however often it is named.
        deducted = sum(price.preview_credit_credits for price in prices.values())
        price_credits = full - deducted
        reason: Obstacle | None = None
        if price_credits > balance.available_credits:
            reason = "insufficient_credits"
        elif request.mode == "preview" and not has_previews_left(balance, len(request.items), now):
            reason = "preview_allowance_exhausted"
        return BatchQuote(
            songs=len(request.items),
            price_credits=price_credits,
            preview_credit_credits=deducted,
            available_credits=balance.available_credits,
            affordable=reason is None,
            reason=reason,
            previews_left=previews_left(balance, now),
            expires_at=expires_at,
        )

    def _give(self, request: NewBatch, uploads: Mapping[str, KnownUpload]) -> tuple[dict[str, quotes.Price], datetime]:
        """The quote of each song, and until when all of them stand."""
        prices: dict[str, quotes.Price] = {}
        ends = []
        # In the order in which everybody keeps others from them.
        ids = sorted(uploads)
        for first in range(0, len(ids), QUOTED_AT_ONCE):
            with self._database.write() as session:
                some = ids[first : first + QUOTED_AT_ONCE]
                models = self._models.models_for(session, some, request.model)
                for upload_id in some:
                    order = quotes.Order(
                        uploads[upload_id], request.mode, request.tier, request.model or "", models[upload_id]
                    )
                    prices[upload_id], expires_at = quotes.give(session, order, self._lifetime)
                    ends.append(expires_at)
        return prices, min(ends)


def _ready(uploads: Mapping[str, KnownUpload], item: BatchItem, number: int) -> str:
    """The item's upload. Raises UploadNotReady, also of what is to be fetched first."""
    upload = uploads.get(item.upload_id or "")
    if upload is None or upload.status != "ready":
        raise UploadNotReady(extra={"item": number})
    return upload.id
