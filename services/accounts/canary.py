"""The account of the canary, whose songs cost nothing: it has no credits, and nobody signs in to it.

It is told from people's by the scope of its key alone, which the API gives to nobody.
"""

import secrets

from services.accounts.accounts import Accounts
from services.accounts.security_events.origin import Origin
from services.accounts.users import repository as users
from services.accounts.users.emails import EmailAddress
from services.accounts.users.service import FIRST_ROLES
from services.kit.auth import CANARY_SCOPE
from services.kit.database import WriteSession
from services.kit.ids import new_id

ADDRESS = EmailAddress("canary@stemwright.invalid", "canary@stemwright.invalid")
"""Nobody can prove to read its mails: https://www.rfc-editor.org/rfc/rfc6761#section-6.4"""
SCOPES = ("uploads", "jobs", CANARY_SCOPE)
KEYS_SHOWN = 100


def new_canary_key(accounts: Accounts) -> str:
    """Makes the account where there is none, and its one key; those of before work no more. Blocks for one hash.

    Raises TooManySignIns.
    """
    # A password that nobody knows: the hash of one is what every account has.
    new = accounts.users.prepare(ADDRESS, secrets.token_urlsafe(32), "Canary")
    with accounts.database.write() as session:
        session.serialize("canary")
        account_id = _account(session, accounts, new.password_hash)
        keys, _ = accounts.api_keys.page(session, account_id, before=None, limit=KEYS_SHOWN)
        for key in keys:
            accounts.api_keys.revoke(session, account_id, key.id, Origin())
        made = accounts.api_keys.create(session, account_id, "canary", SCOPES, Origin(), tell_again=False)
    return made.secret


def _account(session: WriteSession, accounts: Accounts, password_hash: str) -> str:
    user = users.find_by_email(session, ADDRESS)
    if user is None:
        user = users.add(
            session,
            account_id=new_id("usr"),
            email=ADDRESS,
            email_verified_at=None,
            password_hash=password_hash,
            display_name="Canary",
            roles=FIRST_ROLES,
            plan=accounts.policy.default_plan,
        )
        accounts.credits.open_account(session, user.id)
    return user.id
