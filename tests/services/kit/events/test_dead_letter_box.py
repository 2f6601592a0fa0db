"""Dead letters as an operator finds them, over a real broker."""

from collections.abc import Iterable

import pytest

from services.kit.events import dead_letter_box
from services.kit.events.codec import OutgoingEvent, Record, encode
from services.kit.events.dead_letter_box import DeadLetterBox, NotReplayable
from services.kit.events.dead_letters import dead_letter
from services.kit.events.topics import JOBS_INTERNAL, UPLOADS
from services.kit.protos import jobs_pb2, uploads_pb2
from tests.broker import Broker
from tests.messages import ACCOUNT, UPLOAD, sample
from tests.services.kit.events.consuming import write_raw

pytestmark = pytest.mark.kafka


class Came:
    """A record as it came to the consumer that could not handle it."""

    def __init__(self, record: Record, value: bytes | None) -> None:
        self.topic, self.key, self.value, self.headers = record.topic, record.key, value, record.headers
        self.partition, self.offset = 3, 17


def died(record: Record, reason: str, **other: bytes | None) -> Record:
    return dead_letter(Came(record, other.get("value", record.value)), reason=reason, consumer="orchestrator")


def test_letters_are_listed_read_and_replayed_as_they_were(broker: Broker) -> None:
    ready = encode(OutgoingEvent(UPLOADS, UPLOAD, sample(uploads_pb2.UploadReady)))
    asked = encode(OutgoingEvent(JOBS_INTERNAL, UPLOAD, sample(jobs_pb2.UploadStatusRequested)))
    write_raw(broker.brokers, died(ready, "no room"), died(asked, "garbled", value=b"\xff\xff"))
    write_raw(broker.brokers, died(asked, "empty", value=None))
    box = DeadLetterBox(broker.brokers, "tests")

    letters = {letter.reason: letter for letter in box.newest()}

    assert set(letters) == {"no room", "garbled", "empty"}
    listed = letters["no room"]
    assert (listed.topic, listed.consumer, listed.account_id, listed.key) == (UPLOADS, "orchestrator", ACCOUNT, UPLOAD)
    assert (listed.from_partition, listed.from_offset, listed.size_bytes) == (3, 17, len(ready.value))
    found = box.find(listed.name)
    assert found is not None
    content = found.content()
    assert content is not None
    # What the song is called is its owner's business.
    assert (content["upload_id"], content["filename"]) == (UPLOAD, None)
    assert found.record() == ready

    garbled, empty = box.find(letters["garbled"].name), box.find(letters["empty"].name)
    assert garbled is not None
    assert empty is not None
    assert garbled.content() is None
    assert garbled.record().value == b"\xff\xff"
    with pytest.raises(NotReplayable):
        empty.record()
    absent = listed.name[:-12] + "0" * 12
    assert [box.find(name) for name in (absent, "nothing-v1-0-0-" + "0" * 12, "nonsense")] == [None] * 3


def test_letters_that_were_dealt_with_hide_none(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    ready = encode(OutgoingEvent(UPLOADS, UPLOAD, sample(uploads_pb2.UploadReady)))
    for number in range(6):
        write_raw(broker.brokers, died(ready, f"reason {number}"))
    box = DeadLetterBox(broker.brokers, "tests")
    mine = [letter for letter in box.newest() if letter.reason.startswith("reason")]
    monkeypatch.setattr(dead_letter_box, "NEWEST", 2)

    def reasons(passed_over: Iterable[str] = ()) -> list[str]:
        return sorted(letter.reason for letter in box.newest(passed_over) if letter.reason.startswith("reason"))

    assert reasons() == ["reason 4", "reason 5"]
    dealt_with = [letter.name for letter in mine if letter.reason in ("reason 5", "reason 3")]
    assert reasons([*dealt_with, "nonsense"]) == ["reason 2", "reason 3", "reason 4", "reason 5"]
    assert reasons(letter.name for letter in mine) == [f"reason {number}" for number in range(6)]
