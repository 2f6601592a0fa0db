"""What an operator says about payments."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path


@dataclass(frozen=True)
class Seller:
    """Who sells, as receipts name them."""

    name: str
    address: str
    """Lines, separated by newlines or by `|`."""
    tax_id: str
    tax_name: str
    tax_percent: Decimal
    """The share of tax that prices contain, where the provider computes none."""
    font: Path | None
    """A TrueType font for names that the one on board has no letters for."""

    def tax_within(self, total_minor: int) -> int:
        """The tax that an amount contains, in minor units."""
        share = self.tax_percent / (100 + self.tax_percent)
        return int((total_minor * share).quantize(Decimal(1), ROUND_HALF_UP))


@dataclass(frozen=True)
class PaymentTerms:
    public_url: str
    """What people call the gateway."""
    checkout_lifetime: timedelta
    open_checkouts_max: int
    poll_pause: timedelta
    grace: timedelta
    """How long a plan counts after a renewal was not paid."""
    seller: Seller

    def return_url(self, checkout_id: str) -> str:
        """Where the provider sends the person back to."""
        return f"{self.public_url.rstrip('/')}/billing/return/{checkout_id}"
