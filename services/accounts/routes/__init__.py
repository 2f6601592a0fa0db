"""HTTP routes of the accounts service, a module for each part of the contract."""

from services.accounts.routes import admin, api_keys, auth, billing, internal, me

ROUTERS = (auth.router, me.router, api_keys.router, billing.router, admin.router, internal.router)
