"""Stripe, by its own SDK: packs by Checkout in mode `payment`, plans in mode `subscription`, the customer portal.

Prices are ours and go along with each session (`price_data`), so nothing has to be set up at Stripe but a webhook. The
SDK pins the version of Stripe's interface; what a webhook carries may be of another, and only its ids are used.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.accounts.payments.errors import ProviderUnavailable, RefundRefused, WrongSignature
from services.accounts.payments.prices import PriceKind
from services.accounts.payments.providers import (
    DisputeState,
    EventPage,
    Order,
    ProviderCharge,
    ProviderDispute,
    ProviderEvent,
    ProviderInvoice,
    ProviderRefund,
    ProviderSession,
    ProviderSubscription,
    Refunded,
    SessionState,
    SubscriptionState,
    Taking,
)
from services.accounts.payments.stripe_objects import (
    FAILED_REFUNDS,
    SUBJECTS,
    Document,
    dispute_state,
    event_of,
    id_of,
    invoice_of,
    refunded_by,
    session_of,
    subscription_of,
)
from services.kit.errors import StemwrightError

log = logging.getLogger(__name__)

ANSWER_SECONDS = 10.0
"""For connecting, and then for each piece of an answer; most take a tenth of it. A person waits for it."""
NETWORK_RETRIES = 1
PAGE = 100
"""Of a list: the most that Stripe gives at once."""


_TAKEN_BACK = (DisputeState.OPEN, DisputeState.LOST)


@dataclass(frozen=True)
class StripeOptions:
    secret_key: str
    webhook_secret: str
    webhook_tolerance_seconds: int
    api_url: str
    automatic_tax: bool
    tax_ids: bool
    invoices: bool


class Stripe:
    name = "stripe"

    def __init__(self, options: StripeOptions) -> None:
        """Raises ModuleNotFoundError where the extra `stripe` is not installed."""
        from stripe import StripeClient, new_default_http_client

        self._options = options
        self._client = StripeClient(
            options.secret_key,
            base_addresses={"api": options.api_url},
            max_network_retries=NETWORK_RETRIES,
            http_client=new_default_http_client(timeout=ANSWER_SECONDS),
        )

    def open(self, order: Order) -> ProviderSession:
        made = self._ask(
            "a checkout",
            lambda: self._client.v1.checkout.sessions.create(
                self._session_of(order), {"idempotency_key": order.checkout_id}
            ),
        )
        return session_of(made)

    def session(self, session_id: str) -> ProviderSession:
        return session_of(
            self._ask(
                "a checkout",
                lambda: self._client.v1.checkout.sessions.retrieve(session_id, {"expand": ["payment_intent"]}),
            )
        )

    def expire(self, session_id: str) -> None:
        if self.session(session_id).state is SessionState.OPEN:
            self._ask("the end of a checkout", lambda: self._client.v1.checkout.sessions.expire(session_id))

    def event(self, body: bytes, signature: str | None) -> ProviderEvent:
        from stripe import SignatureVerificationError

        try:
            told = self._client.construct_event(
                body, signature, self._options.webhook_secret, self._options.webhook_tolerance_seconds
            )
            return event_of(told.to_dict())
        # Whatever cannot be read was not signed by Stripe.
        except (SignatureVerificationError, ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("a webhook is refused: %s", type(error).__name__)
            raise WrongSignature from None

    def events(self, since: datetime, until: datetime, after: str | None) -> EventPage:
        asked: dict[str, Any] = {"types": list(SUBJECTS), "created": _between(since, until), "limit": PAGE}
        if after is not None:
            asked["starting_after"] = after
        found = self._ask("its events", lambda: self._client.v1.events.list(asked))
        return EventPage([event_of(one) for one in found["data"]], _next(found))

    def subscription(self, subscription_id: str) -> ProviderSubscription:
        found = self._ask("a subscription", lambda: self._client.v1.subscriptions.retrieve(subscription_id))
        return subscription_of(found)

    def invoice(self, invoice_id: str) -> ProviderInvoice:
        found = self._ask("an invoice", lambda: self._client.v1.invoices.retrieve(invoice_id, {"expand": ["payments"]}))
        return invoice_of(found)

    def charge(self, charge_id: str) -> ProviderCharge:
        found = self._ask(
            "a charge", lambda: self._client.v1.charges.retrieve(charge_id, {"expand": ["payment_intent"]})
        )
        intent = found["payment_intent"] or {}
        checkout_id = (intent.get("metadata") or {}).get("checkout_id")
        return ProviderCharge(
            payment_ref=intent.get("id", found["id"]),
            refunded=self._refunded(found["id"]),
            checkout_id=checkout_id,
            invoice_id=None if checkout_id or not intent else self._invoice_of(intent["id"]),
        )

    def made_refund(self, name: str) -> ProviderRefund:
        found = self._ask("a refund", lambda: self._client.v1.refunds.retrieve(name))
        return ProviderRefund(
            refund_id=(found.get("metadata") or {}).get("refund_id"),
            has_failed=found["status"] in FAILED_REFUNDS,
            charge=self.charge(id_of(found["charge"]) or ""),
        )

    def dispute(self, dispute_id: str) -> ProviderDispute:
        found = self._ask("a dispute", lambda: self._client.v1.disputes.retrieve(dispute_id))
        return ProviderDispute(
            id=found["id"],
            state=dispute_state(found["status"]),
            charge=self.charge(id_of(found["charge"]) or ""),
        )

    def refund(self, payment_ref: str, amount_minor: int, refund_id: str) -> Refunded:
        # A key is forgotten after a day or so; what it made is still there then, and names the refund.
        made = list(self._pages("refunds", self._client.v1.refunds.list, {"payment_intent": payment_ref}))
        ours = next((one for one in made if (one.get("metadata") or {}).get("refund_id") == refund_id), None)
        if ours is None:
            asked: dict[str, Any] = {
                "payment_intent": payment_ref,
                "amount": amount_minor,
                "metadata": {"refund_id": refund_id},
            }
            ours = self._ask(
                "a refund",
                lambda: self._client.v1.refunds.create(asked, {"idempotency_key": refund_id}),
                refusal=RefundRefused,
            )
            made.append(ours)
        if ours["status"] in FAILED_REFUNDS:
            raise RefundRefused
        return refunded_by(made)

    def takings(self, since: datetime, until: datetime) -> Iterator[Taking]:
        charges = self._pages("its charges", self._client.v1.charges.list, {"created": _between(since, until)})
        return (self._taking(charge) for charge in charges if charge["paid"])

    def taking(self, payment_ref: str) -> Taking | None:
        charges = self._pages("a charge", self._client.v1.charges.list, {"payment_intent": payment_ref})
        return next((self._taking(charge) for charge in charges if charge["paid"]), None)

    def portal(self, customer_id: str, return_url: str) -> str:
        made = self._ask(
            "the portal",
            lambda: self._client.v1.billing_portal.sessions.create({"customer": customer_id, "return_url": return_url}),
        )
        return str(made["url"])

    def end_subscription(self, subscription_id: str) -> None:
        if self.subscription(subscription_id).state is not SubscriptionState.ENDED:
            self._ask("the end of a subscription", lambda: self._client.v1.subscriptions.cancel(subscription_id))

    def _refunded(self, charge_id: str) -> Refunded:
        # Not the charge's own sum, which does not say what of it has failed.
        return refunded_by(self._pages("refunds", self._client.v1.refunds.list, {"charge": charge_id}))

    def _taking(self, charge: Document) -> Taking:
        disputes: Iterator[Document] = iter(())
        if charge["disputed"]:
            disputes = self._pages("disputes", self._client.v1.disputes.list, {"charge": charge["id"]})
        refunded = self._refunded(charge["id"]) if charge["amount_refunded"] else Refunded()
        return Taking(
            payment_ref=id_of(charge["payment_intent"]) or charge["id"],
            currency=charge["currency"],
            paid_minor=charge["amount_captured"],
            refunded_minor=refunded.sent_minor - refunded.failed_minor,
            disputed=any(dispute_state(one["status"]) in _TAKEN_BACK for one in disputes),
        )

    def _pages(self, what: str, call: Callable[[Any], Any], asked: Mapping[str, Any]) -> Iterator[Document]:
        """All objects of a list, asked for a page at a time."""
        after: dict[str, Any] = {}
        while True:
            params = {**asked, "limit": PAGE, **after}
            found = self._ask(what, lambda params=params: call(params))  # type: ignore[misc]  # bound as it is now
            yield from found["data"]
            following = _next(found)
            if following is None:
                return
            after = {"starting_after": following}

    def _invoice_of(self, payment_intent: str) -> str | None:
        found = self._ask(
            "the invoice of a payment",
            lambda: self._client.v1.invoice_payments.list(
                {"payment": {"type": "payment_intent", "payment_intent": payment_intent}, "limit": 1}
            ),
        )
        return next((id_of(entry["invoice"]) for entry in found["data"]), None)

    def _session_of(self, order: Order) -> dict[str, Any]:
        price, options = order.price, self._options
        named = {"checkout_id": order.checkout_id, "account_id": order.account_id, "price_id": price.id}
        price_data: dict[str, Any] = {
            "currency": price.currency,
            "unit_amount": price.amount_minor,
            "product_data": {"name": price.name},
        }
        asked: dict[str, Any] = {
            "client_reference_id": order.account_id,
            "metadata": named,
            "line_items": [{"quantity": 1, "price_data": price_data}],
            "success_url": order.return_url,
            "cancel_url": order.return_url,
            "expires_at": int(order.expires_at.timestamp()),
        }
        if price.kind is PriceKind.PLAN:
            price_data["recurring"] = {"interval": "month"}
            asked |= {"mode": "subscription", "subscription_data": {"metadata": named}}
        else:
            asked |= {"mode": "payment", "payment_intent_data": {"metadata": named}}
            if options.invoices:
                asked["invoice_creation"] = {"enabled": True}
        if order.customer_id is not None:
            asked["customer"] = order.customer_id
        elif order.email:
            asked["customer_email"] = order.email
        if options.automatic_tax:
            asked["automatic_tax"] = {"enabled": True}
        if options.tax_ids:
            asked["tax_id_collection"] = {"enabled": True}
        if order.customer_id is not None and (options.automatic_tax or options.tax_ids):
            asked["customer_update"] = {"address": "auto", "name": "auto"}
        return asked

    def _ask(
        self, what: str, call: Callable[[], Any], refusal: type[StemwrightError] = ProviderUnavailable
    ) -> dict[str, Any]:
        """`refusal` is what is raised where Stripe answers that it will not."""
        from stripe import InvalidRequestError, StripeError

        try:
            answer: dict[str, Any] = call().to_dict()
        except StripeError as error:
            # Its words may repeat what a person wrote; its code and the number of the request do not.
            log.warning(
                "Stripe does not give %s: %s %s (request %s)",
                what, type(error).__name__, error.code or "", error.request_id,
            )  # fmt: skip
            raise (refusal if isinstance(error, InvalidRequestError) else ProviderUnavailable) from None
        return answer


def _between(since: datetime, until: datetime) -> dict[str, int]:
    return {"gte": int(since.timestamp()), "lt": int(until.timestamp())}


def _next(found: Document) -> str | None:
    """Where the page after this one begins."""
    return str(found["data"][-1]["id"]) if found["has_more"] and found["data"] else None
