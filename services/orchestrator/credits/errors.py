"""What is refused about credits, and why."""

from services.kit.errors import PaymentRequired


class InsufficientCredits(PaymentRequired):
    code = "insufficient_credits"
    title = "Not enough credits"


class PreviewAllowanceExhausted(PaymentRequired):
    code = "preview_allowance_exhausted"
    title = "Today's free previews are used up"
