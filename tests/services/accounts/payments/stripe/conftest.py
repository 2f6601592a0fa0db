"""The double, running, and a shop that sells by it."""

from collections.abc import Iterator

import pytest

from services.accounts.accounts import Accounts
from tests.clocks import Clock
from tests.services.accounts.payments.stripe.double import StripeDouble
from tests.services.accounts.payments.stripe.serving import serving
from tests.services.accounts.payments.stripe.shop import Shop


@pytest.fixture
def double(clock: Clock) -> Iterator[StripeDouble]:
    with serving(StripeDouble(clock=lambda: clock().timestamp())) as running:
        yield running


@pytest.fixture
def shop(accounts: Accounts, double: StripeDouble) -> Shop:
    return Shop.of(accounts, double)
