"""The two pages that links in mails lead to, where the web app was not built: to prove an address, to set a password.

They need no cookie.
"""

from importlib.resources import files

from fastapi import APIRouter, Depends
from fastapi.responses import FileResponse, HTMLResponse, Response

from services.gateway.docs import READ, counted

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title} - Stemwright</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 26em; margin: 3em auto; padding: 0 1em }}
label, input, button {{ display: block; box-sizing: border-box; font: inherit }}
input {{ width: 100%; padding: .5em; margin: .25em 0 1em }}
button {{ padding: .5em 1em }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
{forms}
<p role="status"></p>
<noscript><p>This page needs JavaScript. The mail says how a program does it.</p></noscript>
</main>
<script src="/account/account.js"></script>
</body>
</html>
"""

VERIFY_EMAIL = PAGE.format(
    title="Verify your address",
    forms="""<form data-path="/v1/auth/verify-email" data-with="token" data-done="Done. You can sign in now." hidden>
<button>Verify this address</button>
</form>
<form data-path="/v1/auth/register" data-with="email" data-done="A mail is on its way." hidden>
<p>No link, or one that is too old? Sign up again: the new link is of the password that you choose here.</p>
<label>Your address <input name="email" type="email" autocomplete="username" required></label>
<label>Password, 8 characters or more
<input name="password" type="password" autocomplete="new-password" minlength="8" maxlength="256" required></label>
<button>Sign up again</button>
</form>""",
)
RESET_PASSWORD = PAGE.format(
    title="Set a new password",
    forms="""<form data-path="/v1/auth/password-reset/confirm" data-with="token"
 data-done="Done. Sign in with it now." hidden>
<label>New password, 8 characters or more
<input name="password" type="password" autocomplete="new-password" minlength="8" maxlength="256" required></label>
<button>Set it</button>
</form>
<form data-path="/v1/auth/password-reset" data-with="email"
 data-done="If there is an account with this address, a mail is on its way." hidden>
<label>Your address <input name="email" type="email" autocomplete="email" required></label>
<button>Ask for a mail</button>
</form>""",
)

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)

router = APIRouter(prefix="/account", include_in_schema=False, dependencies=[Depends(counted)])


def answer(content: str, status: int = 200) -> Response:
    """A page of ours that needs no build."""
    return HTMLResponse(
        content,
        status,
        headers={
            "content-security-policy": POLICY,
            "cache-control": "no-cache",
            "referrer-policy": "no-referrer",
        },
    )


@router.api_route("/account.js", methods=READ)
async def script() -> Response:
    path = str(files("services.gateway").joinpath("account.js"))
    return FileResponse(path, media_type="text/javascript", headers={"cache-control": "public, max-age=3600"})
