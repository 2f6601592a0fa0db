"""A record that could never be handled, as it is kept for a person to look at: what it was, where it came from, why."""

from collections.abc import Iterable
from datetime import UTC, datetime

from services.kit.events.codec import MAX_VALUE_BYTES, RawRecord, Record
from services.kit.events.topics import dead_letters

MAX_HEADER_BYTES = 16 * 1024
MAX_KEY_BYTES = 1024


def dead_letter(raw: RawRecord, *, reason: str, consumer: str) -> Record:
    """The record for the dead-letter topic. Key, value and headers are the original's, cut where they are too large."""
    value = raw.value or b""
    ours = {
        "dlq_reason": reason[:500],
        "dlq_consumer": consumer,
        "dlq_topic": raw.topic,
        "dlq_partition": str(raw.partition),
        "dlq_offset": str(raw.offset),
        "dlq_time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "dlq_value_bytes": "null" if raw.value is None else str(len(value)),
    }
    return Record(
        topic=dead_letters(raw.topic),
        key=(raw.key or b"")[:MAX_KEY_BYTES],
        value=value[:MAX_VALUE_BYTES],
        headers=[*_bounded(raw.headers), *((name, text.encode(errors="replace")) for name, text in ours.items())],
    )


def _bounded(headers: Iterable[tuple[str, bytes | None]]) -> list[tuple[str, bytes]]:
    kept, room = [], MAX_HEADER_BYTES
    for name, value in headers or ():
        room -= len(name.encode()) + len(value or b"")
        if room < 0:
            break
        if not name.startswith("dlq_"):
            kept.append((name, value or b""))
    return kept
