"""All routes of the accounts service, in the order of its document."""

from services.accounts.administration import routes as administration
from services.accounts.api_keys import routes as api_keys
from services.accounts.email_changes import routes as email_changes
from services.accounts.erasure import routes as erasure
from services.accounts.ledger import admin_routes as ledger_admin
from services.accounts.ledger import routes as ledger
from services.accounts.payments import admin_routes as payments_admin
from services.accounts.payments import revenue, sandbox_pages
from services.accounts.payments import routes as payments
from services.accounts.plans import routes as plans
from services.accounts.second_factor import routes as second_factor
from services.accounts.security_events import routes as security_events
from services.accounts.sessions import internal_routes as internal
from services.accounts.sessions import routes as sessions
from services.accounts.sessions import web_routes as web_sessions
from services.accounts.users import password_routes as passwords
from services.accounts.users import routes as users
from services.accounts.users import sign_up_routes as sign_up

ROUTERS = (
    sign_up.router,
    sessions.router,
    web_sessions.router,
    passwords.router,
    users.router,
    email_changes.router,
    second_factor.router,
    erasure.router,
    api_keys.router,
    security_events.router,
    ledger.router,
    payments.router,
    sandbox_pages.router,
    plans.router,
    administration.router,
    payments_admin.router,
    revenue.router,
    ledger_admin.router,
    internal.router,
)
