"""Signing up, and proving an address."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body
from fastapi.responses import JSONResponse

from services.accounts.dependencies import AccountsDep, OriginDep
from services.accounts.sessions.errors import TooManySignIns
from services.accounts.users import emails
from services.accounts.users.emails import registrant
from services.accounts.users.errors import LinkNotValid, TooManyMails
from services.accounts.users.roles import Role
from services.accounts.users.schemas import (
    EXAMPLE_MAIL_TOKEN,
    EmailVerification,
    Registration,
    RegistrationIdentity,
    UserView,
)
from services.kit.dependencies import IdempotencyKey
from services.kit.errors import answers
from services.kit.idempotency import IdempotencyConflict, IdempotencyInProgress, idempotent
from services.kit.schemas import examples

router = APIRouter(tags=["accounts"])

_REGISTRATION = {"email": "ada@example.com", "password": "a long pass phrase", "display_name": "Ada"}


@router.post(
    "/v1/auth/register",
    summary="Sign up",
    status_code=201,
    response_model=UserView,
    responses=answers(IdempotencyInProgress, IdempotencyConflict, TooManyMails, TooManySignIns),
)
def register(
    body: Annotated[Registration, Body(openapi_examples=examples(_REGISTRATION))],
    accounts: AccountsDep,
    origin: OriginDep,
    idempotency_key: IdempotencyKey = None,
) -> JSONResponse:
    """Has a mail sent to the address; whoever reads it makes the account with `verify-email`, and then signs in.

    The answer is the same where somebody has this address here already: they get a mail that says so. On one machine
    without a mail server there is an account at once. Sign up again where no mail came, or its link is too old.
    """
    email = body.address()
    new = accounts.users.prepare(email, body.password, body.display_name)

    def respond(account_id: str) -> tuple[int, dict[str, Any]]:
        made = UserView(
            id=account_id,
            email=email.address,
            email_verified=False,
            display_name=body.display_name,
            roles=[Role.USER],
            low_credits_threshold=None,
            created_at=datetime.now(UTC),
        )
        return 201, made.model_dump(mode="json")

    return idempotent(
        accounts.database,
        account_id=registrant(email.key),
        key=idempotency_key,
        operation="register",
        body=RegistrationIdentity(
            email_key=email.key,
            password_digest=accounts.keys.digest_of_secret(body.password),
            display_name=body.display_name,
        ),
        create=lambda session: accounts.sign_up.register(session, new, origin),
        respond=respond,
    )


@router.post(
    "/v1/auth/verify-email",
    summary="Prove an address, or ask for the mail again",
    status_code=204,
    responses=answers(LinkNotValid, TooManyMails, TooManySignIns),
)
def verify_email(
    body: Annotated[
        EmailVerification,
        Body(openapi_examples=examples({"email": "ada@example.com"}, with_a_token={"token": EXAMPLE_MAIL_TOKEN})),
    ],
    accounts: AccountsDep,
    origin: OriginDep,
) -> None:
    """With the `token` of a mail: the address is proved, and there is an account with its credits; or an account has
    the new address that it asked for, or its old one again.

    With an `email`: the mail is sent again where an account has this address, which was not proved yet. The answer does
    not tell whether there is. Before there is an account, sign up again: each link is of the password that was sent
    with it.
    """
    if body.token is not None:
        if not accounts.email_changes.use(body.token, origin):
            with accounts.database.write() as session:
                accounts.sign_up.verify(session, body.token, origin)
    elif body.email is not None:
        accounts.sign_up.ask_again(emails.parse(body.email), origin)
