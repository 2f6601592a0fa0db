"""A model's manifest: what is no manifest, or cannot be computed with, is refused where it is read."""

import json

import pytest

from separation.errors import ModelError
from separation.models.repository import ModelRepository
from separation.models.spec import ModelManifest

CHANGES: list[dict[str, object]] = [
    {"schema_version": 9},
    {"schema_version": True},
    {"stems": None},
    {"stems": "vocals"},
    {"stems": ["vocals", 5]},
    {"stems": ["vocals", "vocals"]},
    {"stems": []},
    {"frames": "512"},
    {"frames": 512.0},
    {"frames": 0},
    {"hop": 1000},
    {"hop": 2048},
    {"hop": 0},
    {"hop": -1024},
    {"fft_size": 1024},
    {"fft_size": 7680},
    {"fft_size": 4095, "hop": 1365},
    {"bins": 1000},
    {"bins": 4096},
    {"sample_rate_hz": 0},
    {"source": ["wheel"]},
    {"source": {"wheel": 5}},
    {"name": 5},
    {"name": ""},
    {"digest": None},
    {"architecture": 1},
]


def test_what_a_newer_version_adds_to_a_manifest_is_ignored(model_repository: ModelRepository) -> None:
    manifest = model_repository.manifest()
    fields = json.loads(manifest.to_json()) | {"surprise": 1}
    assert ModelManifest.from_json(json.dumps(fields)) == manifest


@pytest.mark.parametrize("text", ["", "[]", "null", "5", "{}", '{"schema_version": 1}', "\ud800"])
def test_what_is_no_manifest_is_a_clear_error(text: str) -> None:
    with pytest.raises(ModelError, match="manifest"):
        ModelManifest.from_json(text)


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_a_manifest_that_cannot_be_read_is_a_clear_error(
    model_repository: ModelRepository, change: dict[str, object]
) -> None:
    fields = json.loads(model_repository.manifest().to_json()) | change
    with pytest.raises(ModelError):
        ModelManifest.from_json(json.dumps(fields))
