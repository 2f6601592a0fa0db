"""Turning the second factor on and off."""

from typing import Annotated

from fastapi import APIRouter, Body, Response

from services.accounts.dependencies import AccountOwner, AccountsDep, OriginDep
from services.accounts.second_factor import repository as factors
from services.accounts.second_factor.errors import SecondFactorAbsent, SecondFactorOn, WrongCode
from services.accounts.second_factor.schemas import (
    RecoveryCodes,
    SecondFactorCode,
    SecondFactorEnd,
    SecondFactorSetup,
    SecondFactorStart,
    SecondFactorView,
)
from services.accounts.sessions.errors import TooManyGuesses, TooManySignIns, WrongPassword
from services.kit.errors import answers
from services.kit.schemas import examples

router = APIRouter(prefix="/v1/me/second-factor", tags=["accounts"])


@router.get("", summary="Get your second factor")
def get_second_factor(accounts: AccountsDep, owner: AccountOwner) -> SecondFactorView:
    """Whether signing in takes a code besides the password."""
    with accounts.database.read() as session:
        found = factors.get(session, owner.account_id)
        enabled_at = None if found is None else found.enabled_at
        left = factors.recovery_codes_left(session, owner.account_id)
    return SecondFactorView(enabled=enabled_at is not None, enabled_at=enabled_at, recovery_codes_left=left)


@router.post(
    "",
    summary="Begin a second factor",
    status_code=201,
    responses=answers(WrongPassword, SecondFactorOn, TooManyGuesses, TooManySignIns),
)
def begin_second_factor(
    body: Annotated[SecondFactorStart, Body(openapi_examples=examples({"password": "a long pass phrase"}))],
    accounts: AccountsDep,
    owner: AccountOwner,
    origin: OriginDep,
    response: Response,
) -> SecondFactorSetup:
    """Makes a secret for an authenticator app (TOTP). Nothing changes before a code of the app is confirmed."""
    accounts.sessions.confirm_password(owner.account_id, body.password, origin)
    with accounts.database.write() as session:
        user = accounts.users.hold(session, owner.account_id)
        setup = accounts.second_factors.begin(session, user.id, user.email)
    response.headers["Cache-Control"] = "no-store"
    return SecondFactorSetup(secret=setup.secret, otpauth_url=setup.otpauth_url)


@router.post("/confirm", summary="Confirm the second factor", responses=answers(WrongCode, SecondFactorAbsent))
def confirm_second_factor(
    body: Annotated[SecondFactorCode, Body(openapi_examples=examples({"code": "123456"}))],
    accounts: AccountsDep,
    owner: AccountOwner,
    origin: OriginDep,
    response: Response,
) -> RecoveryCodes:
    """Turns it on: from now on signing in takes a code. Who is signed in stays so.

    Keep the recovery codes where the app is not: each signs in once when the app is lost.
    """
    wrong: WrongCode | None = None
    made: list[str] = []
    with accounts.database.write() as session:
        accounts.users.hold(session, owner.account_id)
        accounts.sessions.require_open(session, owner.account_id, owner.grant_id)
        try:
            made = accounts.second_factors.confirm(session, owner.account_id, body.code, origin)
        except WrongCode as error:
            wrong = error  # the count of wrong codes is committed
    if wrong is not None:
        raise wrong
    response.headers["Cache-Control"] = "no-store"
    return RecoveryCodes(recovery_codes=made)


@router.delete(
    "",
    summary="Remove the second factor",
    status_code=204,
    responses=answers(WrongPassword, WrongCode, SecondFactorAbsent, TooManyGuesses, TooManySignIns),
)
def remove_second_factor(
    body: Annotated[
        SecondFactorEnd, Body(openapi_examples=examples({"password": "a long pass phrase", "code": "123456"}))
    ],
    accounts: AccountsDep,
    owner: AccountOwner,
    origin: OriginDep,
) -> None:
    """Signing in takes the password alone again. Needs the password and a code; recovery codes go too."""
    accounts.sessions.confirm_password(owner.account_id, body.password, origin)
    with accounts.database.write() as session:
        accepted = accounts.second_factors.accepts(session, owner.account_id, body.code, origin)
        if accepted:
            accounts.second_factors.remove(session, owner.account_id, origin)
    if not accepted:
        raise WrongCode
