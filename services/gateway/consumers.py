"""What the gateway hears from the event log: news for whoever watches a job at this moment.

It reads all partitions, in no group, from the end. Nothing rests on it: a stream asks the orchestrator as well, so
lost, old and repeated records do no harm.
"""

from services.gateway.hub import Hub, Progress
from services.kit.events.brokers import Brokers
from services.kit.events.codec import Event
from services.kit.events.consumer import Consumer
from services.kit.events.public import JOB_EVENT_TYPES
from services.kit.events.topics import JOBS_EVENTS, PROGRESS
from services.kit.protos import separation_pb2


def news_consumer(brokers: Brokers, hub: Hub) -> Consumer:
    """The background task that feeds the hub."""

    def on_progress(event: Event) -> None:
        data: separation_pb2.SeparationProgress = event.data
        hub.publish(data.job_id, Progress(data.attempt, data.stage, data.fraction, data.playable_seconds))

    def on_job_event(event: Event) -> None:
        hub.publish(event.data["job"]["id"], None)

    return Consumer(
        brokers,
        name="gateway",
        group=None,
        topics=[PROGRESS, JOBS_EVENTS],
        handlers={
            separation_pb2.SeparationProgress: on_progress,
            **dict.fromkeys(sorted(JOB_EVENT_TYPES), on_job_event),
        },
    )
