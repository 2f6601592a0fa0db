"""How the worker asks an inference server: deadlines, tries, cancellation, the window, checked answers."""

import mmap
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import grpc
import numpy as np
import pytest
from numpy.typing import NDArray
from tritonclient.grpc import service_pb2

from separation.errors import Cancelled, ModelAnswerInvalid, ModelError
from separation.models.repository import ModelRepository
from separation.models.separator import MaskModel
from separation.models.spec import ModelManifest
from services.worker.errors import AttemptFailed, InferenceUnavailable, ModelUnavailable
from services.worker.inference.triton.buffers import Buffer, BufferPool, SharedMemoryBuffer
from services.worker.inference.triton.client import TritonClient
from services.worker.inference.triton.inference import TritonInference, TritonSettings
from services.worker.inference.triton.model import Timeouts, TritonModel
from services.worker.metrics import INFERENCE_CALLS
from tests.services.worker.fake_triton import FakeTriton, halves, serving
from tests.services.worker.tiny_model import NAME, make_tiny_model
from tests.services.worker.waiting import PATIENT, until

PATCH = np.ones((1, 2, 512, 64), np.float32)
LEAVING_CALLS = Timeouts(call_seconds=2.0, answer_seconds=180.0)
LEAVING_SOON = Timeouts(call_seconds=2.0, answer_seconds=5.0)


@pytest.fixture
def manifest(tmp_path: Path) -> ModelManifest:
    manifest = make_tiny_model(tmp_path, vocals_share=0.5)
    ModelRepository(tmp_path).make_canary(NAME)
    return manifest


@pytest.fixture
def fake(manifest: ModelManifest) -> Iterator[FakeTriton]:
    with serving(FakeTriton(manifest)) as fake:
        yield fake


class Asked:
    """An opened and verified `TritonInference`, its settings as a test wants them."""

    def __init__(self, inference: TritonInference, manifest: ModelManifest) -> None:
        self.inference = inference
        self._manifest = manifest

    def model(self, should_cancel: Callable[[], bool] = lambda: False) -> MaskModel:
        return self.inference.model(self._manifest.name, self._manifest.digest, should_cancel)


@pytest.fixture
def asked(request: pytest.FixtureRequest, fake: FakeTriton, manifest: ModelManifest, tmp_path: Path) -> Iterator[Asked]:
    """As patient as its parameter says, or very."""
    settings = TritonSettings(fake.address, window=3, timeouts=PATIENT)
    inference = TritonInference(tmp_path, [NAME], settings)
    inference.open()
    inference.verify()
    # Songs only: the canary's answer comes when this machine lets it.
    inference._settings = replace(settings, timeouts=getattr(request, "param", PATIENT))
    fake.requests.clear()
    fake.most_at_once = 0
    yield Asked(inference, manifest)
    inference.close()


def counted(outcome: str) -> float:
    value: float = INFERENCE_CALLS.labels(outcome)._value.get()
    return value


def refusing(status: grpc.StatusCode, times: int) -> Callable[..., NDArray[np.float32]]:
    """A network that refuses so often and then answers."""
    left = [times]

    def answer(patch: NDArray[np.float32], context: grpc.ServicerContext) -> NDArray[np.float32]:
        left[0] -= 1
        if left[0] >= 0:
            context.abort(status, "not now")
        return halves(patch, context)

    return answer


