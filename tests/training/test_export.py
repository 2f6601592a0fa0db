import copy
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from separation import separate_array
from separation.models.importers.unet import build_model
from separation.models.repository import ModelRepository
from tests.training.configs import tiny
from tests.training.songs import RATE, band, voice
from training import checkpoint as checkpoints
from training import export as exporting
from training.checkpoint import BEST, Checkpoint
from training.errors import ParityFailed
from training.metrics import global_sdr
from training.network import SeparationNetwork
from training.progress import Reached


def test_the_exported_model_is_verified_and_described(exported: ModelRepository, debug_run: Path) -> None:
    manifest = exported.verify("debug-2stems")
    assert (manifest.frames, manifest.bins, manifest.stems) == (128, 512, ("vocals", "accompaniment"))
    assert manifest.licence == "Apache-2.0"
    assert manifest.source["training_data"] == "stems . (unknown)"
    assert manifest.source["training_licences"] == "unknown"
    folder = exported.folder("debug-2stems")
    assert sorted(path.name for path in folder.iterdir()) == ["1", "README.md", "manifest.json"]
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert manifest.digest in card
    written = card.partition("```json\n")[2].partition("```")[0]
    assert json.loads(written) == json.loads((debug_run / "config.json").read_text(encoding="utf-8"))


def test_its_masks_are_the_networks(exported: ModelRepository, debug_run: Path) -> None:
    network = checkpoints.read(debug_run / "checkpoints" / BEST).network()
    difference = exporting.difference_of(network, exported.model_file("debug-2stems"), 128, 512)
    assert max(difference.exact, difference.rms) <= 1e-5
    assert difference.worst <= 1e-4


def test_the_engine_separates_a_song_with_it(exported: ModelRepository) -> None:
    """A song like those it was trained on, but longer: both stems are 4 dB better than the mixture as an answer."""
    vocals, backing = voice(20)[: 12 * RATE], band(20)[: 12 * RATE]
    stems = separate_array(vocals + backing, RATE, model=exported.load("debug-2stems", threads=1))
    np.testing.assert_allclose(stems["vocals"] + stems["instrumental"], vocals + backing, atol=1e-6)
    for known, stem in ((vocals, "vocals"), (backing, "instrumental")):
        assert global_sdr(known, stems[stem]) > global_sdr(known, vocals + backing) + 4


def test_a_file_that_answers_otherwise_is_not_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = SeparationNetwork(("vocals",), channels=1)
    config = tiny(network={"stems": ("vocals",)})
    average = {f"average.{name}": value for name, value in network.state_dict().items()}
    checkpoints.write(tmp_path / BEST, Checkpoint(config, Reached(1, 0.5), average, {}))

    def other_norms(weights: dict[str, dict[str, NDArray[np.float32]]], frames: int) -> object:
        weights = copy.deepcopy(weights)
        weights["vocals"]["down2_act.0.running_var"] *= np.float32(1.005)
        return build_model(weights, frames=frames)

    monkeypatch.setattr(exporting, "build_model", other_norms)
    repository = ModelRepository(tmp_path / "models")
    with pytest.raises(ParityFailed, match="differ"):
        exporting.export(tmp_path / BEST, repository, name="wrong", licence="none")
    assert list(repository.path.iterdir()) == []
    monkeypatch.undo()
    assert exporting.export(tmp_path / BEST, repository, name="right", licence="none").stems == ("vocals",)


def test_a_model_of_four_stems_is_exported(tmp_path: Path) -> None:
    stems = ("vocals", "drums", "bass", "other")
    torch.manual_seed(0)
    network = SeparationNetwork(stems, channels=1)
    average = {f"average.{name}": value for name, value in network.state_dict().items()}
    config = tiny(network={"stems": stems})
    checkpoints.write(tmp_path / BEST, Checkpoint(config, Reached(1, 0.5), average, {}))
    repository = ModelRepository(tmp_path / "models")
    assert exporting.export(tmp_path / BEST, repository, name="four", licence="none").stems == stems
    patch = exporting.patch_of_music(128, 64)
    assert repository.load("four", threads=1).fractions(patch).shape == (1, 4, 2, 128, 64)
