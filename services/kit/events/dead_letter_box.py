"""Dead letters as an operator reads them: out of their topics, when they are asked for.

They are kept nowhere else: what is in a record that nobody could handle goes when its topic lets go of it.
"""

import hashlib
import re
import threading
import time
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from services.kit.errors import Unavailable
from services.kit.events.brokers import Brokers
from services.kit.events.codec import RawRecord, Record
from services.kit.events.connection import BrokerUnavailable, connect
from services.kit.events.strict_json import read_json
from services.kit.events.topics import ASSIGNMENTS, TOPICS, Topic, dead_letters

NEWEST = 50
"""Dead letters of a partition that are looked at, besides those that are passed over."""
READ_SECONDS = 15.0
CONTENT_LIMIT_BYTES = 64 * 1024
LETTER = r"^[a-z0-9-]{1,50}-[0-9]{1,4}-[0-9]{1,15}-[0-9a-f]{12}$"
"""The rule for names of letters, as a regular expression of a whole text."""
_NAME = re.compile(r"(.+)-(\d+)-(\d+)-[0-9a-f]{12}")
_UNTOLD = frozenset({"filename", "metadata", "manifest", "comment"})
"""Fields whose content is their owner's business, or too long for anybody to read."""
_TOPICS = {topic.name.replace(".", "-"): topic for topic in TOPICS}


class NotReplayable(Exception):
    """The letter does not hold the whole record any more, or what no record of ours has."""


@dataclass(frozen=True)
class DeadLetter:
    """A record that a consumer could not handle. `name` is where it lies, and a digest: brokers that lost everything
    count anew."""

    name: str
    topic: Topic
    consumer: str
    reason: str
    died_at: datetime
    type: str
    event_id: str
    account_id: str | None
    key: str
    size_bytes: int
    from_partition: int
    from_offset: int
    raw: RawRecord | None
    """None in a list."""

    def content(self) -> dict[str, Any] | None:
        """What the record says, but for what is its owner's business; None where it says nothing that can be read."""
        value = self._whole().value or b""
        if len(value) > CONTENT_LIMIT_BYTES:
            return None
        message = self.topic.message(self.type)
        try:
            if message is not None:
                return _told(MessageToDict(message.FromString(value), preserving_proto_field_name=True))
            if self.type in self.topic.json_types:
                content = read_json(value)
                return _told(content) if isinstance(content, dict) else None
        except (DecodeError, ValueError, RecursionError):
            pass
        return None

    def record(self) -> Record:
        """The record as it was, for its own topic. Raises NotReplayable."""
        raw = self._whole()
        value, headers = raw.value or b"", []
        if self.size_bytes != len(value) or not value:
            raise NotReplayable("its value was too large to be kept, or there was none")
        for name, content in raw.headers:
            if name.startswith("dlq_"):
                continue
            try:
                (content or b"").decode()
            except UnicodeDecodeError:
                raise NotReplayable("a header of it is no text") from None
            headers.append((name, content or b""))
        # Assignments lie where their worker reads; all others where their key leads them.
        partition = self.from_partition if self.topic is ASSIGNMENTS else None
        return Record(self.topic.name, raw.key or b"", value, headers, partition)

    def _whole(self) -> RawRecord:
        if self.raw is None:
            raise ValueError("a letter of a list has no content")
        return self.raw


