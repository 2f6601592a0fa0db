"""The models are those of the public document, field by field."""

from typing import Any

import pytest
from pydantic import BaseModel

from stemwright_client import models
from tests.clients.python.double import document

SCHEMAS: dict[type[BaseModel], str] = {
    models.Part: "PartUrl",
    models.UploadedPart: "UploadedPart",
    models.Audio: "AudioView",
    models.Upload: "UploadView",
    models.Quote: "Quote",
    models.Preview: "Preview",
    models.Output: "Output",
    models.JobProgress: "Progress",
    models.ModelRef: "ModelRef",
    models.JobError: "JobError",
    models.Stem: "StemResult",
    models.StemLink: "StemLink",
    models.Quality: "Quality",
    models.Analysis: "Analysis",
    models.Job: "JobAnswer",
    models.ListedJob: "ListedJob",
    models.SongCounts: "SongCounts",
    models.Batch: "BatchAnswer",
    models.ExpiringCredits: "ExpiringCredits",
    models.Balance: "BalanceView",
    models.Event: "EventView",
    models.EventPage: "EventPage",
    models.WebhookEndpoint: "EndpointView",
    models.MadeWebhookEndpoint: "EndpointMade",
    models.RotatedSecret: "RotatedSecret",
    models.Attempt: "AttemptView",
    models.Delivery: "DeliveryView",
    models.EventTopic: "EventTopicView",
    models.MadeEventTopic: "EventTopicMade",
    models.Redelivered: "Redelivered",
}


def test_every_model_has_its_schema() -> None:
    own = {
        kind
        for kind in vars(models).values()
        if isinstance(kind, type) and issubclass(kind, models.Model) and kind not in (models.Model, models.Page)
    }
    assert own == set(SCHEMAS)


@pytest.mark.parametrize(("model", "schema"), SCHEMAS.items(), ids=SCHEMAS.values())
def test_a_model_is_its_schema(model: type[BaseModel], schema: str) -> None:
    ours = model.model_json_schema(mode="validation")
    theirs = document()["components"]["schemas"][schema]
    assert set(ours["properties"]) == set(theirs["properties"])
    # What an older platform does not have we do without.
    assert set(ours.get("required", ())) <= set(theirs.get("required", ()))
    names = {kind.__name__: name for kind, name in SCHEMAS.items()}
    for name, field in theirs["properties"].items():
        assert shape(ours["properties"][name], ours.get("$defs", {}), names) == shape(field, {}, {}), name


def shape(schema: dict[str, Any], definitions: dict[str, Any], names: dict[str, str]) -> Any:
    """What a value may be: words of a closed set are strings, for it may be widened."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        target = definitions.get(name) or document()["components"]["schemas"][name]
        return names.get(name, name) if target.get("type") == "object" else shape(target, definitions, names)
    if "anyOf" in schema:
        parts = [shape(each, definitions, names) for each in schema["anyOf"]]
        flat = [each for part in parts for each in (part if isinstance(part, frozenset) else [part])]
        return next(iter(found)) if len(found := frozenset(flat)) == 1 else found
    kind = schema.get("type") or type_of_words(schema)
    if kind == "array":
        return ("array", shape(schema["items"], definitions, names))
    return (kind, "date-time") if schema.get("format") == "date-time" else kind


def type_of_words(schema: dict[str, Any]) -> str:
    words = schema.get("enum", [schema.get("const")])
    return "string" if all(isinstance(word, str) for word in words) else "integer"


def test_what_is_added_later_is_taken_along() -> None:
    page = models.EventPage.model_validate(
        {
            "items": [
                {
                    "id": "evt_1",
                    "type": "song.sung",
                    "occurred_at": "2026-11-29T12:00:00Z",
                    "sequence": 7,
                    "data": {"song": {}},
                    "mood": "good",
                }
            ],
            "next_after": 7,
            "oldest_sequence": None,
            "weather": "fine",
        }
    )
    assert page.items[0].type == "song.sung"
    assert page.items[0].model_extra == {"mood": "good"}
