"""Signing the web app in and out: its session lives in a cookie (docs/decisions/0067)."""

from typing import Annotated

from fastapi import APIRouter, Body, Depends, Request, Response

from services.accounts.dependencies import AccountOwner, AccountsDep, OriginDep
from services.accounts.second_factor.errors import SecondFactorRequired
from services.accounts.sessions.errors import AccountDisabled, InvalidGrant, TooManyGuesses, TooManySignIns
from services.accounts.sessions.schemas import WebSessionView, WebSignIn
from services.accounts.users.schemas import UserView
from services.kit.errors import answers
from services.kit.schemas import examples
from services.kit.session_cookie import CookieNames, csrf_token

router = APIRouter(prefix="/v1/auth", tags=["accounts"])


async def _names(request: Request) -> CookieNames:
    """The gateway, which alone talks to this service, vouches for the headers."""
    return CookieNames.at(
        request.headers.get("x-forwarded-proto", request.url.scheme),
        request.headers.get("x-forwarded-host", request.url.netloc),
    )


NamesDep = Annotated[CookieNames, Depends(_names)]


@router.post(
    "/session",
    summary="Sign in a web app",
    responses=answers(AccountDisabled, InvalidGrant, SecondFactorRequired, TooManyGuesses, TooManySignIns),
)
def open_web_session(
    body: Annotated[
        WebSignIn, Body(openapi_examples=examples({"email": "ada@example.com", "password": "a long pass phrase"}))
    ],
    accounts: AccountsDep,
    origin: OriginDep,
    names: NamesDep,
    response: Response,
) -> WebSessionView:
    """Sets a cookie that stands for the person in a browser; no script can read it.

    It is good for every call of this API instead of an access token. Whatever is not GET or HEAD needs the header
    `X-CSRF-Token` beside it.
    """
    opened = accounts.sessions.sign_in_by_cookie(body.email, body.password, origin, body.code)
    token, seconds = csrf_token(opened.secret), int(opened.lifetime.total_seconds())
    _set(response, names, names.session, opened.secret, seconds, httponly=True)
    _set(response, names, names.csrf, token, seconds, httponly=False)
    response.headers["Cache-Control"] = "no-store"
    return WebSessionView(user=UserView.of(opened.user), csrf_token=token)


@router.delete("/session", summary="Sign out a web app", status_code=204)
def close_web_session(
    accounts: AccountsDep, owner: AccountOwner, origin: OriginDep, names: NamesDep, response: Response
) -> None:
    """Ends the session and takes its cookies away. Within five seconds nothing accepts it any more."""
    with accounts.database.write() as session:
        accounts.sessions.sign_out(session, owner.account_id, owner.token_id, origin)
    _set(response, names, names.session, "", 0, httponly=True)
    _set(response, names, names.csrf, "", 0, httponly=False)


def _set(response: Response, names: CookieNames, name: str, value: str, seconds: int, *, httponly: bool) -> None:
    response.set_cookie(name, value, max_age=seconds, path="/", secure=names.secure, httponly=httponly, samesite="lax")
