"""Receipts as PDF.

A receipt is drawn from the books whenever somebody asks for it, so that it says what has been paid back since. Of the
buyer it names what the account says today; the books themselves name nobody.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

from services.accounts.payments.amounts import amount_text
from services.accounts.payments.terms import Seller

MARGIN_POINTS = 64.0
LINE_POINTS = 15.0
BOARD_FONT = "Vera.ttf"
"""Bitstream Vera, which the library carries: Latin letters of western and central Europe."""
MAX_LINE_CHARACTERS = 90


@dataclass(frozen=True)
class Receipt:
    """What a receipt says. Amounts are in minor units of `currency`."""

    number: str
    paid_at: datetime
    buyer: str
    item: str
    credits: int
    total_minor: int
    tax_minor: int
    refunded_minor: int
    currency: str
    paid_by: str
    seller: Seller

    def lines(self) -> list[tuple[str, str]]:
        """The table of amounts: what, and how much."""

        def money(minor: int) -> str:
            return amount_text(minor, self.currency)

        rows = [(f"{self.item} ({self.credits} credits)", money(self.total_minor - self.tax_minor))]
        rows.append((self.tax_line, money(self.tax_minor)))
        rows.append(("Total, paid", money(self.total_minor)))
        if self.refunded_minor:
            rows.append(("Paid back", money(-self.refunded_minor)))
        return rows

    @property
    def tax_line(self) -> str:
        percent = f" {self.seller.tax_percent.normalize():f} %" if self.seller.tax_percent else ""
        return f"{self.seller.tax_name}{percent}"


def pdf(receipt: Receipt) -> bytes:
    """One page of A4. The same receipt gives the same bytes."""
    from reportlab.lib.pagesizes import A4
    from reportlab.pdfgen.canvas import Canvas

    file = BytesIO()
    page = Canvas(file, pagesize=A4, invariant=True)
    page.setTitle(f"Receipt {receipt.number}")
    page.setAuthor(receipt.seller.name)
    width, height = A4
    writer = _Writer(page, width, height - MARGIN_POINTS, receipt.seller.font)
    writer.line(receipt.seller.name, size=14)
    for line in receipt.seller.address.replace("|", "\n").splitlines():
        writer.line(line.strip())
    if receipt.seller.tax_id:
        writer.line(f"Tax number {receipt.seller.tax_id}")
    writer.skip(2)
    writer.line(f"Receipt {receipt.number}", size=18)
    writer.skip()
    writer.line(f"Paid on {receipt.paid_at:%Y-%m-%d} (UTC) by {receipt.paid_by}")
    if receipt.buyer:
        writer.line(f"For {receipt.buyer}")
    writer.skip()
    writer.rule()
    for what, amount in receipt.lines():
        writer.line(what, right=amount)
    writer.rule()
    page.showPage()
    page.save()
    return file.getvalue()


class _Writer:
    """Writes lines down a page."""

    def __init__(self, page: Any, width: float, top: float, font: Path | None) -> None:
        self._page = page
        self._right = width - MARGIN_POINTS
        self._height = top
        self._font, self._letters = _font(str(font or BOARD_FONT))

    def line(self, text: str, *, right: str = "", size: float = 10) -> None:
        self._height -= max(LINE_POINTS, size * 1.4)
        self._page.setFont(self._font, size)
        self._page.drawString(MARGIN_POINTS, self._height, self._readable(text)[:MAX_LINE_CHARACTERS])
        if right:
            self._page.drawRightString(self._right, self._height, self._readable(right))

    def skip(self, lines: int = 1) -> None:
        self._height -= lines * LINE_POINTS

    def rule(self) -> None:
        self._height -= LINE_POINTS / 2
        self._page.line(MARGIN_POINTS, self._height, self._right, self._height)

    def _readable(self, text: str) -> str:
        return "".join(letter if ord(letter) in self._letters else "?" for letter in text)


@lru_cache
def _font(file: str) -> tuple[str, frozenset[int]]:
    """Registers a TrueType font; its name, and the letters that it has."""
    from reportlab.pdfbase.pdfmetrics import registerFont
    from reportlab.pdfbase.ttfonts import TTFont

    font = TTFont(f"receipt-{file}", file)
    registerFont(font)
    return font.fontName, frozenset(font.face.charToGlyph)
