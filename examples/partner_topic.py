"""Reads a partner's own Kafka topic: prints each event once, and goes on where it stopped.

    pip install kafka-python
    python examples/partner_topic.py topic.json ca.pem

`topic.json` is the answer of `POST /v1/event-topics`; `ca.pem` has the authorities that sign for the brokers. What was
printed is noted beside it, so that an event which comes again, as it may, is passed over: its `sequence` is not new.
"""

import json
import sys
from pathlib import Path

from kafka import KafkaConsumer


def main(answer: Path, authorities: Path) -> None:
    """Reads until it is interrupted."""
    topic = json.loads(answer.read_text(encoding="utf-8"))
    note = answer.with_suffix(".sequence")
    last = int(note.read_text(encoding="ascii")) if note.exists() else 0
    consumer = KafkaConsumer(
        topic["topic"],
        bootstrap_servers=topic["bootstrap_servers"].split(","),
        group_id=f"{topic['group_prefix']}printer",
        security_protocol="SASL_SSL",
        ssl_cafile=str(authorities),
        sasl_mechanism="SCRAM-SHA-256",
        sasl_plain_username=topic["username"],
        sasl_plain_password=topic["password"],
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    for record in consumer:
        event = json.loads(record.value)
        if event["sequence"] > last:
            print(event["sequence"], event["type"], event["occurred_at"], flush=True)
            last = event["sequence"]
            note.write_text(str(last), encoding="ascii")
        # After the work: whoever is killed in between gets the event once more.
        consumer.commit()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
