"""All tables of the notifier, for its migrations and their test."""

from services.notifier.callbacks.models import CallbackAccount
from services.notifier.deliveries.models import Attempt, Delivery
from services.notifier.endpoints.models import WebhookEndpoint
from services.notifier.events.models import EventLog, PublicEvent
from services.notifier.tables import Base

__all__ = ["Attempt", "Base", "CallbackAccount", "Delivery", "EventLog", "PublicEvent", "WebhookEndpoint"]
