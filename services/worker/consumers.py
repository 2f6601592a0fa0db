"""What the worker listens to: its own partition of the assignments, from the end, in no consumer group.

Nothing rests on where reading begins: an assignment names its worker, whose id is new at every start, and one that got
lost is sent again because no heartbeat confirms it. One that comes late is recalled as soon as a heartbeat tells of it.
"""

from services.kit.events.brokers import Brokers
from services.kit.events.codec import Event
from services.kit.events.consumer import Consumer
from services.kit.events.rights import writes_of
from services.kit.events.topics import ASSIGNMENTS, assignments_partition
from services.kit.protos import separation_pb2
from services.worker.service import WorkerService


def assignments_consumer(brokers: Brokers, service: WorkerService) -> Consumer:
    """The consumer of this worker's assignments and cancellations."""

    def on_assigned(event: Event) -> None:
        assignment: separation_pb2.SeparationAssigned = event.data
        service.assign(assignment, account_id=event.account_id or "", traceparent=event.traceparent)

    def on_canceled(event: Event) -> None:
        cancellation: separation_pb2.SeparationCanceled = event.data
        service.cancel(cancellation, account_id=event.account_id or "")

    return Consumer(
        brokers,
        name="worker-assignments",
        group=None,
        topics=[ASSIGNMENTS],
        writes=writes_of("worker"),
        assignments={ASSIGNMENTS: [assignments_partition(service.worker_id)]},
        handlers={
            separation_pb2.SeparationAssigned: on_assigned,
            separation_pb2.SeparationCanceled: on_canceled,
        },
    )
