"""Erasing an account, and the receipt."""

from typing import Annotated

from fastapi import APIRouter, Body, Response

from services.accounts.administration.errors import LastAdmin
from services.accounts.dependencies import AccountOwner, AccountsDep, OriginDep
from services.accounts.erasure.errors import ErasureNotFound
from services.accounts.erasure.schemas import ErasureBegun, ErasureRequest, ErasureView, ReceiptToken
from services.accounts.erasure.service import receipt_url
from services.accounts.sessions.errors import TooManyGuesses, TooManySignIns, WrongPassword
from services.kit.errors import answers
from services.kit.schemas import examples

router = APIRouter(tags=["accounts"])


@router.delete(
    "/v1/me",
    summary="Erase yourself",
    status_code=202,
    responses=answers(WrongPassword, LastAdmin, TooManyGuesses, TooManySignIns),
)
def erase_me(
    body: Annotated[ErasureRequest, Body(openapi_examples=examples({"password": "another long pass phrase"}))],
    accounts: AccountsDep,
    owner: AccountOwner,
    origin: OriginDep,
    response: Response,
) -> ErasureBegun:
    """Closes the account for good and deletes what there is of it: profile, keys, songs, jobs, stems, feedback.

    Jobs that run are canceled, credits that are left are lost, and within five seconds no sign-in and no key of the
    account works any more. Everything else follows by itself; the receipt says what each service has deleted, and what
    is kept for how long.
    """
    accounts.sessions.confirm_password(owner.account_id, body.password, origin)
    with accounts.database.write() as session:
        accounts.administration.check_may_leave(session, owner.account_id)
        requested = accounts.erasures.request(session, owner.account_id)
        view = ErasureView.of(requested.erasure)
    url = receipt_url(requested.token)
    response.headers["Location"] = url
    response.headers["Cache-Control"] = "no-store"
    return ErasureBegun(**view.model_dump(), receipt_url=url)


@router.get(
    "/v1/erasures/{receipt_token}", summary="Read the receipt of an erasure", responses=answers(ErasureNotFound)
)
def get_erasure(receipt_token: ReceiptToken, accounts: AccountsDep, response: Response) -> ErasureView:
    """What was deleted and what is kept. Nobody signs in for it: the address is the secret."""
    with accounts.database.read() as session:
        view = ErasureView.of(accounts.erasures.find(session, receipt_token))
    response.headers["Cache-Control"] = "no-store"
    return view
