"""A small double of Stripe, for the real SDK: it keeps state, and says which events Stripe would send.

It knows what the platform uses and nothing else; another path is 404. What it answers is checked against the types
of the SDK: no field that its classes do not have, none of another type, and none missing that is always there.
"""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from tests.services.accounts.payments.stripe import documents
from tests.services.accounts.payments.stripe.documents import MONTH, Document
from tests.services.accounts.payments.stripe.sdk_types import checked

PAGE_SIZE = 3
"""Of lists: few, so that every test of a list goes over pages."""


@dataclass
class StripeDouble:
    """The state, and what people and banks do. Each action returns the events that Stripe would send of it."""

    objects: dict[str, Document] = field(default_factory=dict)
    made: dict[str, str] = field(default_factory=dict)
    """Ids by idempotency key."""
    calls: list[tuple[str, str, Document]] = field(default_factory=list)
    """Method, path and parameters of each request."""
    told: list[Document] = field(default_factory=list)
    """Every event, whether or not anybody heard of it."""
    clock: Callable[[], float] = time.time
    is_away: bool = False
    url: str = ""
    lock: threading.RLock = field(default_factory=threading.RLock)
    count: int = 0

    def pay(self, session_id: str, *, later: bool = False) -> list[Document]:
        """Somebody pays a checkout; `later`, by a bank that takes its time."""
        session = self.objects[session_id]
        session["customer"] = session["customer"] or self._add("cus", documents.customer())["id"]
        session |= {"status": "complete", "url": None, "payment_status": "unpaid" if later else "paid"}
        if session["mode"] == "subscription":
            subscription = self._begin_subscription(session)
            invoice = self._invoice(subscription, "subscription_create")
            session |= {"subscription": subscription["id"], "invoice": invoice["id"]}
            return [
                self.event("customer.subscription.created", subscription),
                self.event("invoice.paid", invoice),
                self.event("checkout.session.completed", session),
            ]
        intent = self._add("pi", documents.intent("processing" if later else "succeeded", session["metadata"]))
        session["payment_intent"] = intent["id"]
        if not later:
            self._charge(intent["id"], session["amount_total"], session["currency"])
        return [self.event("checkout.session.completed", session)]

    def clear(self, session_id: str, *, succeeds: bool) -> list[Document]:
        """The bank that took its time is done."""
        session = self.objects[session_id]
        intent = self.objects[session["payment_intent"]]
        intent["status"] = "succeeded" if succeeds else "requires_payment_method"
        if not succeeds:
            return [self.event("checkout.session.async_payment_failed", session)]
        session["payment_status"] = "paid"
        self._charge(intent["id"], session["amount_total"], session["currency"])
        return [self.event("checkout.session.async_payment_succeeded", session)]

    def expire(self, session_id: str) -> list[Document]:
        session = self.objects[session_id]
        session |= {"status": "expired", "url": None}
        return [self.event("checkout.session.expired", session)]

    def renew(self, subscription_id: str, *, succeeds: bool = True) -> list[Document]:
        """A month later."""
        subscription = self.objects[subscription_id]
        item = subscription["items"]["data"][0]
        item["current_period_end"] += MONTH
        invoice = self._invoice(subscription, "subscription_cycle", paid=succeeds)
        subscription["status"] = "active" if succeeds else "past_due"
        kind = "invoice.paid" if succeeds else "invoice.payment_failed"
        return [self.event("customer.subscription.updated", subscription), self.event(kind, invoice)]

    def change(self, subscription_id: str, **changes: Any) -> list[Document]:
        """What somebody does in the portal."""
        subscription = self.objects[subscription_id]
        if "price" in changes:
            subscription["items"]["data"][0]["price"] |= changes.pop("price")
        subscription |= changes
        kind = "deleted" if subscription["status"] == "canceled" else "updated"
        return [self.event(f"customer.subscription.{kind}", subscription)]

    def refund(self, payment_intent: str, amount: int, metadata: Document | None = None) -> list[Document]:
        charge = self.charge_of(payment_intent)
        charge["amount_refunded"] += amount
        charge["refunded"] = charge["amount_refunded"] == charge["amount"]
        self._add("re", documents.refund(amount, metadata or {}, charge))
        return [self.event("charge.refunded", charge)]

    def fail_refund(self, refund_id: str) -> list[Document]:
        """The bank does not take it, days later."""
        refund = self.objects[refund_id]
        refund |= {"status": "failed", "failure_reason": "expired_or_canceled_card"}
        charge = self.objects[refund["charge"]]
        charge["amount_refunded"] -= refund["amount"]
        charge["refunded"] = False
        return [self.event("refund.updated", refund), self.event("refund.failed", refund)]

    def dispute(self, payment_intent: str) -> list[Document]:
        charge = self.charge_of(payment_intent)
        charge["disputed"] = True
        return [self.event("charge.dispute.created", self._add("dp", documents.dispute(charge)))]

    def decide(self, dispute_id: str, status: str) -> list[Document]:
        dispute = self.objects[dispute_id]
        dispute["status"] = status
        return [self.event("charge.dispute.closed", dispute)]

    def charge_of(self, payment_intent: str) -> Document:
        charges = (one for one in self.objects.values() if one["object"] == "charge")
        return next(one for one in charges if one["payment_intent"] == payment_intent)

    def only(self, prefix: str) -> Document:
        """The one object of this kind."""
        (found,) = [one for name, one in self.objects.items() if name.startswith(f"{prefix}_")]
        return found

    def event(self, kind: str, about: Document) -> Document:
        """An event with a copy of its object as it is now, as Stripe sends it."""
        self.count += 1
        made = checked(
            {
                "id": f"evt_{self.count}",
                "object": "event",
                "api_version": "2020-08-27",
                "created": int(self.clock()),
                "data": {"object": json.loads(json.dumps(about))},
                "livemode": False,
                "pending_webhooks": 1,
                "request": None,
                "type": kind,
            }
        )
        self.told.append(made)
        return made

    def answer(self, method: str, path: str, asked: Document, key: str | None) -> tuple[int, Document]:
        """One request to `/v1/...`."""
        self.calls.append((method, path, asked))
        for verb, pattern, respond in self._routes():
            match = re.fullmatch(pattern, path)
            if verb == method and match is not None:
                if key is not None and key in self.made:
                    return 200, self.objects[self.made[key]]
                answer = respond(asked, *match.groups())
                if answer is None:
                    return 404, error("resource_missing")
                if key is not None:
                    self.made[key] = answer["id"]
                return 200, checked(answer)
        return 404, error("unknown_path")

    def _routes(self) -> Iterator[tuple[str, str, Callable[..., Document | None]]]:
        yield "POST", "/v1/checkout/sessions", self._open_session
        yield "GET", "/v1/checkout/sessions/(.+)", self._get
        yield "POST", "/v1/checkout/sessions/(.+)/expire", self._expire
        yield "GET", "/v1/subscriptions/(.+)", self._get
        yield "DELETE", "/v1/subscriptions/(.+)", self._cancel
        yield "GET", "/v1/invoices/(.+)", self._get
        yield "GET", "/v1/charges", self._lists("charge")
        yield "GET", "/v1/charges/(.+)", self._get
        yield "GET", "/v1/refunds", self._lists("refund")
        yield "GET", "/v1/refunds/(.+)", self._get
        yield "POST", "/v1/refunds", self._make_refund
        yield "GET", "/v1/disputes", self._lists("dispute")
        yield "GET", "/v1/events", self._events
        yield "GET", "/v1/disputes/(.+)", self._get
        yield "GET", "/v1/invoice_payments", self._invoice_payments
        yield "POST", "/v1/billing_portal/sessions", self._portal

    def _open_session(self, asked: Document) -> Document:
        (line,) = asked["line_items"].values()
        price = line["price_data"]
        amount = int(price["unit_amount"])
        tax = amount // 5 if asked.get("automatic_tax") else 0
        return self._add("cs", documents.session(asked, price["currency"], amount, tax))

    def _get(self, asked: Document, name: str) -> Document | None:
        found = self.objects.get(name)
        if found is None:
            return None
        found = deepcopy(found)
        for expanded in (asked.get("expand") or {}).values():
            if isinstance(found.get(expanded), str):
                found[expanded] = self.objects[found[expanded]]
        return found

    def _expire(self, _asked: Document, name: str) -> Document | None:
        if self.objects[name]["status"] != "open":
            return None
        self.expire(name)
        return self.objects[name]

    def _lists(self, kind: str) -> Callable[[Document], Document]:
        def answer(asked: Document) -> Document:
            found = [one for one in self.objects.values() if one["object"] == kind]
            wanted = {name: asked[name] for name in ("payment_intent", "charge") if name in asked}
            found = [one for one in found if all(one[name] == value for name, value in wanted.items())]
            return _page(f"/v1/{kind}s", found, asked)

        return answer

    def _events(self, asked: Document) -> Document:
        wanted = set(asked["types"].values())
        return _page("/v1/events", [one for one in self.told if one["type"] in wanted], asked)

    def _make_refund(self, asked: Document) -> Document | None:
        charge = self.charge_of(asked["payment_intent"])
        if charge["amount_refunded"] + int(asked["amount"]) > charge["amount"] or charge["disputed"]:
            return None
        self.refund(asked["payment_intent"], int(asked["amount"]), asked["metadata"])
        return [one for one in self.objects.values() if one["object"] == "refund"][-1]

    def _cancel(self, _asked: Document, name: str) -> Document:
        self.objects[name]["status"] = "canceled"
        return self.objects[name]

    def _invoice_payments(self, asked: Document) -> Document:
        wanted = asked["payment"]["payment_intent"]
        found = [
            paid
            for one in self.objects.values()
            if one["object"] == "invoice"
            for paid in one["payments"]["data"]
            if paid["payment"]["payment_intent"] == wanted
        ]
        return documents.list_of("/v1/invoice_payments", found)

    def _portal(self, asked: Document) -> Document:
        return self._add("bps", documents.portal(asked))

    def _begin_subscription(self, session: Document) -> Document:
        return self._add("sub", documents.subscription(session))

    def _invoice(self, subscription: Document, reason: str, *, paid: bool = True) -> Document:
        price = subscription["items"]["data"][0]["price"]
        intent = self._add("pi", documents.intent("succeeded" if paid else "requires_payment_method", {}))
        if paid:
            self._charge(intent["id"], price["unit_amount"], price["currency"])
        invoice = self._add("in", documents.invoice(subscription, reason, paid=paid))
        entry = self._add("inpay", documents.invoice_payment(invoice, intent["id"], paid=paid))
        invoice["payments"] = documents.list_of("/v1/invoice_payments", [entry])
        return invoice

    def _charge(self, intent: str, amount: int, currency: str) -> Document:
        return self._add("ch", documents.charge(intent, amount, currency))

    def _add(self, prefix: str, made: Document) -> Document:
        self.count += 1
        made["id"] = f"{prefix}_{self.count}"
        if prefix == "cs":
            made["url"] = f"{self.url}/pay/{made['id']}"
        self.objects[made["id"]] = made
        return made


def _page(url: str, found: list[Document], asked: Document) -> Document:
    """A page of a list as Stripe gives it: the newest first."""
    created = {name: int(value) for name, value in asked.get("created", {}).items()}
    found = [one for one in reversed(found) if created.get("gte", 0) <= one["created"] < created.get("lt", 2**40)]
    ids = [one["id"] for one in found]
    start = ids.index(asked["starting_after"]) + 1 if "starting_after" in asked else 0
    size = min(int(asked["limit"]), PAGE_SIZE)
    page = documents.list_of(url, found[start : start + size])
    page["has_more"] = len(found) > start + size
    return page


def error(code: str) -> Document:
    return {"error": {"type": "invalid_request_error", "code": code, "message": "no"}}
