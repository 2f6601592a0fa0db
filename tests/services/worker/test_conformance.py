"""Wherever the network runs, it answers the same: in this process, and behind the real Triton server in every way.

One suite over all of `Inference`; the answers are compared with ONNX Runtime's in float32.
"""

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np
import pytest
from numpy.typing import NDArray
from tritonclient.grpc import service_pb2, service_pb2_grpc

from separation import separate_array
from separation.errors import Cancelled, ModelNotFound
from separation.models.repository import DEFAULT_MODEL, ModelRepository
from separation.models.runtimes.onnxruntime import OnnxRuntimeModel
from separation.models.separator import MaskModel
from separation.models.spec import ModelManifest
from services.worker.errors import InferenceUnavailable, ModelUnavailable
from services.worker.inference import Inference
from services.worker.inference.local import LocalInference
from services.worker.inference.triton.inference import TritonInference, TritonSettings
from services.worker.inference.triton.server.config import CpuTarget, served_name
from tests.separation.signals import music
from tests.services.worker.waiting import PATIENT, until
from tests.triton_server import KEY, NewServer, TritonServer

FRACTIONS, STEMS_DB = 1e-3, -70.0
HALF_FRACTIONS, HALF_STEMS_DB = 0.02, -50.0
"""Half-precision transport rounds what goes in and comes out to 11 bits."""

WAYS = ["local", "messages", "shared memory", "half precision"]

pytestmark = [pytest.mark.triton, pytest.mark.slow]


@pytest.fixture(scope="module")
def server(new_triton: NewServer, model_repository: ModelRepository) -> TritonServer:
    server = new_triton()
    server.lay_out(model_repository, DEFAULT_MODEL, target=CpuTarget(threads=2))
    server.start()
    return server


@pytest.fixture(scope="module")
def half_precision_server(new_triton: NewServer, model_repository: ModelRepository) -> TritonServer:
    server = new_triton()
    server.lay_out(model_repository, DEFAULT_MODEL, target=CpuTarget(threads=2, transport="fp16"))
    server.start()
    return server


@pytest.fixture(scope="module", params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture(scope="module")
def inference(way: str, request: pytest.FixtureRequest, model_repository: ModelRepository) -> Iterator[Inference]:
    made: Inference
    if way == "local":
        made = LocalInference(model_repository.path, [DEFAULT_MODEL], threads=2)
    else:
        at = request.getfixturevalue("half_precision_server" if way == "half precision" else "server")
        settings = TritonSettings(at.address, KEY, shared_memory=way != "messages", window=2, timeouts=PATIENT)
        made = TritonInference(model_repository.path, [DEFAULT_MODEL], settings)
    with pytest.raises(InferenceUnavailable):
        made.ping()
    made.open()
    assert made.verify() > 0
    yield made
    made.close()


@pytest.fixture(scope="module")
def model(inference: Inference) -> MaskModel:
    manifest = inference.models()[0]
    return inference.model(manifest.name, manifest.digest)


class Reference:
    """What every way is compared with: computed once, and not changed by who compares."""

    def __init__(self, model: MaskModel) -> None:
        self.patch, self.low, self.mixture = patches(1), patches(2, bins=256), music(13)
        self.answer, self.low_answer = model.fractions(self.patch), model.fractions(self.low)
        self.vocals = separate_array(self.mixture, 44100, model=model)["vocals"]
        for array in vars(self).values():
            array.flags.writeable = False


@pytest.fixture(scope="module")
def reference(model_repository: ModelRepository) -> Reference:
    model = OnnxRuntimeModel(model_repository.model_file(DEFAULT_MODEL), model_repository.manifest(), threads=2)
    return Reference(model)


def patches(seed: int, count: int = 1, *, bins: int = 1024) -> NDArray[np.float32]:
    """Of few bins where it matters which answer comes and not what the network makes of it."""
    return np.random.default_rng(seed).gamma(1, 20, (count, 2, 512, bins)).astype(np.float32)


def test_answers_are_those_of_the_reference(way: str, model: MaskModel, reference: Reference) -> None:
    tolerance = HALF_FRACTIONS if way == "half precision" else FRACTIONS
    np.testing.assert_allclose(model.fractions(reference.patch), reference.answer, atol=tolerance)


def test_the_lowest_bins_alone_are_answered(way: str, model: MaskModel, reference: Reference) -> None:
    tolerance = HALF_FRACTIONS if way == "half precision" else FRACTIONS
    np.testing.assert_allclose(model.fractions(reference.low), reference.low_answer, atol=tolerance)


def test_stems_are_those_of_the_reference(way: str, model: MaskModel, reference: Reference) -> None:
    stems, expected = separate_array(reference.mixture, 44100, model=model)["vocals"], reference.vocals
    power = np.mean(np.square(expected, dtype=np.float64))
    error_db = 10 * np.log10(np.mean(np.square(stems - expected, dtype=np.float64)) / power + 1e-20)
    assert error_db < (HALF_STEMS_DB if way == "half precision" else STEMS_DB)


def test_patches_of_one_call_are_answered_in_order_and_one_by_one(model: MaskModel) -> None:
    several = patches(3, 3, bins=256)
    answers = model.fractions(several)
    for number in range(3):
        assert np.array_equal(answers[number : number + 1], model.fractions(several[number : number + 1]))


def test_answers_stay_the_same_and_belong_to_whoever_asked(model: MaskModel) -> None:
    several = [patches(seed, bins=256) for seed in range(4, 8)]
    expected = [model.fractions(patch) for patch in several]
    kept = [answer.copy() for answer in expected]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(model.fractions, several))
    for answer, before, copy in zip(answers, expected, kept, strict=True):
        assert np.array_equal(answer, copy)
        answer[:] = 0  # the engine writes into what it was given
        assert np.array_equal(before, copy)


