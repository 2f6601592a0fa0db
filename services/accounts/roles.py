"""What a user may be."""

from enum import StrEnum


class Role(StrEnum):
    USER = "user"
    PARTNER = "partner"
    """May register webhooks and read the event feed."""
    OPERATOR = "operator"
    """Sees queues, workers and dead letters; may replay and requeue."""
    ADMIN = "admin"
    """Looks after users, credits and prices."""
