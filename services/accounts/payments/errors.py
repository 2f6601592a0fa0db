"""Errors about payments."""

from services.kit.errors import Conflict, NotFound, StemwrightError, Unavailable


class CheckoutNotFound(NotFound):
    code = "checkout_not_found"
    title = "There is no such checkout"


class PaymentNotFound(NotFound):
    code = "payment_not_found"
    title = "There is no such payment"


class PaymentsOff(Conflict):
    code = "payments_off"
    title = "Nothing is sold here"


class TooManyCheckouts(Conflict):
    code = "too_many_checkouts"
    title = "Too many checkouts are open; pay one of them, or wait until they expire"


class ProviderUnavailable(Unavailable):
    """The provider does not answer, or refuses what we ask of it. Its own words are logged, and not told."""

    code = "payment_provider_unavailable"
    title = "Payments are not possible at the moment"


class ProviderNotFound(NotFound):
    code = "provider_not_found"
    title = "No such provider takes payments here"


class WrongSignature(StemwrightError):
    status = 400
    code = "wrong_signature"
    title = "This was not signed by the provider, or too long ago"


class NoSubscription(NotFound):
    code = "no_subscription"
    title = "This account has no plan that it pays for"


class AlreadySubscribed(Conflict):
    code = "already_subscribed"
    title = "This account has a plan already; POST /v1/billing/portal leads to where it is changed"


class RefundTooLarge(Conflict):
    code = "refund_too_large"
    title = "No more can be paid back than was paid and is not paid back yet"


class RefundRefused(Conflict):
    """The provider says no: the payment is disputed, or too old."""

    code = "refund_refused"
    title = "The payment provider does not pay this back"
