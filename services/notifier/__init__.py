"""Partner webhooks and the event feed: the place of a service that is still to come.

It will read `jobs.events.v1`, `uploads.v1` and `billing.v1` and owns endpoints, deliveries, retries and replay. Nothing
else depends on it; its topics and their keys are settled in `services/kit/events/topics.py`.
"""
