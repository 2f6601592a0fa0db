"""Events as Kafka records: CloudEvents 1.0 in the Kafka binary content mode.

Attributes are headers (`ce_id`, `ce_type`, ...), the data is the record's value: protobuf between services, JSON where
partners may read. `traceparent` (W3C Trace Context) travels beside them. Reading is strict and bounded: whatever is not
exactly right is an `InvalidMessage`, except a broken trace context, which is dropped.

Sources: CloudEvents 1.0.2, Kafka protocol binding 1.0.2 section 3.2.
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from google.protobuf.message import DecodeError, Message
from pydantic import BaseModel, ValidationError

from services.kit.events.contracts import EARLIEST, LATEST, broken
from services.kit.events.errors import InvalidMessage
from services.kit.events.public import DATA_OF
from services.kit.events.strict_json import read_json
from services.kit.events.topics import Topic, topic_named, type_of
from services.kit.ids import is_id, new_id
from services.kit.telemetry import current_traceparent

MAX_VALUE_BYTES = 512 * 1024
MAX_KEY_BYTES = 128
MAX_ATTRIBUTE_BYTES = 256
MAX_HEADERS = 64

PROTOBUF = "application/protobuf"
JSON = "application/json"

_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}")
_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,127}")
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_KNOWN_HEADERS = frozenset(
    {
        "ce_specversion",
        "ce_id",
        "ce_type",
        "ce_source",
        "ce_time",
        "ce_subject",
        "ce_accountid",
        "content-type",
        "traceparent",
    }
)


@dataclass(frozen=True)
class OutgoingEvent:
    """Something that happened, before it is a record.

    `key` must be what the topic says (a job id, an account id, ...). `type` is the message's own for protobuf and must
    be given for JSON. `id` is made where absent. `partition` is given for assignments only.
    """

    topic: Topic
    key: str
    data: Message | Mapping[str, Any]
    type: str | None = None
    subject: str | None = None
    id: str | None = None
    partition: int | None = None
    account_id: str | None = None
    """Whose it is; taken from the data where that says it."""


@dataclass(frozen=True)
class Record:
    """What Kafka keeps, and what the outbox stores until it is there."""

    topic: str
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]
    partition: int | None = None


@dataclass(frozen=True)
class Event:
    """An event as its handler gets it. `data` is the message of `type`, or the JSON object of a public event."""

    id: str
    type: str
    source: str
    subject: str | None
    time: datetime
    traceparent: str | None
    topic: str
    partition: int
    offset: int
    key: str
    data: Any
    account_id: str | None


def job_of(event: Event) -> str | None:
    """The job that an event is about, where it is about one: for logs."""
    if isinstance(event.data, Message):
        job_id = getattr(event.data, "job_id", None)
    else:
        job_id = event.data.get("job", {}).get("id") if isinstance(event.data.get("job"), dict) else None
    return job_id if isinstance(job_id, str) and job_id else None


class RawRecord(Protocol):
    """A record as the Kafka client returns it."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Iterable[tuple[str, bytes | None]]: ...


