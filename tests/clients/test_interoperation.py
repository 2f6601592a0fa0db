"""What others read with their own tools: the document with a validator, events with the SDK of CloudEvents, signatures
with the package of Standard Webhooks."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka_event
from google.protobuf.message import Message
from openapi_spec_validator import OpenAPIV31SpecValidator
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from services.kit.events.codec import OutgoingEvent, encode
from services.kit.events.topics import TOPICS
from services.notifier.deliveries.signing import new_secret, signed_headers
from services.notifier.event_topics.publisher import record_of
from services.notifier.events.models import PublicEvent
from stemwright_client import Event, webhooks
from tests.ids import numbered
from tests.messages import SAMPLES
from tests.services.notifier.conftest import ADA, BEGIN, job_event

ROOT = Path(__file__).parents[2]
BODY = {"id": "evt_1", "type": "job.succeeded", "occurred_at": "2026-11-29T12:00:00Z", "sequence": 1, "data": {"ä": 1}}


def test_the_public_document_is_openapi() -> None:
    document: dict[str, Any] = json.loads((ROOT / "docs" / "openapi.json").read_text())
    assert document["openapi"].startswith("3.1")
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []


def outgoing() -> list[OutgoingEvent]:
    """One event of each type, as its producer hands it over."""
    jobs = [job_event(kind, numbered("job")) for kind in ("queued", "succeeded", "failed", "deleted")]
    return [*jobs, *(of(message) for message in SAMPLES)]


def of(message: Message) -> OutgoingEvent:
    [topic] = [topic for topic in TOPICS if type(message) in topic.messages]
    return OutgoingEvent(topic, getattr(message, topic.messages[type(message)]), message)


@pytest.mark.parametrize("event", outgoing(), ids=lambda event: event.type or type(event.data).__name__)
def test_records_are_cloud_events_to_their_own_sdk(event: OutgoingEvent) -> None:
    record = encode(event)
    read = from_kafka_event(KafkaMessage(dict(record.headers), record.key, record.value))
    headers = {name: value.decode() for name, value in record.headers}
    assert (read.get_specversion(), read.get_id()) == ("1.0", headers["ce_id"])
    assert (read.get_type(), read.get_source()) == (headers["ce_type"], headers["ce_source"])
    assert read.get_datacontenttype() == headers["content-type"]
    assert read.get_time() is not None
    if isinstance(event.data, Message):
        # Bytes that are text by accident it hands out as text.
        data = read.get_data()
        assert (data.encode() if isinstance(data, str) else data) == record.value
    else:
        assert read.get_data() == event.data
        assert read.get_extension("accountid") == ADA


def test_records_of_a_partners_own_topic_are_cloud_events_too() -> None:
    event = PublicEvent(
        id=numbered("evt"),
        account_id=ADA,
        sequence=7,
        type="job.succeeded",
        subject=numbered("job"),
        stage=3,
        occurred_at=BEGIN,
        data={"job": {"id": numbered("job"), "metadata": {"ä": "1"}}},
    )
    record = record_of(event)
    read = from_kafka_event(KafkaMessage(dict(record.headers), record.key, record.value))
    assert (read.get_id(), read.get_type(), read.get_subject()) == (event.id, event.type, event.subject)
    assert (read.get_time(), read.get_extension("sequence")) == (BEGIN, "7")
    body = read.get_data()
    assert isinstance(body, dict)
    # The very object of the feed and of webhooks.
    assert Event.model_validate(body).data == event.data


def test_the_standards_package_verifies_what_the_notifier_signs_with_either_secret() -> None:
    secrets = [new_secret(), new_secret()]
    body = json.dumps(BODY, ensure_ascii=False).encode()
    headers = signed_headers(secrets, numbered("evt", 1), int(time.time()), body)
    for secret in secrets:
        assert Webhook(secret).verify(body, headers) == BODY
        assert webhooks.verify(body, headers, secret).data == BODY["data"]
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(body, headers)
