"""What Stripe's objects look like when they begin."""

import time
from typing import Any

Document = dict[str, Any]

MONTH = 30 * 86_400


def list_of(url: str, data: list[Document]) -> Document:
    return {"object": "list", "url": url, "has_more": False, "data": data}


def session(asked: Document, currency: str, amount: int, tax: int) -> Document:
    return {
        "object": "checkout.session",
        "amount_subtotal": amount,
        "amount_total": amount + tax,
        "automatic_tax": {"enabled": bool(tax), "liability": None, "provider": None, "status": None},
        "cancel_url": asked["cancel_url"],
        "client_reference_id": asked["client_reference_id"],
        "created": int(time.time()),
        "currency": currency,
        "custom_fields": [],
        "customer": asked.get("customer"),
        "customer_email": asked.get("customer_email"),
        "expires_at": int(asked["expires_at"]),
        "invoice": None,
        "livemode": False,
        "metadata": asked["metadata"],
        "mode": asked["mode"],
        "payment_intent": None,
        "payment_method_types": ["card"],
        "payment_status": "unpaid",
        "shipping_options": [],
        "status": "open",
        "subscription": None,
        "success_url": asked["success_url"],
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": tax},
        "url": None,
    }


def customer() -> Document:
    return {"object": "customer", "created": int(time.time()), "livemode": False}


def intent(status: str, metadata: Document) -> Document:
    return {"object": "payment_intent", "status": status, "metadata": metadata, "livemode": False}


def charge(intent: str, amount: int, currency: str) -> Document:
    return {
        "object": "charge",
        "amount": amount,
        "amount_captured": amount,
        "amount_refunded": 0,
        "captured": True,
        "created": int(time.time()),
        "currency": currency,
        "disputed": False,
        "livemode": False,
        "paid": True,
        "payment_intent": intent,
        "refunded": False,
        "status": "succeeded",
    }


def refund(amount: int, metadata: Document, charge: Document) -> Document:
    return {
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": int(time.time()),
        "currency": charge["currency"],
        "metadata": metadata,
        "payment_intent": charge["payment_intent"],
        "reason": None,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "succeeded",
        "transfer_reversal": None,
    }


def dispute(charge: Document) -> Document:
    return {
        "object": "dispute",
        "amount": charge["amount"],
        "charge": charge["id"],
        "created": int(time.time()),
        "currency": charge["currency"],
        "payment_intent": charge["payment_intent"],
        "reason": "fraudulent",
        "status": "needs_response",
    }


def subscription(session: Document) -> Document:
    now = int(time.time())
    price = {
        "id": "price_inline",
        "object": "price",
        "active": False,
        "currency": session["currency"],
        "lookup_key": None,
        "metadata": {},
        "type": "recurring",
        "unit_amount": session["amount_subtotal"],
    }
    item = {
        "id": "si_1",
        "object": "subscription_item",
        "created": now,
        "current_period_end": now + MONTH,
        "current_period_start": now,
        "price": price,
        "quantity": 1,
    }
    return {
        "object": "subscription",
        "cancel_at": None,
        "cancel_at_period_end": False,
        "created": now,
        "currency": session["currency"],
        "customer": session["customer"],
        "items": list_of("/v1/subscription_items", [item]),
        "metadata": session["metadata"],
        "status": "active",
    }


def invoice(subscription: Document, reason: str, *, paid: bool) -> Document:
    price = subscription["items"]["data"][0]["price"]
    return {
        "object": "invoice",
        "billing_reason": reason,
        "created": int(time.time()),
        "currency": price["currency"],
        "customer": subscription["customer"],
        "livemode": False,
        "parent": {
            "type": "subscription_details",
            "quote_details": None,
            "subscription_details": {"subscription": subscription["id"], "metadata": subscription["metadata"]},
        },
        "status": "paid" if paid else "open",
        "subtotal": price["unit_amount"],
        "total": price["unit_amount"],
        "total_taxes": [],
    }


def invoice_payment(invoice: Document, intent: str, *, paid: bool) -> Document:
    return {
        "object": "invoice_payment",
        "amount_paid": invoice["total"] if paid else None,
        "amount_requested": invoice["total"],
        "created": invoice["created"],
        "currency": invoice["currency"],
        "invoice": invoice["id"],
        "is_default": True,
        "livemode": False,
        "payment": {"type": "payment_intent", "payment_intent": intent},
        "status": "paid" if paid else "open",
    }


def portal(asked: Document) -> Document:
    return {
        "object": "billing_portal.session",
        "created": int(time.time()),
        "customer": asked["customer"],
        "livemode": False,
        "return_url": asked["return_url"],
        "url": "https://billing.stripe.example/portal",
    }
