"""What follows from a change of what an account may do."""

from google.protobuf.timestamp_pb2 import Timestamp

from services.accounts.users.models import User
from services.kit import outbox
from services.kit.database import WriteSession
from services.kit.events.codec import OutgoingEvent
from services.kit.events.topics import ACCOUNTS
from services.kit.protos import accounts_pb2


def access_changed(session: WriteSession, user: User) -> None:
    """Has gateways refuse access tokens from before this moment, and tells the other services."""
    now = session.now()
    user.updated_at = user.access_changed_at = now
    changed_at = Timestamp()
    changed_at.FromDatetime(now)
    news = accounts_pb2.AccountChanged(
        account_id=user.id,
        roles=user.roles,
        plan=user.plan,
        disabled=user.disabled_at is not None,
        changed_at=changed_at,
    )
    outbox.add(session, OutgoingEvent(ACCOUNTS, key=user.id, data=news, subject=user.id))
