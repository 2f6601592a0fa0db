"""Requests and answers about credits."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from services.kit.schemas import RequestBody, UploadId
from services.orchestrator.jobs.schemas import ALL_STEMS, TIER, Mode, ModelName, Stems, Tier


class NewQuote(RequestBody):
    """What a separation is asked the price of."""

    upload_id: UploadId
    mode: Mode = "full"
    tier: Tier = Field("fast", description=TIER)
    stems: Stems = Field(default_factory=lambda: list(ALL_STEMS))
    model: ModelName | None = Field(None, description="A network by its name; without it, the platform's own choice.")


Obstacle = Literal["insufficient_credits", "preview_allowance_exhausted"]


class Quote(BaseModel):
    """What a job of the same upload, mode, tier and model costs, exactly, until the quote expires."""

    price_credits: int
    preview_credit_credits: int = Field(
        description="What the price is lower by, because a preview of the upload was made within a day. The first full "
        "job of the upload has it, and gives it back where it does not succeed."
    )
    available_credits: int
    affordable: bool
    reason: Obstacle | None = Field(description="Why it is not affordable: the code that a job would be refused with.")
    rate_id: str | None = Field(
        description="The version of the rate, as `GET /v1/billing/prices` shows it; null for a preview, which is free."
    )
    credits_per_second: float | None = Field(description="Of that version.")
    expires_at: datetime
