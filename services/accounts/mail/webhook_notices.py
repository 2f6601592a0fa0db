"""Writing to the owners of webhook endpoints that nothing is sent to any more."""

from services.accounts.mail.service import Mail
from services.accounts.security_events.service import note_endpoint_disabled
from services.accounts.users import repository as users
from services.kit.database import WriteSession
from services.kit.events.codec import Event
from services.kit.protos import webhooks_pb2

TEMPLATE = "webhook-disabled"
WHY = {
    "gone": "it answered that it is gone (410)",
    "failing": "it has taken nothing for days, however often it was tried",
}


class WebhookNotices:
    def __init__(self, mail: Mail) -> None:
        self._mail = mail

    def endpoint_disabled(self, session: WriteSession, event: Event) -> None:
        """One mail, however often it is heard; none to who was erased."""
        told: webhooks_pb2.WebhookEndpointDisabled = event.data
        user = users.get(session, told.account_id)
        if user is not None and note_endpoint_disabled(session, event):
            values = {"url": told.endpoint_url, "why": WHY[told.disabled_because]}
            self._mail.add(session, user.email, TEMPLATE, values)