@pytest.mark.parametrize("status", ["UNAVAILABLE", "CANCELLED", "DEADLINE_EXCEEDED"])
def test_what_may_pass_is_tried_again_and_counted(fake: FakeTriton, asked: Asked, status: str) -> None:
    fake.answer = refusing(grpc.StatusCode[status], 2)
    refused, answered = counted(status.lower()), counted("answered")
    assert asked.model().fractions(PATCH).shape == (1, 2, 2, 512, 64)
    assert len(fake.requests) == 3
    assert counted(status.lower()) == refused + 2
    assert counted("answered") == answered + 1


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ("INVALID_ARGUMENT", InferenceUnavailable),
        ("INTERNAL", InferenceUnavailable),
        ("RESOURCE_EXHAUSTED", InferenceUnavailable),
        ("UNKNOWN", InferenceUnavailable),
        ("NOT_FOUND", ModelUnavailable),
    ],
)
def test_what_would_be_refused_again_is_not_tried_again(
    fake: FakeTriton, asked: Asked, status: str, error: type[AttemptFailed]
) -> None:
    fake.answer = refusing(grpc.StatusCode[status], 100)
    before = counted(status.lower())
    with pytest.raises(error) as caught:
        asked.model().fractions(PATCH)
    assert caught.value.retryable
    assert len(fake.requests) == 1
    assert counted(status.lower()) == before + 1


