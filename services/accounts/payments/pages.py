"""What pages for people look like, without scripts, and the one that a provider sends people back to."""

import base64
import hashlib
from html import escape

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from services.accounts.dependencies import AccountsDep
from services.accounts.payments.errors import ProviderUnavailable
from services.accounts.payments.models import Checkout
from services.accounts.payments.service import CheckoutStatus
from services.kit.schemas import CheckoutId

router = APIRouter(include_in_schema=False)

STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 28rem; margin: 12vh auto 0; padding: 0 1.5rem; }
h1 { font-size: 1.4rem; margin: 0 0 1rem; }
.amount { font-size: 2.2rem; font-weight: 600; margin: 0.5rem 0 1.5rem; }
.note { opacity: 0.7; font-size: 0.9rem; }
form { display: grid; gap: 0.7rem; margin: 1.5rem 0; }
button { font: inherit; padding: 0.7rem; border: 1px solid #8888; border-radius: 0.5rem; background: none;
  color: inherit; cursor: pointer; }
button.pay { background: #2456d6; border-color: #2456d6; color: #fff; font-weight: 600; }
button:focus-visible, a:focus-visible { outline: 3px solid #7aa2ff; outline-offset: 2px; }
"""

_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
# Stricter than the gateway's own: one style sheet by its hash, forms to us, and nothing else.
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


@router.get("/billing/return/{checkout_id}")
def show_return(checkout_id: CheckoutId, accounts: AccountsDep) -> HTMLResponse:
    """Where a provider sends the person back to, which is as good a reason as a webhook to look what happened."""
    try:
        checkout = accounts.payments.look(checkout_id)
    except ProviderUnavailable:
        title, body = "Thank you", "<p>We are still waiting for word of your payment. Look again in a minute.</p>"
    else:
        title, body = _told(checkout)
    return page(title, f'{body}<p><a href="/credits">Your credits</a></p>')


def _told(checkout: Checkout) -> tuple[str, str]:
    name = escape(checkout.name)
    match CheckoutStatus(checkout.status):
        case CheckoutStatus.PAID:
            return "Paid. Thank you!", f"<p>{name}: the credits are yours.</p>"
        case CheckoutStatus.PROCESSING:
            return "Thank you", "<p>Your bank is at work. The credits come as soon as it is done.</p>"
        case CheckoutStatus.FAILED:
            return "The payment failed", f"<p>{name} was not bought.</p>"
        case CheckoutStatus.EXPIRED:
            return "The checkout has expired", f"<p>{name} was not bought.</p>"
    link = f'<p><a href="{escape(checkout.url)}">Go on with the payment</a></p>' if checkout.url else ""
    return "Not paid yet", f"<p>{name} is waiting to be paid.</p>{link}"


def page(title: str, body: str) -> HTMLResponse:
    """A page for people; `title` and `body` are HTML."""
    return HTMLResponse(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>'
        f"<style>{STYLE}</style></head><body><main><h1>{title}</h1>{body}</main></body></html>",
        headers={"content-security-policy": POLICY, "cache-control": "no-store"},
    )
