"""The AsyncAPI 3 document of a partner's topic, made from what the notifier writes there.

    python -m services.notifier.event_topics.asyncapi [FILE]

writes `docs/asyncapi-partners.yaml`.
"""

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

from services.kit.events.asyncapi import ROOT, as_yaml
from services.notifier.event_topics.brokers import RETENTION, topic_of
from services.notifier.events.schemas import EventView
from services.notifier.events.types import EventType

DOCUMENT = ROOT / "docs" / "asyncapi-partners.yaml"
HEADING = "# Made by `make openapi` from services/notifier/event_topics. Do not edit.\n"


def document() -> dict[str, Any]:
    """The document as plain data."""
    text = {"type": "string", "maxLength": 256}
    names = sorted(get_args(EventType))
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Stemwright events of one partner",
            "version": version("stemwright"),
            "description": (
                "The account's events as they are in its feed, in the order of `sequence`. Every record is a "
                "CloudEvent 1.0 in Kafka's binary content mode. Delivery is at least once, "
                "under the same id. docs/events.md says how to get a topic."
            ),
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {
            "events": {
                "address": topic_of("{accountId}"),
                "description": "Key: the account's id. One partition. The platform may put a prefix before the name.",
                "parameters": {"accountId": {"description": "The account whose events these are."}},
                "messages": {"event": {"$ref": "#/components/messages/event"}},
                "bindings": {
                    "kafka": {
                        "partitions": 1,
                        "topicConfiguration": {"retention.ms": int(RETENTION.total_seconds() * 1000)},
                        "bindingVersion": "0.5.0",
                    }
                },
            }
        },
        "operations": {"read": {"action": "receive", "channel": {"$ref": "#/channels/events"}}},
        "components": {
            "messages": {
                "event": {
                    "contentType": "application/json",
                    "headers": {
                        "type": "object",
                        "required": ["ce_specversion", "ce_id", "ce_type", "ce_source", "ce_time", "ce_sequence"],
                        "properties": {
                            "ce_specversion": {"const": "1.0"},
                            "ce_id": {**text, "description": "The same at every delivery of one event."},
                            "ce_type": {**text, "examples": names},
                            "ce_source": {"const": "/stemwright"},
                            "ce_time": {**text, "format": "date-time"},
                            "ce_subject": {**text, "description": "Id of what it happened to."},
                            "ce_sequence": {**text, "description": "Its number among the account's events."},
                            "content-type": {"const": "application/json"},
                        },
                    },
                    "payload": {"$ref": "#/components/schemas/Event"},
                }
            },
            "schemas": {"Event": EventView.model_json_schema()},
        },
    }


def render() -> str:
    """The document as YAML."""
    return HEADING + as_yaml(document())


def main() -> None:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else DOCUMENT
    path.write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main()
