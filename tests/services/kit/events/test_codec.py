"""An event through the codec and back, and every way in which a record can be wrong."""

import contextlib
import json
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit.events.codec import MAX_VALUE_BYTES, Event, OutgoingEvent, decode, encode
from services.kit.events.errors import InvalidMessage
from services.kit.events.topics import ASSIGNMENTS, BILLING, JOBS_EVENTS, PROGRESS, TOPICS, UPLOADS, type_of
from services.kit.protos import billing_pb2, separation_pb2, uploads_pb2
from services.kit.telemetry import current_traceparent, span
from tests.ids import numbered
from tests.messages import sample

JOB = {
    "id": numbered("job", 1),
    "upload_id": numbered("upl", 1),
    "account_id": numbered("usr", 1),
    "mode": "full",
    "status": "queued",
    "attempt": 0,
    "price_credits": 12,
    "created_at": "2026-01-01T00:00:00Z",
    "metadata": {"title": "Ängström ♫"},
}
READY = sample(uploads_pb2.UploadReady)


@dataclass(frozen=True)
class Raw:
    """A record as it comes from Kafka."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, Any]] = field(default_factory=list)
    partition: int = 3
    offset: int = 42

    def header(self, name: str, value: bytes | None) -> "Raw":
        """The same with another header value, or without it."""
        others = [(other, content) for other, content in self.headers if other != name]
        return replace(self, headers=others if value is None else [*others, (name, value)])


def raw_of(event: OutgoingEvent) -> Raw:
    record = encode(event)
    return Raw(record.topic, record.key, record.value, list(record.headers))


@pytest.fixture
def ready() -> Raw:
    return raw_of(OutgoingEvent(UPLOADS, numbered("upl", 1), READY, subject=numbered("upl", 1)))


@pytest.fixture
def queued() -> Raw:
    return raw_of(
        OutgoingEvent(JOBS_EVENTS, numbered("usr", 1), {"job": JOB}, type="job.queued", subject=numbered("job", 1))
    )


def refused(raw: Raw) -> str:
    with pytest.raises(InvalidMessage) as caught:
        decode(raw)
    assert len(caught.value.reason) < 300
    return caught.value.reason


def decoded(raw: Raw) -> Event:
    event = decode(raw)
    assert event is not None
    return event


def test_a_protobuf_event_comes_back_as_it_was(ready: Raw) -> None:
    event = decoded(ready)

    assert event.data == READY
    assert event.type == "stemwright.events.v1.UploadReady"
    assert event.source == "/stemwright/upload"
    assert (event.key, event.subject, event.account_id) == (numbered("upl", 1), numbered("upl", 1), numbered("usr", 1))
    assert (event.topic, event.partition, event.offset) == ("uploads.v1", 3, 42)
    assert event.id.startswith("evt_")
    assert event.time.tzinfo is not None


def test_a_json_event_comes_back_as_it_was(queued: Raw) -> None:
    event = decoded(queued)

    assert event.data == {"job": JOB}
    assert event.type == "job.queued"
    assert event.account_id == numbered("usr", 1)


def test_headers_are_cloudevents_in_kafka_binary_mode(ready: Raw) -> None:
    headers = dict(ready.headers)

    assert headers["ce_specversion"] == b"1.0"
    assert headers["content-type"] == b"application/protobuf"
    assert {"ce_id", "ce_type", "ce_source", "ce_time", "ce_subject"} <= headers.keys()


def test_the_trace_travels_with_the_event() -> None:
    with span("request"):
        sent = current_traceparent()
        raw = raw_of(OutgoingEvent(UPLOADS, numbered("upl", 1), READY))

    assert decoded(raw).traceparent == sent


def test_an_id_that_is_given_is_kept() -> None:
    assert decoded(raw_of(OutgoingEvent(UPLOADS, numbered("upl", 1), READY, id="evt_again"))).id == "evt_again"


def test_types_that_are_not_wanted_are_not_read(ready: Raw) -> None:
    assert decode(replace(ready, value=b"\xff\xff"), {"stemwright.events.v1.UploadRejected"}) is None


@pytest.mark.parametrize("name", ["stemwright.events.v1.UploadArchived"])
def test_a_type_that_is_newer_than_this_program_is_skipped(ready: Raw, name: str) -> None:
    assert decode(ready.header("ce_type", name.encode())) is None


def test_a_field_that_is_newer_than_this_program_is_ignored(ready: Raw, queued: Raw) -> None:
    assert ready.value is not None
    unknown_field_100 = b"\xa2\x06\x03new"
    newer = replace(ready, value=ready.value + unknown_field_100)
    newer_job = replace(queued, value=json.dumps({"job": {**JOB, "stars": 5}, "more": 1}).encode())

    assert decoded(newer).data.upload_id == numbered("upl", 1)
    assert decoded(newer_job).data["job"]["stars"] == 5


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("ce_specversion", None),
        ("ce_specversion", b"2.0"),
        ("ce_id", None),
        ("ce_id", b""),
        ("ce_id", b"\xff\xfe"),
        ("ce_id", b"evt 1"),
        ("ce_id", b"x" * 300),
        ("ce_type", None),
        ("ce_type", b"evil.v9.UploadReady"),
        ("ce_type", b"stemwright.events.v9.UploadReady"),
        ("ce_type", b"stemwright.events.v1.UploadReady\r\nx"),
        ("ce_type", b"job.queued"),
        ("ce_time", None),
        ("ce_time", b"yesterday"),
        ("ce_time", b"2026-01-01T00:00:00"),
        ("ce_source", b"\x1b[31m"),
        ("ce_subject", b"a\nb"),
        ("ce_accountid", numbered("usr", 2).encode()),
        ("ce_accountid", b"nobody"),
        ("content-type", None),
        ("content-type", b"application/json"),
    ],
)
def test_wrong_headers_are_refused(ready: Raw, header: str, value: bytes | None) -> None:
    assert refused(ready.header(header, value))


@pytest.mark.parametrize("key", [None, b"", b"\xff", numbered("upl", 2).encode(), b"x" * 1000, b"upl_1\n", b"../x"])
def test_wrong_keys_are_refused(ready: Raw, key: bytes | None) -> None:
    assert "key" in refused(replace(ready, key=key))


@pytest.mark.parametrize("value", [None, b"\xff\xff\xff", b"", b"{}", b"x" * (MAX_VALUE_BYTES + 1), b"x" * 900_000])
def test_wrong_values_are_refused(ready: Raw, value: bytes | None) -> None:
    assert refused(replace(ready, value=value))


def test_a_header_that_is_there_twice_is_refused(ready: Raw) -> None:
    assert "twice" in refused(replace(ready, headers=[*ready.headers, ("ce_id", b"evt_2")]))


def test_a_header_without_a_value_is_refused(ready: Raw) -> None:
    assert refused(replace(ready, headers=[*ready.header("ce_subject", None).headers, ("ce_subject", None)]))


def test_more_headers_than_anyone_needs_are_refused(ready: Raw) -> None:
    assert "headers" in refused(replace(ready, headers=[*ready.headers, *[("x", b"")] * 100]))


def test_an_unknown_topic_is_refused(ready: Raw) -> None:
    assert refused(replace(ready, topic="uploads.v1.dlq"))


def test_nul_in_a_text_is_refused() -> None:
    with pytest.raises(ValueError, match="NUL"):
        encode(
            OutgoingEvent(
                UPLOADS, numbered("upl", 1), uploads_pb2.UploadRejected(upload_id=numbered("upl", 1), reason="a\0b")
            )
        )


@pytest.mark.parametrize(
    "traceparent",
    [b"x", b"\xff" * 10, b"0" * 100_000, b"", b"00-" + b"0" * 32 + b"-" + b"1" * 16 + b"-01"],
)
def test_a_broken_trace_context_is_dropped_and_the_event_kept(ready: Raw, traceparent: bytes) -> None:
    event = decoded(ready.header("traceparent", traceparent))

    assert event.traceparent is None


def test_headers_that_are_not_ours_are_left_alone(ready: Raw) -> None:
    assert decoded(ready.header("baggage", b"\xff" * 200_000)).data == READY


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b'"x"',
        b"\xff",
        b'{"job": {}}',
        b'{"job": NaN}',
        b'{"job": 1e999}',
        b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a": ' + b"9" * 10_000 + b"}",
        json.dumps({"job": {**JOB, "status": "weird"}}).encode(),
        json.dumps({"job": {**JOB, "price_credits": -1}}).encode(),
        json.dumps({"job": {**JOB, "metadata": {"x": "\0"}}}).encode(),
        json.dumps({"job": {**JOB, "metadata": {"x": "\ud800"}}}).encode(),
        json.dumps({"job": {**JOB, "account_id": numbered("usr", 2)}}).encode(),
        b'{"job": {"id": "1", "id": "2"}}',
    ],
)
def test_wrong_json_is_refused(queued: Raw, value: bytes) -> None:
    assert refused(replace(queued, value=value))


@given(value=st.binary(max_size=200))
def test_no_bytes_make_anything_else_than_an_event_or_a_refusal(value: bytes) -> None:
    for raw in (
        raw_of(OutgoingEvent(UPLOADS, numbered("upl", 1), READY)),
        raw_of(OutgoingEvent(JOBS_EVENTS, numbered("usr", 1), {"job": JOB}, type="job.queued")),
    ):
        for broken in (replace(raw, value=value), replace(raw, key=value), raw.header("ce_time", value)):
            with contextlib.suppress(InvalidMessage):
                decode(broken)


@pytest.mark.parametrize(
    "event",
    [
        OutgoingEvent(UPLOADS, numbered("upl", 2), READY),
        OutgoingEvent(PROGRESS, numbered("upl", 1), READY),
        OutgoingEvent(JOBS_EVENTS, numbered("usr", 1), {"job": JOB}),
        OutgoingEvent(JOBS_EVENTS, numbered("usr", 1), {"job": JOB}, type="job.exploded"),
        OutgoingEvent(JOBS_EVENTS, numbered("usr", 1), {"job": {**JOB, "status": "weird"}}, type="job.queued"),
        OutgoingEvent(JOBS_EVENTS, numbered("usr", 2), {"job": JOB}, type="job.queued"),
        OutgoingEvent(UPLOADS, numbered("upl", 1), READY, type="stemwright.events.v1.UploadDeleted"),
        OutgoingEvent(UPLOADS, numbered("upl", 1), READY, account_id=numbered("usr", 2)),
        OutgoingEvent(
            UPLOADS, numbered("upl", 1), uploads_pb2.UploadRejected(upload_id=numbered("upl", 1), reason="x" * 600_000)
        ),
    ],
)
def test_an_event_that_breaks_its_contract_is_a_defect_of_the_sender(event: OutgoingEvent) -> None:
    with pytest.raises(ValueError, match=r"."):
        encode(event)


def test_the_list_of_topics_is_closed_and_consistent() -> None:
    assert len({topic.name for topic in TOPICS}) == len(TOPICS)
    for topic in TOPICS:
        assert bool(topic.messages) != bool(topic.json_types)
        for message, key_field in topic.messages.items():
            assert key_field in message.DESCRIPTOR.fields_by_name
            assert topic.message(type_of(message)) is message
    assert BILLING.message(type_of(billing_pb2.ReservationGranted)) is billing_pb2.ReservationGranted
    assert ASSIGNMENTS.message(type_of(separation_pb2.SeparationProgress)) is None


@pytest.mark.parametrize("account", [b"nobody", b"usr_1", b"usr_" + b"i" * 26])
def test_an_account_that_only_a_header_names_is_an_account_too(account: bytes) -> None:
    """A worker hands it on in what it tells of an assignment."""
    assigned = sample(separation_pb2.SeparationAssigned)
    raw = raw_of(OutgoingEvent(ASSIGNMENTS, assigned.worker_id, assigned, partition=1, account_id=numbered("usr")))
    assert decoded(raw).account_id == numbered("usr")
    refused(raw.header("ce_accountid", account))
