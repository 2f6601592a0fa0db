"""Public events: their numbering, the feed that partners read, and webhooks."""
