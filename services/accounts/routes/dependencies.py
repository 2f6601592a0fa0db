"""What routes ask for."""

from typing import Annotated

from fastapi import Depends, Request

from services.accounts.roles import Role
from services.accounts.service.accounts import Accounts
from services.kit.auth import Principal, require_role, require_scope


def _accounts(request: Request) -> Accounts:
    accounts: Accounts = request.app.state.accounts
    return accounts


AccountsDep = Annotated[Accounts, Depends(_accounts)]
AccountOwner = Annotated[Principal, Depends(require_scope("account"))]
BillingReader = Annotated[Principal, Depends(require_scope("billing:read"))]
Operator = Annotated[Principal, Depends(require_role(Role.OPERATOR, Role.ADMIN))]
