"""Shared by the engine's tests: the imported model, a stand-in for it, and a song."""

import fcntl
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

import separation.models.importers
from separation.machine.cache import cache_directory
from separation.models.importers import spleeter
from separation.models.repository import ModelRepository
from separation.models.runtimes.answers import one_by_one
from separation.models.separator import MaskModel
from separation.models.spec import ModelManifest
from tests.separation.signals import music, to_16_bit, write_wav

VECTORS = Path(__file__).parent / "vectors"


@pytest.fixture(scope="session")
def model_repository() -> ModelRepository:
    """The imported model, made once per version of the importer and kept outside the tree."""
    key = hashlib.sha256(f"{spleeter.WHEEL} {onnx.__version__}".encode())
    importers = Path(separation.models.importers.__file__).parent
    for source in (*sorted(importers.glob("*.py")), importers.parent / "canary.py"):
        key.update(source.read_bytes())
    folder = cache_directory() / "test-models" / key.hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    repository = ModelRepository(folder)
    with (folder / ".lock").open("w") as lock:  # several test processes may arrive here at once
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not repository.manifests():
            spleeter.import_spleeter(repository)
    return repository


@pytest.fixture(scope="session")
def spleeter_model(model_repository: ModelRepository) -> MaskModel:
    return model_repository.load(threads=2)


class EnergyModel:
    """A ``MaskModel`` that costs nothing: louder neighbourhoods, in time and frequency, belong to the vocals.

    Like the real one it sees the whole patch, knows nothing beyond it, and answers differently near its edges.
    """

    manifest = ModelManifest(
        name="energy",
        digest="sha256:0",
        licence="none",
        source={},
        sample_rate_hz=44100,
        fft_size=4096,
        hop=1024,
        frames=512,
        bins=1024,
        stems=("vocals", "accompaniment"),
    )
    device, runtime = "cpu", "numpy"

    def __init__(self) -> None:
        self.patches = 0
        self.rests = 0

    def fractions(self, magnitudes: NDArray[np.float32]) -> NDArray[np.float32]:
        self.patches += len(magnitudes)
        total = np.empty_like(magnitudes)  # what cumsum over the frames says, in a third of its time
        total[:, :, 0] = magnitudes[:, :, 0]
        for frame in range(1, magnitudes.shape[2]):
            np.add(total[:, :, frame - 1], magnitudes[:, :, frame], out=total[:, :, frame])
        answer = np.empty((len(magnitudes), 2, *magnitudes.shape[1:]), np.float32)
        vocals, accompaniment = answer[:, 0], answer[:, 1]
        vocals[:, :, :16] = vocals[:, :, -16:] = 0
        np.subtract(total[:, :, 32:], total[:, :, :-32], out=vocals[:, :, 16:-16])
        vocals /= vocals + 30 * np.abs(magnitudes) + 1
        np.subtract(1, vocals, out=accompaniment)
        return answer

    def fractions_of_each(self, images: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        return one_by_one(self.fractions, images)

    def rest(self) -> None:
        self.rests += 1


@pytest.fixture
def energy_model() -> EnergyModel:
    return EnergyModel()


@pytest.fixture(scope="session")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """26 s of 16-bit stereo at 44.1 kHz: three patches."""
    return write_wav(tmp_path_factory.mktemp("songs") / "song.wav", to_16_bit(music(26)))
