"""All routes of the notifier."""

from services.notifier.callbacks.routes import router as callbacks
from services.notifier.deliveries.routes import router as deliveries
from services.notifier.endpoints.routes import router as endpoints
from services.notifier.event_topics.routes import router as event_topics
from services.notifier.events.routes import router as events

ROUTERS = [events, endpoints, deliveries, callbacks, event_topics]
