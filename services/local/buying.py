"""Buying credits in the sandbox, as a person without any would: by the REST API and one page of the cashier."""

import uuid
from pathlib import Path

from rich.console import Console

from services.local.client import Client, Document
from services.local.errors import DemoFailed


def buy_credits(client: Client, credits_needed: int, console: Console) -> Document:
    """Buys the smallest pack that is enough, pays on the sandbox's page, and returns the payment.

    Raises:
        DemoFailed: no pack is large enough, or what was paid was not granted.
        ApiError: an answer that a client of the contract does not expect.
    """
    packs = sorted(client.call("GET", "/v1/billing/prices")["packs"], key=lambda pack: int(pack["credits"]))
    pack = next((pack for pack in packs if pack["credits"] >= credits_needed), None)
    if pack is None:
        raise DemoFailed(f"no pack has {credits_needed} credits")
    key = {"Idempotency-Key": uuid.uuid4().hex}
    checkout = client.call("POST", "/v1/billing/checkouts", json={"price_id": pack["id"]}, headers=key)
    console.print(f"Checkout: {pack['name']}, {pack['credits']} credits for {price(pack)}", highlight=False)
    console.print(f"  {checkout['url']}", highlight=False, soft_wrap=True)
    # As a browser does: the button of the page, which sends the person back to us.
    landed = client.http.post(checkout["url"], data={"outcome": "pay"}, follow_redirects=True)
    landed.raise_for_status()
    paid = client.call("GET", f"/v1/billing/checkouts/{checkout['id']}")
    if paid["status"] != "paid":
        raise DemoFailed(f"the checkout is {paid['status']}")
    (payment,) = client.call("GET", "/v1/billing/payments")["items"]
    console.print(f"  paid: receipt {payment['receipt_number']}, {payment['credits']} credits", highlight=False)
    return dict(payment)


def show_books(client: Client, payment: Document, folder: Path, console: Console) -> None:
    """What the account has seen of its credits, and where its receipt lies."""
    for line in reversed(client.call("GET", "/v1/billing/ledger")["items"]):
        console.print(
            f"  {line['kind']:<10} {line['available_change_credits']:>+8} credits, "
            f"{line['available_after_credits']} available  ({line['reason']})",
            highlight=False,
        )
    receipt = folder / f"receipt-{payment['receipt_number']}.pdf"
    receipt.write_bytes(client.send("GET", payment["receipt_url"]).content)
    console.print(f"  {receipt}", highlight=False, soft_wrap=True)


def price(pack: Document) -> str:
    """`4.90 EUR`. The demo's prices have two digits after the point."""
    whole, rest = divmod(int(pack["amount_minor"]), 100)
    return f"{whole}.{rest:02d} {str(pack['currency']).upper()}"
