"""What a song costs at a rate."""

import pytest

from services.orchestrator.credits.pricing import price_credits


@pytest.mark.parametrize(
    ("seconds", "millicredits", "price"),
    [
        (61.0, 1000, 61),
        (61.01, 1000, 62),
        (0.001, 1000, 1),
        (0.0, 1000, 1),
        (90.5, 1500, 136),
        (90.5, 1, 1),
        (86_400.0, 1_000_000, 86_400_000),
        # As binary fractions 0.1 is a little more than a tenth, and 1.1 times 1000 more than 1100.
        (0.1, 10_000, 1),
        (1.1, 1_000_000, 1100),
    ],
)
def test_prices_are_whole_credits_rounded_up(seconds: float, millicredits: int, price: int) -> None:
    assert price_credits(seconds, millicredits) == price
