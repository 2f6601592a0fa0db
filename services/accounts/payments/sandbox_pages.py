"""The sandbox's cashier, where a tester lets time pass for a plan, and where they are the payer's bank: pages without
scripts, whose address is the secret."""

from collections.abc import Sequence
from html import escape
from typing import Annotated, Literal

from fastapi import APIRouter, Form
from fastapi.responses import HTMLResponse, RedirectResponse

from services.accounts.accounts import Accounts
from services.accounts.dependencies import AccountsDep
from services.accounts.payments.amounts import amount_text
from services.accounts.payments.errors import CheckoutNotFound
from services.accounts.payments.pages import page
from services.accounts.payments.providers import DisputeState, ProviderEvent, SessionState, SubscriptionState
from services.accounts.payments.sandbox import Sandbox
from services.accounts.payments.sandbox_models import SandboxSession
from services.accounts.payments.sandbox_repository import PAGE_PATH
from services.accounts.payments.sandbox_tester import ChargePage
from services.kit.schemas import SandboxSessionId

router = APIRouter(include_in_schema=False)

NO_MONEY = '<p class="note">This is a rehearsal: no money moves, whatever you choose.</p>'
CHECKOUT_OUTCOMES = {"pay": SessionState.PAID, "fail": SessionState.FAILED, "expire": SessionState.EXPIRED}
OfCheckout = Literal["pay", "fail", "expire"]
OfPlan = Literal["renew", "fail-renewal", "pay-overdue", "end-with-period", "end"]
OfPayment = Literal["dispute", "win-dispute", "lose-dispute", "fail-refunds"]
Outcome = OfCheckout | OfPlan | OfPayment


@router.get(f"{PAGE_PATH}/{{session_id}}")
def show_sandbox(session_id: SandboxSessionId, accounts: AccountsDep) -> HTMLResponse:
    """The sandbox's cashier, the page of what was paid, or that of a plan."""
    sandbox = _sandbox(accounts)
    paid = sandbox.tester.charge_page(session_id)
    if paid is not None:
        return _charge_page(paid)
    checkout = sandbox.tester.page(session_id)
    return _plan_page(sandbox, session_id) if checkout is None else _checkout_page(*checkout)


@router.post(f"{PAGE_PATH}/{{session_id}}")
def decide_in_sandbox(
    session_id: SandboxSessionId, outcome: Annotated[Outcome, Form()], accounts: AccountsDep
) -> RedirectResponse:
    """What the tester has pressed; the sandbox then tells us, as another provider's webhook would."""
    sandbox = _sandbox(accounts)
    told: Sequence[ProviderEvent]
    if outcome in CHECKOUT_OUTCOMES:
        checkout, told = sandbox.tester.decide(session_id, CHECKOUT_OUTCOMES[outcome])
        to = checkout.return_url
    else:
        told = _press(sandbox, session_id, outcome)
        to = f"{PAGE_PATH}/{session_id}"
    for event in told:
        accounts.webhooks.hear(sandbox, event)
    return RedirectResponse(to, 303, {"cache-control": "no-store"})


def _press(sandbox: Sandbox, page_id: str, outcome: Outcome) -> Sequence[ProviderEvent]:
    match outcome:
        case "renew" | "fail-renewal":
            return sandbox.tester.renew(page_id, succeeds=outcome == "renew")
        case "pay-overdue":
            return sandbox.tester.pay_overdue(page_id)
        case "dispute":
            return sandbox.tester.dispute(page_id)
        case "win-dispute" | "lose-dispute":
            return sandbox.tester.end_dispute(page_id, won=outcome == "win-dispute")
        case "fail-refunds":
            return sandbox.tester.fail_refunds(page_id)
        case _:
            return sandbox.tester.end(page_id, at_once=outcome == "end")


def _checkout_page(found: SandboxSession, state: SessionState) -> HTMLResponse:
    amount = escape(amount_text(found.amount_minor, found.currency))
    if state is not SessionState.OPEN:
        return page("This checkout is over", f'<p><a href="{escape(found.return_url)}">Go on</a></p>')
    buttons = _form(pay=f"Pay {amount}", fail="Let the payment fail", expire="Let the checkout expire")
    return page("Sandbox checkout", f'<p>{escape(found.name)}</p><p class="amount">{amount}</p>{NO_MONEY}{buttons}')


def _charge_page(paid: ChargePage) -> HTMLResponse:
    amount = escape(amount_text(paid.charge.amount_minor, paid.charge.currency))
    texts, buttons = [f"Paid on {paid.charge.paid_at:%Y-%m-%d}."], {}
    if paid.refunded_minor:
        texts.append(f"{escape(amount_text(paid.refunded_minor, paid.charge.currency))} was paid back.")
        buttons["fail-refunds"] = "Let the bank not take what was paid back"
    match paid.dispute:
        case DisputeState.OPEN:
            texts.append("It is disputed.")
            buttons |= {"win-dispute": "Win the dispute", "lose-dispute": "Lose the dispute"}
        case DisputeState.LOST:
            texts.append("The dispute was lost.")
        case _:
            buttons["dispute"] = "Let the payer dispute it"
    form = _form(**buttons) if buttons else ""
    return page("Sandbox payment", f'<p class="amount">{amount}</p><p>{" ".join(texts)}</p>{NO_MONEY}{form}')


def _plan_page(sandbox: Sandbox, subscription_id: str) -> HTMLResponse:
    found, state = sandbox.tester.plan_page(subscription_id)
    amount = escape(amount_text(found.amount_minor, found.currency))
    head = f'<p>{escape(found.name)}</p><p class="amount">{amount}</p>'
    until = f"{found.period_ends_at:%Y-%m-%d}"
    paid = "".join(
        f'<li><a href="{PAGE_PATH}/{charge.id}">Paid on {charge.paid_at:%Y-%m-%d}</a></li>'
        for charge in sandbox.tester.charges_of(subscription_id)
    )
    if state is SubscriptionState.ENDED:
        return page("This plan has ended", f"{head}<ul>{paid}</ul>")
    if found.ends_with_period:
        text, buttons = f"It ends on {until}.", _form(renew="Let the month pass", end="End it now")
    elif state is SubscriptionState.OVERDUE:
        text, buttons = "A renewal was not paid.", _form(**{"pay-overdue": f"Pay {amount}", "end": "End it now"})
    else:
        text = f"It is paid until {until}."
        buttons = _form(
            **{
                "renew": "Let a month pass, and the renewal succeed",
                "fail-renewal": "Let a month pass, and the renewal fail",
                "end-with-period": "End it with this month",
                "end": "End it now",
            }
        )
    return page("Sandbox plan", f"{head}<p>{text}</p>{NO_MONEY}{buttons}<ul>{paid}</ul>")


def _form(**labels: str) -> str:
    """Buttons by the outcome that they ask for; paying stands out."""
    buttons = [
        f'<button{" class=pay" if outcome.startswith("pay") else ""} name="outcome" value="{outcome}">{label}</button>'
        for outcome, label in labels.items()
    ]
    return f'<form method="post">{"".join(buttons)}</form>'


def _sandbox(accounts: Accounts) -> Sandbox:
    provider = accounts.payments.provider
    if not isinstance(provider, Sandbox):
        raise CheckoutNotFound
    return provider
