"""What routes ask for."""

from typing import Annotated

from fastapi import Depends, Request

from services.accounts.accounts import Accounts
from services.accounts.security_events.origin import Origin
from services.accounts.users.roles import Role
from services.kit.auth import Principal
from services.kit.dependencies import require_role, require_scope


async def _accounts(request: Request) -> Accounts:
    # What computes nothing is no work for another thread.
    accounts: Accounts = request.app.state.accounts
    return accounts


async def _origin(request: Request) -> Origin:
    return Origin.of(request)


AccountsDep = Annotated[Accounts, Depends(_accounts)]
OriginDep = Annotated[Origin, Depends(_origin)]
AccountOwner = Annotated[Principal, Depends(require_scope("account"))]
BillingReader = Annotated[Principal, Depends(require_scope("billing:read"))]
Admin = Annotated[Principal, Depends(require_role(Role.ADMIN, scope="account"))]
Operator = Annotated[Principal, Depends(require_role(Role.OPERATOR, Role.ADMIN, scope="account"))]
