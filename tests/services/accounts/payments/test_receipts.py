"""Receipts: numbered, with a tax line and the seller's details, as PDF."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from services.accounts.payments.amounts import amount_text
from services.accounts.payments.receipts import Receipt, pdf
from services.accounts.payments.terms import Seller
from tests.services.accounts.payments.conftest import Buyer

SELLER = Seller("Łódź Stems", "1 Main Street|Springfield", "DE123456789", "VAT", Decimal(19), None)
RECEIPT = Receipt(
    number="2026-00000007",
    paid_at=datetime(2026, 11, 29, tzinfo=UTC),
    buyer="ada@example.com",
    item="1 hour of music",
    credits=3600,
    total_minor=300,
    tax_minor=48,
    refunded_minor=0,
    currency="eur",
    paid_by="Stripe",
    seller=SELLER,
)


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (499, "eur", "4.99 EUR"),
        (5, "usd", "0.05 USD"),
        (-300, "eur", "-3.00 EUR"),
        (499, "jpy", "499 JPY"),
        (4999, "kwd", "4.999 KWD"),
    ],
)
def test_amounts_have_the_digits_of_their_currency(minor: int, currency: str, text: str) -> None:
    assert amount_text(minor, currency) == text


def test_the_table_adds_up() -> None:
    assert RECEIPT.lines() == [
        ("1 hour of music (3600 credits)", "2.52 EUR"),
        ("VAT 19 %", "0.48 EUR"),
        ("Total, paid", "3.00 EUR"),
    ]
    assert replace(RECEIPT, refunded_minor=100).lines()[-1] == ("Paid back", "-1.00 EUR")


@pytest.mark.parametrize(("total", "percent", "tax"), [(300, 19, 48), (300, 0, 0), (100, 25, 20), (1, 19, 0)])
def test_the_tax_within_a_price(total: int, percent: int, tax: int) -> None:
    assert replace(SELLER, tax_percent=Decimal(percent)).tax_within(total) == tax


def test_it_is_a_pdf_and_the_same_each_time() -> None:
    first, second = pdf(RECEIPT), pdf(RECEIPT)

    assert first == second
    assert first.startswith(b"%PDF-")
    assert first.rstrip().endswith(b"%%EOF")
    assert b"Vera" in first, "its font is on board"


def test_letters_that_the_font_lacks_are_no_error() -> None:
    assert pdf(replace(RECEIPT, buyer="音楽@例え.jp")).startswith(b"%PDF-")


def test_who_has_paid_gets_one(buyer: Buyer) -> None:
    checkout = buyer.checkout()
    buyer.press(checkout, "pay")
    (payment,) = buyer.payments()

    answer = buyer.person.get(payment["receipt_url"])

    assert answer.headers["content-type"] == "application/pdf"
    assert payment["receipt_number"] in answer.headers["content-disposition"]
    assert re.fullmatch(r"\d{4}-00000001", payment["receipt_number"])
    assert answer.content.startswith(b"%PDF-")
