"""Server-sent events (WHATWG HTML, section 9.2.6)."""

import json
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One event of a job's stream: `type` is `status` (`data` is the whole job) or `progress`."""

    type: str
    data: dict[str, Any]
    id: str | None


@dataclass
class EventReader:
    """Takes the lines of a stream one by one."""

    _type: str = "message"
    _data: list[str] = field(default_factory=list)
    _id: str | None = None

    def take(self, line: str) -> StreamEvent | None:
        """The event that this line ended, if any. Comments are passed over, and data that is no JSON object."""
        if line:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "event":
                self._type = value
            elif name == "data":
                self._data.append(value)
            elif name == "id":
                self._id = value
            return None
        kind, data, identifier = self._type, "\n".join(self._data), self._id
        self._type, self._data, self._id = "message", [], None
        if not data:
            return None
        try:
            document = json.loads(data)
        except ValueError:
            return None
        return StreamEvent(kind, document, identifier) if isinstance(document, dict) else None
