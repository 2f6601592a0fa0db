"""The AsyncAPI 3 document of every topic, made from the closed list of topics.

    python -m services.kit.events.asyncapi [FILE]

writes `docs/asyncapi.yaml`. Protobuf messages are shown as their schema files, JSON events as JSON Schema.
"""

import json
import re
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from services.kit.events.public import DATA_OF, BatchEvent, JobEvent
from services.kit.events.topics import DEAD_LETTER_RETENTION, TOPICS, Topic, dead_letters, type_of

ROOT = Path(__file__).resolve().parents[3]
DOCUMENT = ROOT / "docs" / "asyncapi.yaml"
PROTOBUF_3 = "application/vnd.google.protobuf;version=3"

_PLAIN_KEY = re.compile(r"[A-Za-z_$][A-Za-z0-9_.-]*")
_HEADER = "# Made by `make proto` from services/kit/events/topics.py. Do not edit.\n"


def document() -> dict[str, Any]:
    """The document as plain data."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Stemwright events",
            "version": version("stemwright"),
            "description": (
                "What Stemwright's services tell each other over Kafka. Every record is a CloudEvent 1.0 in Kafka's "
                "binary content mode: attributes in headers, data in the value. Delivery is at least once; the id of "
                "an event is the same each time. Only jobs.events.v1 is a public contract."
            ),
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/protobuf",
        "channels": {topic.name: _channel(topic) for topic in TOPICS},
        "operations": {name: operation for topic in TOPICS for name, operation in _operations(topic)},
        "components": {
            "messageTraits": {"cloudEvent": {"headers": _headers()}},
            "messages": {name: message for topic in TOPICS for name, message in _messages(topic)},
            "schemas": {shape.__name__: _public_event(shape) for shape in (JobEvent, BatchEvent)},
        },
    }


def render() -> str:
    """The document as YAML."""
    return _HEADER + as_yaml(document())


def as_yaml(content: dict[str, Any]) -> str:
    """JSON-like data as YAML."""
    return "\n".join(_yaml(content, 0)) + "\n"


def _channel(topic: Topic) -> dict[str, Any]:
    return {
        "address": topic.name,
        "description": (
            f"{topic.summary} Key: {topic.key}. What a consumer can never handle goes to {dead_letters(topic)}, "
            f"with the reason and its origin in the headers dlq_*, for {DEAD_LETTER_RETENTION.days} days."
        ),
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name, _ in _messages(topic)},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "topicConfiguration": {"retention.ms": int(topic.retention.total_seconds() * 1000)},
                "bindingVersion": "0.5.0",
            }
        },
    }


def _operations(topic: Topic) -> list[tuple[str, dict[str, Any]]]:
    channel = {"$ref": f"#/channels/{topic.name}"}
    only = " and ".join(topic.writers)
    verb = "writes" if len(topic.writers) == 1 else "write"
    sends = [
        (
            f"{writer}.sends.{topic.name}",
            {"action": "send", "channel": channel, "summary": f"Only {only} {verb} here."},
        )
        for writer in topic.writers
    ]
    receives = [
        (f"{consumer}.receives.{topic.name}", {"action": "receive", "channel": channel}) for consumer in topic.consumers
    ]
    return [*sends, *receives]


def _messages(topic: Topic) -> list[tuple[str, dict[str, Any]]]:
    traits = {"traits": [{"$ref": "#/components/messageTraits/cloudEvent"}]}
    protobuf = [
        (
            type_of(message).rpartition(".")[2],
            {
                "name": type_of(message),
                "contentType": "application/protobuf",
                "summary": f"The key is {key_field}.",
                **traits,
                "payload": {
                    "schemaFormat": PROTOBUF_3,
                    "schema": (ROOT / "proto" / message.DESCRIPTOR.file.name).read_text(encoding="utf-8"),
                },
            },
        )
        for message, key_field in topic.messages.items()
    ]
    public = [
        (
            name,
            {
                "name": name,
                "contentType": "application/json",
                **traits,
                "payload": {"$ref": f"#/components/schemas/{DATA_OF[name][1].__name__}"},
            },
        )
        for name in sorted(topic.json_types)
    ]
    return [*protobuf, *public]


def _headers() -> dict[str, Any]:
    text = {"type": "string", "maxLength": 256}
    return {
        "type": "object",
        "required": ["ce_specversion", "ce_id", "ce_type", "ce_source", "ce_time", "content-type"],
        "properties": {
            "ce_specversion": {"const": "1.0"},
            "ce_id": {**text, "description": "The same at every delivery of one event."},
            "ce_type": text,
            "ce_source": {**text, "description": "The service, as /stemwright/<service>."},
            "ce_time": {**text, "format": "date-time"},
            "ce_subject": text,
            "ce_accountid": {**text, "description": "The account that the event is about."},
            "content-type": {"enum": ["application/protobuf", "application/json"]},
            "traceparent": {**text, "description": "W3C Trace Context."},
        },
    }


def _public_event(shape: type[BaseModel]) -> dict[str, Any]:
    schema = shape.model_json_schema(ref_template=f"#/components/schemas/{shape.__name__}/definitions/{{model}}")
    definitions = schema.pop("$defs")
    return {**schema, "definitions": definitions}


def _yaml(content: Any, depth: int) -> list[str]:
    """Lines of block YAML for JSON-like data. Scalars are written as JSON, which YAML 1.2 contains."""
    indent = "  " * depth
    lines: list[str] = []
    if isinstance(content, dict):
        for key, member in content.items():
            name = key if _PLAIN_KEY.fullmatch(key) else json.dumps(key)
            lines.extend(_member(f"{indent}{name}:", member, depth))
    else:
        for member in content:
            first, *rest = _yaml(member, depth + 1) if isinstance(member, dict) else [json.dumps(member)]
            lines.extend([f"{indent}- {first.lstrip()}", *rest])
    return lines


def _member(label: str, member: Any, depth: int) -> list[str]:
    if isinstance(member, dict | list) and member:
        return [label, *_yaml(member, depth + 1)]
    if isinstance(member, str) and "\n" in member:
        inner = "  " * (depth + 1)
        return [f"{label} |", *(f"{inner}{line}".rstrip() for line in member.rstrip("\n").split("\n"))]
    return [f"{label} {json.dumps(member, ensure_ascii=False)}"]


def main() -> None:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else DOCUMENT
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main()