def encode(event: OutgoingEvent, *, source: str | None = None) -> Record:
    """The record of an event, stamped with the time and the current trace; `source` is the service, by default the
    topic's owner.

    Raises ValueError where the event breaks the topic's contract: a defect of the caller. (Not InvalidMessage: the
    handler that wrote the event may be handling a perfectly good record.)
    """
    topic = event.topic
    if isinstance(event.data, Message):
        name, content_type = type_of(type(event.data)), PROTOBUF
        value = event.data.SerializeToString(deterministic=True)
        known = topic.message(name) is not None
    else:
        name, content_type = event.type or "", JSON
        known = name in topic.json_types
        value = json.dumps(event.data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    if not known:
        raise ValueError(f"{name or 'an event without a type'} does not belong on {topic.name}")
    if event.type is not None and event.type != name:
        raise ValueError(f"a {name} cannot be sent as {event.type}")
    if len(value) > MAX_VALUE_BYTES:
        raise ValueError(f"a {name} of {len(value)} bytes is over the limit of {MAX_VALUE_BYTES}")
    account_id = event.account_id or _account_of(event.data)
    headers = {
        "ce_specversion": "1.0",
        "ce_id": event.id or new_id("evt"),
        "ce_type": name,
        "ce_source": f"/stemwright/{source or topic.owner}",
        "ce_time": datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "content-type": content_type,
    }
    optional = {"ce_subject": event.subject, "ce_accountid": account_id, "traceparent": current_traceparent()}
    headers.update({header: text for header, text in optional.items() if text})
    record = Record(
        topic=topic.name,
        key=event.key.encode(),
        value=value,
        headers=[(header, text.encode()) for header, text in headers.items()],
        partition=event.partition,
    )
    try:
        # What we could not read ourselves never leaves.
        decode(Draft(record))
    except InvalidMessage as error:
        raise ValueError(f"{name} breaks its contract: {error.reason}") from None
    return record


def decode(raw: RawRecord, wanted: Collection[str] | None = None) -> Event | None:
    """The event in a record, or None where its type is not among `wanted` or is newer than this program.

    A type that is not wanted is recognised by its headers alone; its data is not read. Raises InvalidMessage.
    """
    topic = topic_named(raw.topic)
    if topic is None:
        raise InvalidMessage(f"{raw.topic} is not a topic of ours")
    headers = _headers(raw.headers)
    if headers.get("ce_specversion") != "1.0":
        raise InvalidMessage("not a CloudEvent of version 1.0")
    name = _attribute(headers, "ce_type", _TYPE)
    if wanted is not None and name not in wanted and _in_namespace(topic, name):
        return None
    message = topic.message(name)
    if message is None and name not in topic.json_types:
        if _in_namespace(topic, name):
            return None
        raise InvalidMessage(f"{name} does not belong on {topic.name}")
    event_id = _attribute(headers, "ce_id", _IDENTIFIER)
    time = _time(headers)
    content_type = PROTOBUF if message is not None else JSON
    if headers.get("content-type") != content_type:
        raise InvalidMessage(f"content-type is not {content_type}")
    key = _key(raw.key)
    value = _value(raw.value)
    data: Message | dict[str, Any]
    if message is not None:
        data = _protobuf(message, value)
        owner_of_key = getattr(data, topic.messages[message])
    else:
        about, shape = DATA_OF[name]
        data = _json(value, shape)
        owner_of_key = data[about]["account_id"]
    if owner_of_key != key:
        raise InvalidMessage(f"the key is not the {topic.key} of the data")
    account_id = headers.get("ce_accountid")
    if account_id and not is_id("usr", account_id):
        # It goes into events that tell of this one.
        raise InvalidMessage("the account in the headers is none")
    if (account_id or "") != (_account_of(data) or account_id or ""):
        raise InvalidMessage("the account in the headers is not the account of the data")
    traceparent = headers.get("traceparent")
    return Event(
        id=event_id,
        type=name,
        source=headers.get("ce_source", ""),
        subject=headers.get("ce_subject"),
        time=time,
        traceparent=traceparent if traceparent and _TRACEPARENT.fullmatch(traceparent) else None,
        topic=topic.name,
        partition=raw.partition,
        offset=raw.offset,
        key=key,
        data=data,
        account_id=account_id,
    )


@dataclass(frozen=True)
class Draft:
    """A record that was not sent yet, to be read like one that was."""

    record: Record
    partition: int = -1
    offset: int = -1

    @property
    def topic(self) -> str:
        return self.record.topic

    @property
    def key(self) -> bytes | None:
        return self.record.key

    @property
    def value(self) -> bytes | None:
        return self.record.value

    @property
    def headers(self) -> Iterable[tuple[str, bytes | None]]:
        return self.record.headers


def _headers(raw: Iterable[tuple[str, bytes | None]]) -> dict[str, str]:
    """The headers we know, as text. Others are left alone, whatever is in them."""
    headers: dict[str, str] = {}
    for count, (name, value) in enumerate(raw or ()):
        if count >= MAX_HEADERS:
            raise InvalidMessage(f"more than {MAX_HEADERS} headers")
        if name not in _KNOWN_HEADERS:
            continue
        if name == "traceparent" and (value is None or len(value) > MAX_ATTRIBUTE_BYTES or not value.isascii()):
            continue
        if name in headers:
            raise InvalidMessage(f"header {name} is there twice")
        if value is None or len(value) > MAX_ATTRIBUTE_BYTES:
            raise InvalidMessage(f"header {name} is empty or too long")
        try:
            text = value.decode()
        except UnicodeDecodeError:
            raise InvalidMessage(f"header {name} is not UTF-8") from None
        if not text.isprintable():
            raise InvalidMessage(f"header {name} holds control characters")
        headers[name] = text
    return headers


def _attribute(headers: Mapping[str, str], name: str, shape: re.Pattern[str]) -> str:
    text = headers.get(name, "")
    if not shape.fullmatch(text):
        raise InvalidMessage(f"header {name} is absent or malformed")
    return text


def _in_namespace(topic: Topic, name: str) -> bool:
    """Whether a newer sibling may have put a type of this name on the topic; such news is skipped, not refused."""
    known = topic.json_types or {type_of(message) for message in topic.messages}
    return name.rpartition(".")[0] in {other.rpartition(".")[0] for other in known}


def _time(headers: Mapping[str, str]) -> datetime:
    try:
        time = datetime.fromisoformat(headers.get("ce_time", ""))
    except ValueError:
        raise InvalidMessage("header ce_time is not a time") from None
    if time.tzinfo is None:
        raise InvalidMessage("header ce_time has no zone")
    if not EARLIEST <= time <= LATEST:
        raise InvalidMessage("header ce_time is not of this age")
    return time.astimezone(UTC)


def _key(key: bytes | None) -> str:
    if not key or len(key) > MAX_KEY_BYTES:
        raise InvalidMessage("the key is absent or too long")
    try:
        text = key.decode()
    except UnicodeDecodeError:
        raise InvalidMessage("the key is not UTF-8") from None
    if not _IDENTIFIER.fullmatch(text):
        raise InvalidMessage("the key is not an identifier")
    return text


def _value(value: bytes | None) -> bytes:
    if value is None:
        raise InvalidMessage("the record has no value")
    if len(value) > MAX_VALUE_BYTES:
        raise InvalidMessage(f"the value of {len(value)} bytes is over the limit of {MAX_VALUE_BYTES}")
    return value


def _protobuf(message: type[Message], value: bytes) -> Message:
    try:
        data = message.FromString(value)
    except DecodeError:
        raise InvalidMessage(f"the value is not a {type_of(message)}") from None
    for text in _texts(data):
        # PostgreSQL stores no NUL; better here than in a transaction.
        if "\0" in text:
            raise InvalidMessage("a text in the value holds NUL")
    problem = broken(data)
    if problem is not None:
        raise InvalidMessage(problem)
    return data


def _texts(message: Message) -> Iterable[str]:
    for field, content in message.ListFields():
        several = content if field.is_repeated else (content,)
        if field.cpp_type == field.CPPTYPE_STRING and field.type == field.TYPE_STRING:
            yield from several
        elif field.cpp_type == field.CPPTYPE_MESSAGE:
            for part in several:
                yield from _texts(part)


def _json(value: bytes, shape: type[BaseModel]) -> dict[str, Any]:
    try:
        data = read_json(value)
        shape.model_validate_json(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InvalidMessage(f"the value does not match its schema: {place}: {first['msg']}"[:200]) from None
    except (ValueError, RecursionError) as error:
        raise InvalidMessage(f"the value is not JSON as we write it: {type(error).__name__}") from None
    if not isinstance(data, dict):
        raise InvalidMessage("the value is not a JSON object")
    return data


def _account_of(data: Message | Mapping[str, Any]) -> str | None:
    if isinstance(data, Message):
        return getattr(data, "account_id", None) or None
    for about, _ in DATA_OF.values():
        thing = data.get(about)
        account_id = thing.get("account_id") if isinstance(thing, Mapping) else None
        if isinstance(account_id, str):
            return account_id
    return None