def test_only_the_model_of_the_asked_digest_is_served(inference: Inference) -> None:
    manifest = inference.models()[0]
    for name, digest in ((manifest.name, "sha256:0"), ("another", manifest.digest)):
        with pytest.raises(ModelUnavailable) as caught:
            inference.model(name, digest)
        assert caught.value.retryable


def test_it_says_what_computes_where(way: str, inference: Inference, model: MaskModel) -> None:
    inference.ping()
    assert inference.device == model.device == "cpu"
    assert model.runtime.startswith("triton 2.") is (way != "local")
    model.rest()


def test_a_missing_model_is_said_so(way: str, tmp_path: Path) -> None:
    nowhere: Inference = LocalInference(tmp_path, [DEFAULT_MODEL], threads=1)
    if way != "local":
        nowhere = TritonInference(tmp_path, [DEFAULT_MODEL], TritonSettings("127.0.0.1:1"))
    with pytest.raises(ModelNotFound):
        nowhere.open()


def test_nothing_is_left_in_shared_memory(inference: Inference) -> None:
    assert not list(Path("/dev/shm").glob(f"stemwright-{os.getpid()}-*"))


def computed(server: TritonServer, manifest: ModelManifest) -> int:
    """How many patches the server's network has computed."""
    with grpc.insecure_channel(server.address) as channel:
        asked = service_pb2.ModelStatisticsRequest(name=served_name(manifest))
        (statistics,) = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelStatistics(asked).model_stats
    return int(statistics.execution_count)


def test_the_server_does_not_compute_what_nobody_waits_for(
    server: TritonServer, model_repository: ModelRepository
) -> None:
    manifest, patch = model_repository.manifest(), patches(8)
    settings = TritonSettings(server.address, KEY, shared_memory=True, window=17, timeouts=PATIENT)
    inference = TritonInference(model_repository.path, [DEFAULT_MODEL], settings)
    inference.open()
    inference.verify()
    stop = threading.Event()
    others, own = (inference.model(DEFAULT_MODEL, manifest.digest, cancel) for cancel in (stop.is_set, lambda: False))

    def song() -> None:
        with pytest.raises(Cancelled):
            while True:
                others.fractions(patch)

    before = computed(server, manifest)
    with ThreadPoolExecutor(16) as pool:
        songs = [pool.submit(song) for _ in range(16)]
        until(lambda: computed(server, manifest) > before + 1)  # by then the others wait at the server
        stop.set()
        for ended in songs:
            ended.result()
    canceled = computed(server, manifest)
    own.fractions(patch)
    assert computed(server, manifest) - canceled < 8, "patches of cancelled songs were computed first"
    inference.close()