@pytest.mark.parametrize("asked", [LEAVING_SOON], indirect=True)
def test_an_answer_is_waited_for_only_so_long(fake: FakeTriton, asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[float] = []

    def draw(low: float, high: float) -> float:
        drawn.append(high)
        return high

    monkeypatch.setattr("random.uniform", draw)
    fake.answer = refusing(grpc.StatusCode.UNAVAILABLE, 10_000)
    with pytest.raises(InferenceUnavailable) as caught:
        asked.model().fractions(PATCH)
    assert caught.value.code == "inference_unavailable"
    # Bounds of the pauses, which are drawn below. A machine that is slow besides comes to fewer of them, none to more.
    bounds = [0.1, 0.2, 0.4, 0.8, 1.6, 2.0]
    assert drawn == bounds[: len(drawn)]
    assert sum(drawn[:-1]) < LEAVING_SOON.answer_seconds


@pytest.mark.parametrize("asked", [LEAVING_CALLS], indirect=True)
def test_a_silent_server_is_left_at_the_deadline(fake: FakeTriton, asked: Asked) -> None:
    released = threading.Event()

    def silent(patch: NDArray[np.float32], context: grpc.ServicerContext) -> NDArray[np.float32]:
        if not released.is_set():
            released.wait(120)
        return halves(patch, context)

    fake.answer = silent
    before = counted("deadline_exceeded")
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(asked.model().fractions, PATCH)
        until(lambda: counted("deadline_exceeded") > before)
        released.set()
        assert answer.result(180).shape == (1, 2, 2, 512, 64)
    # The server is told how long somebody waits, in microseconds.
    assert fake.requests[0].parameters["timeout"].int64_param == 2_000_000


def test_a_cancellation_reaches_the_server(fake: FakeTriton, asked: Asked) -> None:
    begun, ended = threading.Event(), threading.Event()

    def slow(patch: NDArray[np.float32], context: grpc.ServicerContext) -> NDArray[np.float32]:
        context.add_callback(ended.set)
        begun.set()
        ended.wait(120)
        return halves(patch, context)

    fake.answer = slow
    stop = threading.Event()
    before = counted("abandoned")
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(asked.model(stop.is_set).fractions, PATCH)
        assert begun.wait(60)
        stop.set()
        with pytest.raises(Cancelled):
            answer.result(60)
    assert ended.wait(60)
    assert counted("abandoned") == before + 1
    asked.inference.ping()  # the server is not to blame


def test_a_cancellation_ends_the_wait_for_another_try(fake: FakeTriton, asked: Asked) -> None:
    fake.answer = refusing(grpc.StatusCode.UNAVAILABLE, 10_000)
    with pytest.raises(Cancelled):
        asked.model(lambda: len(fake.requests) >= 2).fractions(PATCH)


def test_no_more_patches_are_in_flight_than_the_window_allows(fake: FakeTriton, asked: Asked) -> None:
    full = threading.Barrier(3, timeout=60)

    def together(patch: NDArray[np.float32], context: grpc.ServicerContext) -> NDArray[np.float32]:
        full.wait()  # nobody goes on before three are here
        return halves(patch, context)

    fake.answer = together
    with ThreadPoolExecutor(3) as slots:
        songs = [slots.submit(asked.model().fractions, np.ones((3, 2, 512, 64), np.float32)) for _ in range(3)]
        assert all(song.result(60).shape == (3, 2, 2, 512, 64) for song in songs)
    assert len(fake.requests) == 9
    assert fake.most_at_once == 3


def test_images_of_different_widths_are_in_flight_together(fake: FakeTriton, asked: Asked) -> None:
    both = threading.Barrier(2, timeout=60)

    def together(patch: NDArray[np.float32], context: grpc.ServicerContext) -> NDArray[np.float32]:
        both.wait()
        return halves(patch, context)

    fake.answer = together
    model = asked.model()
    assert isinstance(model, TritonModel)
    answers = model.fractions_of_each([PATCH[0], np.ones((2, 512, 128), np.float32)])
    assert [answer.shape for answer in answers] == [(2, 2, 512, 64), (2, 2, 512, 128)]


def infinite(patch: NDArray[np.float32], context: grpc.ServicerContext) -> NDArray[np.float32]:
    answer = halves(patch, context)
    answer[0, 1, 0, 100, 3] = np.nan
    return answer


@pytest.mark.parametrize(
    "answer",
    [
        infinite,
        lambda patch, context: halves(patch, context)[:, :1],
        lambda patch, context: halves(patch, context)[..., :-1],
        lambda patch, context: halves(patch[:0], context),
    ],
    ids=["not a number", "a stem too few", "a bin too few", "no patch"],
)
def test_a_wrong_answer_is_refused_and_the_model_doubted(
    fake: FakeTriton, asked: Asked, answer: Callable[..., NDArray[np.float32]]
) -> None:
    fake.answer = answer
    before = counted("invalid_answer")
    with pytest.raises(ModelAnswerInvalid):
        asked.model().fractions(PATCH)
    assert len(fake.requests) == 1
    assert counted("invalid_answer") == before + 1
    with pytest.raises(InferenceUnavailable):
        asked.inference.ping()
    with pytest.raises(InferenceUnavailable):
        asked.inference.verify()
    fake.answer = halves
    assert asked.inference.verify() > 0
    asked.inference.ping()


def test_checks_go_before_songs(fake: FakeTriton, asked: Asked) -> None:
    asked.model().fractions(PATCH)
    asked.inference.verify()
    song, check = (request.parameters["priority"].uint64_param for request in fake.requests)
    assert check < song


@pytest.fixture
def opened(fake: FakeTriton, tmp_path: Path) -> Iterator[TritonInference]:
    inference = TritonInference(tmp_path, [NAME], TritonSettings(fake.address, timeouts=PATIENT), device="gpu")
    inference.open()
    yield inference
    inference.close()


def test_a_gpu_worker_whose_model_is_on_a_cpu_is_not_ready(fake: FakeTriton, opened: TritonInference) -> None:
    with pytest.raises(InferenceUnavailable, match="on cpu, not on a GPU"):
        opened.verify()
    fake.kind = "KIND_GPU"
    assert opened.verify() > 0
    assert opened.device == "cuda:0"


def test_another_digest_is_not_served(fake: FakeTriton, opened: TritonInference, manifest: ModelManifest) -> None:
    fake.kind, fake.digest = "KIND_GPU", "sha256:" + "0" * 64
    with pytest.raises(InferenceUnavailable, match="is not the model of digest"):
        opened.verify()
    with pytest.raises(ModelUnavailable):
        opened.model(manifest.name, manifest.digest)


def test_a_model_that_answers_the_canary_wrongly_is_not_served(fake: FakeTriton, opened: TritonInference) -> None:
    fake.kind = "KIND_GPU"

    def other(patch: NDArray[np.float32], context: grpc.ServicerContext) -> NDArray[np.float32]:
        return halves(patch, context) + np.float32(0.01)

    fake.answer = other
    with pytest.raises(InferenceUnavailable, match=r"canary wrongly, by up to 0\.010"):
        opened.verify()


def test_a_server_that_is_away_is_said_so(manifest: ModelManifest, tmp_path: Path) -> None:
    inference = TritonInference(tmp_path, [NAME], TritonSettings("127.0.0.1:1", timeouts=LEAVING_SOON))
    inference.open()
    with pytest.raises(InferenceUnavailable, match="UNAVAILABLE"):
        inference.verify()
    inference.close()


def test_a_model_without_a_canary_cannot_be_served(tmp_path: Path) -> None:
    make_tiny_model(tmp_path)
    inference = TritonInference(tmp_path, [NAME], TritonSettings("127.0.0.1:1"))
    with pytest.raises(ModelError, match="stemwright models triton"):
        inference.open()
    inference.close()


def test_a_canary_of_another_model_is_refused(manifest: ModelManifest, tmp_path: Path) -> None:
    repository = ModelRepository(tmp_path)
    other = replace(manifest, digest="sha256:1")
    (repository.folder(NAME) / "manifest.json").write_text(other.to_json())
    with pytest.raises(ModelError, match="that of another model"):
        repository.canary(NAME)


class Registry:
    """What a server was told of shared memory. It maps a region by its name while it is told, as a server does."""

    def __init__(self) -> None:
        self.known: dict[str, mmap.mmap] = {}
        self.forgotten: list[str] = []

    def register_memory(self, name: str, key: str, size_bytes: int, timeout_seconds: float) -> None:
        with Path("/dev/shm", key.lstrip("/")).open("r+b") as file:
            self.known[name] = mmap.mmap(file.fileno(), size_bytes)

    def unregister_memory(self, name: str, timeout_seconds: float) -> None:
        self.forgotten.append(name)


def loaded(buffer: Buffer, patch: NDArray[np.float32]) -> Any:
    """The request that goes with the patch."""
    request = service_pb2.ModelInferRequest()
    request.inputs.add(name="magnitudes")
    request.outputs.add(name="masks")
    buffer.write(request, patch, 2 * patch.nbytes)
    return request


def region_of(request: Any) -> str:
    name: str = request.inputs[0].parameters["shared_memory_region"].string_param
    assert request.outputs[0].parameters["shared_memory_region"].string_param == name
    return name


def test_patch_and_answer_lie_side_by_side_in_memory_whose_name_is_gone() -> None:
    registry = Registry()
    buffers = BufferPool(1, lambda: SharedMemoryBuffer(cast(TritonClient, registry)))
    with buffers.acquire(lambda: False) as buffer:
        request = loaded(buffer, PATCH)
        memory = registry.known[region_of(request)]
        assert not list(Path("/dev/shm").glob(f"{region_of(request)}*"))
        assert memory[: PATCH.nbytes] == PATCH.tobytes()
        offset = request.outputs[0].parameters["shared_memory_offset"].int64_param
        memory[offset:] = b"\x01" * (2 * PATCH.nbytes)
        assert bytes(buffer.read(service_pb2.ModelInferResponse())) == b"\x01" * (2 * PATCH.nbytes)
    with buffers.acquire(lambda: False) as buffer:  # what went well is used again, also for a smaller patch
        assert region_of(loaded(buffer, np.ones((1, 2, 512, 32), np.float32))) == region_of(request)


def test_memory_that_a_silent_server_may_still_write_into_is_not_used_again() -> None:
    registry = Registry()
    buffers = BufferPool(1, lambda: SharedMemoryBuffer(cast(TritonClient, registry)))
    names = []
    for failure in (InferenceUnavailable("late"), Cancelled()):
        with pytest.raises(type(failure)), buffers.acquire(lambda: False) as buffer:
            names.append(region_of(loaded(buffer, PATCH)))
            raise failure
    with buffers.acquire(lambda: False) as buffer:
        names.append(region_of(loaded(buffer, PATCH)))
    assert len(set(names)) == 3
    assert registry.forgotten == names[:2]
    buffers.discard()
    assert registry.forgotten == names
