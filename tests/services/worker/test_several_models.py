"""Models side by side, one of two stems and one of four that an operator brought: in this process and behind Triton."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from separation import separate_array
from separation.models.importers.onnx_file import import_onnx
from separation.models.repository import ModelRepository
from services.worker.inference import Inference
from services.worker.inference.local import LocalInference
from services.worker.inference.triton.inference import TritonInference, TritonSettings
from tests.separation.models.toy_network import STEMS, write_toy_network
from tests.separation.signals import music
from tests.services.worker.tiny_model import NAME, make_tiny_model
from tests.services.worker.waiting import PATIENT
from tests.triton_server import KEY, NewServer

TOY = "toy-4stems"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> ModelRepository:
    folder = tmp_path_factory.mktemp("models")
    repository = ModelRepository(folder)
    make_tiny_model(folder)
    import_onnx(repository, TOY, write_toy_network(folder / "toy.onnx", frames=128), STEMS, licence="CC0-1.0")
    return repository


@pytest.fixture(scope="module")
def local(repository: ModelRepository) -> Iterator[Inference]:
    inference = LocalInference(repository.path, [NAME, TOY], threads=1)
    inference.open()
    yield inference
    inference.close()


@pytest.fixture(scope="module")
def remote(repository: ModelRepository, new_triton: NewServer) -> Iterator[Inference]:
    server = new_triton()
    server.lay_out(repository, NAME, TOY)
    server.start()
    settings = TritonSettings(server.address, KEY, shared_memory=True, timeouts=PATIENT)
    inference = TritonInference(repository.path, [NAME, TOY], settings)
    inference.open()
    yield inference
    inference.close()


@pytest.mark.triton
def test_a_worker_serves_both_and_their_stems_are_those_of_the_network_in_process(
    repository: ModelRepository, local: Inference, remote: Inference, tmp_path: Path
) -> None:
    mixture = music(3)
    for inference in (local, remote):
        assert inference.verify() > 0
        assert {model.name for model in inference.models()} == {NAME, TOY}
    for name in (NAME, TOY):
        manifest = repository.manifest(name)
        here, there = (
            separate_array(mixture, 44100, model=inference.model(name, manifest.digest))["vocals"]
            for inference in (local, remote)
        )
        np.testing.assert_allclose(there, here, atol=1e-6)
        assert np.square(here).mean() > 1e-4
