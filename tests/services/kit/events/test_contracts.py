"""What fields may hold: every one of every message has a rule, and nothing that breaks one is written or read."""

from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from services.kit.events.codec import OutgoingEvent, encode
from services.kit.events.contracts import MOST, REQUIRED, RULES, Rule, broken, rule_of
from services.kit.events.topics import ASSIGNMENTS, TOPICS, Topic, assignments_partition
from services.kit.protos import jobs_pb2
from tests.ids import numbered
from tests.messages import SAMPLES, extremes_of, fields_of, sample, with_value

OF_TOPIC: dict[type[Message], Topic] = {kind: topic for topic in TOPICS for kind in topic.messages}
OPEN = {
    # Any value of the type is a fair one.
    "retryable",
    "stopping",
    # Judged by the handler, who has the job at hand.
    "manifest",
    "manifest_key",
}


def descriptors() -> Iterator[Any]:
    """Every kind of message on any topic, and those inside."""
    todo: list[Any] = [kind.DESCRIPTOR for kind in OF_TOPIC]
    known: set[str] = set()
    while todo:
        descriptor = todo.pop()
        if descriptor.full_name in known or descriptor is Timestamp.DESCRIPTOR:
            continue
        known.add(descriptor.full_name)
        todo.extend(field.message_type for field in descriptor.fields if field.message_type is not None)
        yield descriptor


def outgoing(message: Message) -> OutgoingEvent:
    topic = OF_TOPIC[type(message)]
    partition = assignments_partition(numbered("wrk")) if topic is ASSIGNMENTS else None
    return OutgoingEvent(topic, getattr(message, topic.messages[type(message)]), message, partition=partition)


def test_every_field_of_every_message_has_a_rule() -> None:
    for descriptor in descriptors():
        for field in descriptor.fields:
            if field.message_type is None or field.message_type is Timestamp.DESCRIPTOR:
                assert callable(rule_of(descriptor.name, field.name))
            if field.is_repeated:
                assert field.name in MOST


def test_no_rule_is_for_a_field_that_does_not_exist() -> None:
    named = {name for descriptor in descriptors() for name in descriptor.fields_by_name}
    placed = {f"{descriptor.name}.{name}" for descriptor in descriptors() for name in descriptor.fields_by_name}
    assert RULES.keys() | MOST.keys() | REQUIRED <= named | placed


def test_there_is_a_sample_of_every_message_and_each_of_them_goes_out() -> None:
    assert {type(message) for message in SAMPLES} == OF_TOPIC.keys()
    for message in SAMPLES:
        encode(outgoing(message))


@pytest.mark.parametrize("message", SAMPLES, ids=lambda message: message.DESCRIPTOR.name)
def test_what_nobody_means_does_not_go_out_and_is_not_repeated(message: Message) -> None:
    spoiled = [
        (path, value, with_value(message, path, value))
        for path, field in fields_of(message)
        for value in extremes_of(field)
    ]
    for path, value, bad in spoiled:
        reason = broken(bad)
        if reason is None:
            assert rule_of_path(message, path)(value), path
        else:
            assert str(value)[:20] not in reason or len(str(value)) < 3
            with pytest.raises(ValueError):  # noqa: PT011 - some are refused for their key before
                encode(outgoing(bad))
    refused = {path for path, _, bad in spoiled if broken(bad) is not None}
    assert refused >= {path for path, field in fields_of(message) if path[-1] not in OPEN and not is_lenient(field)}


@pytest.mark.parametrize(
    ("mode", "canary", "price", "whole"),
    [
        (jobs_pb2.JOB_MODE_FULL, False, 0, False),
        (jobs_pb2.JOB_MODE_FULL, False, 7, True),
        (jobs_pb2.JOB_MODE_PREVIEW, False, 0, True),
        (jobs_pb2.JOB_MODE_PREVIEW, False, 7, False),
        (jobs_pb2.JOB_MODE_FULL, True, 0, True),
        (jobs_pb2.JOB_MODE_FULL, True, 7, False),
    ],
)
def test_a_whole_song_has_a_price_but_for_the_canary_s(
    mode: jobs_pb2.JobMode, canary: bool, price: int, whole: bool
) -> None:
    asked = jobs_pb2.ReservationRequested(
        job_id=numbered("job"), account_id=numbered("usr"), price_credits=price, mode=mode, canary=canary
    )
    assert (broken(asked) is None) == whole


def is_lenient(field: Any) -> bool:
    return bool(field.cpp_type == FieldDescriptor.CPPTYPE_BOOL)


def rule_of_path(message: Message, path: tuple[str, ...]) -> Rule:
    owner = message
    for name in path[:-1]:
        inner = getattr(owner, name)
        owner = inner if isinstance(inner, Message) else inner[0]
    return rule_of(owner.DESCRIPTOR.name, path[-1])


def test_what_is_repeated_without_end_does_not_go_out() -> None:
    beat = sample(type(SAMPLES[-1]))
    beat.running.extend([beat.running[0]] * 2000)
    assert broken(beat) == "WorkerHeartbeat.running is there too often"


def test_a_message_that_lacks_what_it_is_about_does_not_go_out() -> None:
    for message in SAMPLES:
        for field in message.DESCRIPTOR.fields:
            if f"{message.DESCRIPTOR.name}.{field.name}" in REQUIRED:
                lacking = sample(type(message))
                lacking.ClearField(field.name)
                assert broken(lacking) is not None


def test_the_partitions_of_assignments_are_as_many_as_a_worker_may_say() -> None:
    rule = rule_of("WorkerHeartbeat", "assignments_partition")
    assert rule(ASSIGNMENTS.partitions - 1)
    assert not rule(ASSIGNMENTS.partitions)


def test_keys_of_objects_follow_from_the_ids_in_a_message() -> None:
    ready, assigned = (
        sample(kind) for kind in OF_TOPIC if kind.DESCRIPTOR.name in ("UploadReady", "SeparationAssigned")
    )
    ready.object_key = ready.object_key.replace(ready.upload_id, numbered("upl", 2))
    assigned.output_prefix = f"stems/{numbered('job', 2)}"
    assert broken(ready) == "the object is not the upload's"
    assert broken(assigned) == "the results would not be the job's"
