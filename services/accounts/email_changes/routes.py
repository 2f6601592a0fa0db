"""The account's address."""

from typing import Annotated

from fastapi import APIRouter, Body

from services.accounts.dependencies import AccountOwner, AccountsDep, OriginDep
from services.accounts.email_changes.schemas import EmailChangeView, EmailView, NewEmail
from services.accounts.sessions.errors import TooManyGuesses, TooManySignIns, WrongPassword
from services.accounts.users import emails
from services.accounts.users.errors import TooManyMails
from services.kit.errors import answers
from services.kit.schemas import examples

router = APIRouter(prefix="/v1/me/email", tags=["accounts"])


@router.get("", summary="Get your address")
def get_email(accounts: AccountsDep, owner: AccountOwner) -> EmailView:
    """The account's address, and changes of it that wait for their proof or can be taken back."""
    with accounts.database.read() as session:
        user = accounts.users.get(session, owner.account_id)
        found = accounts.email_changes.list_of(session, owner.account_id)
        return EmailView.of(user, [EmailChangeView.of(change) for change in found])


@router.post(
    "",
    summary="Change your address",
    status_code=204,
    responses=answers(WrongPassword, TooManyGuesses, TooManyMails, TooManySignIns),
)
def change_email(
    body: Annotated[
        NewEmail, Body(openapi_examples=examples({"email": "ada@new.example.com", "password": "a long pass phrase"}))
    ],
    accounts: AccountsDep,
    owner: AccountOwner,
    origin: OriginDep,
) -> None:
    """Sends a mail to the new address; its token makes it the account's (`verify-email`), within a day and as long as
    the sign-in that asks is open.

    The present address is told. The answer does not tell whether somebody has the new one here. Once it is changed
    everybody else who is signed in is signed out, and a mail to the old address holds a token that takes the change
    back, for seven days.
    """
    accounts.email_changes.ask(owner.account_id, owner.grant_id, body.password, emails.parse(body.email), origin)
