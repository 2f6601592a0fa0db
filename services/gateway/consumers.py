"""What the gateway hears from the event log: news for whoever watches a job or an account at this moment.

It reads all partitions, in no group, from the end. Nothing rests on it: a stream asks the orchestrator as well, so
lost, old and repeated records do no harm.
"""

from services.gateway.hub import Hub, Progress
from services.kit.events.brokers import Brokers
from services.kit.events.codec import Event
from services.kit.events.consumer import Consumer
from services.kit.events.public import BATCH_EVENT_TYPES, JOB_EVENT_TYPES
from services.kit.events.topics import BILLING, JOBS_EVENTS, PROGRESS, UPLOADS
from services.kit.protos import billing_pb2, separation_pb2, uploads_pb2


def news_consumer(brokers: Brokers, hub: Hub) -> Consumer:
    """The background task that feeds the hub."""

    def on_progress(event: Event) -> None:
        data: separation_pb2.SeparationProgress = event.data
        hub.publish(data.job_id, Progress(data.attempt, data.stage, data.fraction, data.playable_seconds))

    def on_job_event(event: Event) -> None:
        hub.publish(event.data["job"]["id"], None)
        on_news(event)

    def on_news(event: Event) -> None:
        # Whoever watches the account has something to read in its feed, or will have in a moment.
        if event.account_id is not None:
            hub.publish(event.account_id, None)

    return Consumer(
        brokers,
        name="gateway",
        group=None,
        topics=[PROGRESS, JOBS_EVENTS, UPLOADS, BILLING],
        handlers={
            separation_pb2.SeparationProgress: on_progress,
            **dict.fromkeys(sorted(JOB_EVENT_TYPES), on_job_event),
            **dict.fromkeys(sorted(BATCH_EVENT_TYPES), on_news),
            uploads_pb2.UploadReady: on_news,
            uploads_pb2.UploadRejected: on_news,
            billing_pb2.PaymentSucceeded: on_news,
            billing_pb2.CreditsLow: on_news,
        },
    )