class DeadLetterBox:
    """Looks into all topics of dead letters. One look at a time; each has a connection of its own."""

    def __init__(self, brokers: Brokers, name: str) -> None:
        self._brokers = brokers
        self._name = name
        self._lock = threading.Lock()

    def newest(self, passed_over: Iterable[str] = ()) -> list[DeadLetter]:
        """The newest letters of every partition, the newest first, without their values. Raises Unavailable.

        Of those whose names are `passed_over` some may be among them; however many there are, they take no other's
        place.
        """
        known: defaultdict[TopicPartition, set[int]] = defaultdict(set)
        for name in passed_over:
            where = _NAME.fullmatch(name)
            if where is not None and (topic := _TOPICS.get(where[1])) is not None:
                partition = TopicPartition(self._brokers.named(dead_letters(topic)), int(where[2]))
                known[partition].add(int(where[3]))
        with self._connected() as client:
            partitions = [
                TopicPartition(name, number)
                for name in (self._brokers.named(dead_letters(topic)) for topic in TOPICS)
                for number in sorted(client.partitions_for_topic(name) or ())
            ]
            first, end = _bounds(client, partitions)
            begins = {
                each: _begin(first[each], end[each], known[each]) for each in partitions if end[each] > first[each]
            }
            # Hundreds of large ones are read, a page of small ones is shown.
            letters = [replace(letter, raw=None) for letter in self._read(client, begins, end)]
        return sorted(letters, key=lambda letter: (letter.died_at, letter.name), reverse=True)

    def find(self, name: str) -> DeadLetter | None:
        """The letter of that name, whole; None where it is gone. Raises Unavailable."""
        where = _NAME.fullmatch(name)
        topic = _TOPICS.get(where[1]) if where else None
        if where is None or topic is None:
            return None
        partition = TopicPartition(self._brokers.named(dead_letters(topic)), int(where[2]))
        offset = int(where[3])
        with self._connected() as client:
            if partition.partition not in (client.partitions_for_topic(partition.topic) or ()):
                return None
            first, end = _bounds(client, [partition])
            if not first[partition] <= offset < end[partition]:
                return None
            found = next(self._read(client, {partition: offset}, {partition: offset + 1}), None)
        return found if found is not None and found.name == name else None

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        with self._lock:
            try:
                client = connect(
                    KafkaConsumer,
                    self._brokers,
                    self._name,
                    enable_auto_commit=False,
                    auto_offset_reset="earliest",
                    max_poll_records=100,
                    metrics_enabled=False,
                )
                try:
                    yield client
                finally:
                    client.close()
            except (BrokerUnavailable, KafkaError, OSError, TimeoutError) as error:
                raise Unavailable("the event log does not answer", retry_after_seconds=5) from error

    def _read(self, client: Any, begins: dict[Any, int], ends: dict[Any, int]) -> Iterator[DeadLetter]:
        """Letters from where each partition begins to before where it ends; some may have gone meanwhile."""
        client.assign(list(begins))
        for partition, offset in begins.items():
            client.seek(partition, offset)
        left, deadline = set(begins), time.monotonic() + READ_SECONDS
        while left:
            if time.monotonic() > deadline:
                raise TimeoutError
            for partition, records in client.poll(timeout_ms=500).items():
                for record in records:
                    if record.offset < ends[partition]:
                        letter = _letter(record, self._brokers.listed(record.topic))
                        if letter is not None:
                            yield letter
            left = {partition for partition in left if client.position(partition) < ends[partition]}


def _begin(first: int, end: int, passed_over: Container[int]) -> int:
    """Where the newest begin, of which so many as are looked at are not passed over."""
    left = (offset for offset in range(end - 1, first - 1, -1) if offset not in passed_over)
    return next(islice(left, NEWEST - 1, None), first)


def _bounds(client: Any, partitions: list[Any]) -> tuple[dict[Any, int], dict[Any, int]]:
    """The first offset of each partition, and the one after its last.

    They are assigned before that: of topics that it has nothing to do with the client forgets who leads them whenever
    it renews its metadata, and then waits for that in vain.
    """
    client.assign(partitions)
    return client.beginning_offsets(partitions), client.end_offsets(partitions)


def _letter(raw: RawRecord, listed: str) -> DeadLetter | None:
    headers = {name: (value or b"").decode(errors="replace") for name, value in raw.headers}
    topic = next((topic for topic in TOPICS if dead_letters(topic) == listed), None)
    if topic is None:
        return None
    value = raw.value or b""
    digest = hashlib.sha256(value + headers.get("dlq_time", "").encode()).hexdigest()[:12]
    size = headers.get("dlq_value_bytes", "")
    return DeadLetter(
        name=f"{topic.name.replace('.', '-')}-{raw.partition}-{raw.offset}-{digest}",
        topic=topic,
        consumer=_line(headers.get("dlq_consumer", ""), 40),
        reason=_line(headers.get("dlq_reason", ""), 500),
        died_at=_time(headers.get("dlq_time", "")),
        type=_line(headers.get("ce_type", ""), 120),
        event_id=_line(headers.get("ce_id", ""), 120),
        account_id=_line(headers.get("ce_accountid", ""), 40) or None,
        key=_line((raw.key or b"").decode(errors="replace"), 120),
        size_bytes=int(size) if size.isascii() and size.isdigit() else 0,
        from_partition=_number(headers.get("dlq_partition", "")),
        from_offset=_number(headers.get("dlq_offset", "")),
        raw=raw,
    )


def _line(text: str, limit: int) -> str:
    return "".join(character if character.isprintable() else "\ufffd" for character in text[:limit])


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        return datetime(1970, 1, 1, tzinfo=UTC)


def _told(content: dict[str, Any]) -> dict[str, Any]:
    return {name: None if name in _UNTOLD else _part(value) for name, value in content.items()}


def _part(content: Any) -> Any:
    if isinstance(content, dict):
        return _told(content)
    return [_part(part) for part in content] if isinstance(content, list) else content
