"""The repository of models: lists, verifies and refuses."""

from pathlib import Path

import pytest

from separation.errors import ModelDigestMismatch, ModelNotFound
from separation.models.repository import ModelRepository
from separation.models.spec import ModelManifest


def test_repository_lists_verifies_and_refuses(model_repository: ModelRepository, tmp_path: Path) -> None:
    assert [manifest.name for manifest in model_repository.manifests()] == ["spleeter-2stems"]
    assert model_repository.verify() == model_repository.manifest()
    empty = ModelRepository(tmp_path)
    assert empty.manifests() == []
    with pytest.raises(ModelNotFound, match="stemwright models import spleeter-2stems"):
        empty.load()
    for name in ("../spleeter-2stems", "", ".import-x", "a/b"):
        with pytest.raises(ModelNotFound):
            model_repository.manifest(name)


def _broken_repository(path: Path, manifest: ModelManifest, network: bytes) -> ModelRepository:
    folder = path / manifest.name
    (folder / "1").mkdir(parents=True)
    (folder / "1" / "model.onnx").write_bytes(network)
    (folder / "manifest.json").write_text(manifest.to_json())
    return ModelRepository(path)


def test_a_changed_network_is_not_loaded(model_repository: ModelRepository, tmp_path: Path) -> None:
    broken = _broken_repository(tmp_path, model_repository.manifest(), b"not the network")
    with pytest.raises(ModelDigestMismatch):
        broken.load()
