"""New passwords."""

from typing import Annotated

from fastapi import APIRouter, Body

from services.accounts.dependencies import AccountOwner, AccountsDep, OriginDep
from services.accounts.sessions.errors import TooManyGuesses, TooManySignIns, WrongPassword
from services.accounts.users import emails
from services.accounts.users.errors import LinkNotValid, TooManyMails
from services.accounts.users.schemas import EXAMPLE_MAIL_TOKEN, PasswordChange, PasswordReset, ResetRequest
from services.kit.errors import answers
from services.kit.schemas import examples

router = APIRouter(tags=["accounts"])


@router.post(
    "/v1/auth/password-reset",
    summary="Ask for a new password",
    status_code=204,
    responses=answers(TooManyMails),
)
def request_password_reset(
    body: Annotated[ResetRequest, Body(openapi_examples=examples({"email": "ada@example.com"}))],
    accounts: AccountsDep,
    origin: OriginDep,
) -> None:
    """Sends a mail with a token to the address, if somebody has it here. The answer does not tell."""
    accounts.password_changes.ask_reset(emails.parse(body.email), origin)


@router.post(
    "/v1/auth/password-reset/confirm",
    summary="Set a new password by mail",
    status_code=204,
    responses=answers(LinkNotValid, TooManySignIns),
)
def confirm_password_reset(
    body: Annotated[
        PasswordReset,
        Body(openapi_examples=examples({"token": EXAMPLE_MAIL_TOKEN, "password": "a long pass phrase"})),
    ],
    accounts: AccountsDep,
    origin: OriginDep,
) -> None:
    """Sets the password by the token of the mail, which works once, for an hour. Every sign-in ends; API keys stay."""
    accounts.password_changes.reset(body.token, body.password, origin)


@router.post(
    "/v1/me/password",
    summary="Change your password",
    status_code=204,
    responses=answers(WrongPassword, TooManyGuesses, TooManySignIns),
)
def change_password(
    body: Annotated[
        PasswordChange,
        Body(
            openapi_examples=examples(
                {"present_password": "a long pass phrase", "password": "another long pass phrase"}
            )
        ),
    ],
    accounts: AccountsDep,
    owner: AccountOwner,
    origin: OriginDep,
) -> None:
    """Needs the present one. Everybody else who is signed in to the account is signed out."""
    accounts.password_changes.change(owner.account_id, owner.grant_id, body.present_password, body.password, origin)
