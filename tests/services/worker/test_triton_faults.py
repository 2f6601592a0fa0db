"""What happens to songs while the real Triton server dies, stands still, comes back as another, or answers nonsense.

The worker is the real process. Every job ends, and metrics and log say why. The network behind the server is a stand-in
that does what a file tells it. A server that crashes by itself is started again, as `stemwright up` and Kubernetes do:
Triton's Python backend now and then does not survive that it stood still (triton-inference-server/server issue 8882).
"""

import gc
import json
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from separation.models.repository import ModelRepository
from services.kit.protos import separation_pb2
from services.worker.inference.triton.inference import TritonInference, TritonSettings
from services.worker.metrics import INFERENCE_CALLS
from tests.broker import running_broker
from tests.object_store import running_object_store
from tests.services.worker import tiny_model
from tests.services.worker.harness import Harness, Orchestrator, Worker
from tests.services.worker.songs import write_song
from tests.services.worker.waiting import PATIENT
from tests.triton_server import KEY, TritonServer

pytestmark = [
    pytest.mark.triton,
    pytest.mark.kafka,
    pytest.mark.s3,
    pytest.mark.slow,
    # kafka-python leaves the sockets of refused connections to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]

SONG_SECONDS = 30  # three patches, six requests; of one channel, since most of a worker's time goes into stems
SLOW_SECONDS = 0.6  # for an answer: what is done to the server comes before the song's last one
STAND_IN = """
import json, os, sys, time
from pathlib import Path
sys.path[:0] = os.environ["PYTHONPATH"].split(os.pathsep)
import numpy as np
import triton_python_backend_utils as triton

class TritonPythonModel:
    def initialize(self, args):
        self.told = Path(args["model_repository"]).parent / "told.json"

    def execute(self, requests):
        return [self.respond(triton.get_input_tensor_by_name(one, "magnitudes").as_numpy()) for one in requests]

    def respond(self, patch):
        told = json.loads(self.told.read_text())
        time.sleep(told["seconds"])
        shares = np.array([told["vocals"], 1 - told["vocals"], 0], np.float32)[: told["stems"]]
        answer = np.broadcast_to(shares.reshape(1, -1, 1, 1, 1), (len(patch), told["stems"], *patch.shape[1:]))
        return triton.InferenceResponse([triton.Tensor("masks", np.ascontiguousarray(answer))])
"""


class Server(TritonServer):
    """A server whose network does as it is told, and that is there unless a test killed it."""

    def __init__(self, installed: Path, folder: Path) -> None:
        super().__init__(installed, folder)
        self._changing = threading.RLock()

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Starts it again whenever it has ended by itself."""
        over = threading.Event()

        def keep() -> None:
            while not over.wait(0.1):
                with self._changing:
                    if self.crashed:
                        self.kill()
                        self.start()

        restarts = threading.Thread(target=keep, name="restarts of the server")
        restarts.start()
        try:
            yield
        finally:
            over.set()
            restarts.join()

    def start(self) -> None:
        with self._changing:
            super().start()

    def kill(self) -> None:
        with self._changing:
            super().kill()

    def serve(self, repository: ModelRepository, *, queue: int = 64) -> None:
        self.lay_out(repository, tiny_model.NAME)
        self.configure(r"max_queue_size: \d+", f"max_queue_size: {queue}")
        for path in self.models.glob("*/1/model.py"):
            path.write_text(STAND_IN)
        self.tell()

    def tell(self, *, seconds: float = 0.02, vocals: float = tiny_model.VOCALS_SHARE, stems: int = 2) -> None:
        draft = self.models / ".told"
        draft.write_text(json.dumps({"seconds": seconds, "vocals": vocals, "stems": stems}))
        draft.replace(self.models / "told.json")


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    yield
    gc.collect()


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    folder = tmp_path_factory.mktemp("harness")
    with running_broker() as broker, running_object_store(folder / "objects") as store:
        harness = Harness(folder, broker.bootstrap, store)
        ModelRepository(folder / "models").make_canary(tiny_model.NAME)
        with harness.orchestrator:
            yield harness


@pytest.fixture(scope="module")
def repository(harness: Harness) -> ModelRepository:
    return ModelRepository(harness.folder / "models")


@pytest.fixture(scope="module")
def song(harness: Harness) -> separation_pb2.SourceAudio:
    return harness.upload(write_song(harness.folder / "song.wav", SONG_SECONDS, channels=1))


@pytest.fixture(scope="module")
def server(
    triton_installed: Path, tmp_path_factory: pytest.TempPathFactory, repository: ModelRepository
) -> Iterator[Server]:
    server = Server(triton_installed, tmp_path_factory.mktemp("triton") / "server")
    server.serve(repository)
    server.start()
    with server.kept():
        yield server
    server.kill()


@pytest.fixture(scope="module")
def worker(harness: Harness, server: Server) -> Iterator[Worker]:
    with harness.worker(**where(server)) as worker:
        yield worker


def where(server: TritonServer, **settings: Any) -> dict[str, Any]:
    """The settings of a worker that asks this server."""
    return {
        "triton_address": server.address,
        "triton_key": KEY,
        "triton_shared_memory": "true",
        "triton_call_timeout_seconds": 3,
        "triton_answer_timeout_seconds": 60,
        **settings,
    }


@pytest.fixture
def orchestrator(harness: Harness, server: Server, worker: Worker) -> Orchestrator:
    """With the server and the worker as each test finds them: running and ready."""
    server.tell()
    worker.until(lambda: worker.get("/readyz")[0] == 200)
    return harness.orchestrator


def metric(worker: Worker, name: str) -> float:
    """A counter or gauge of the worker, 0 where it was never set."""
    found = re.search(rf"^{re.escape(name)} (\S+)$", worker.get("/metrics")[1], re.MULTILINE)
    return float(found[1]) if found else 0.0


def calls(worker: Worker, outcome: str) -> float:
    return metric(worker, f'stemwright_worker_inference_calls_total{{outcome="{outcome}"}}')


def begin(harness: Harness, worker: Worker, song: separation_pb2.SourceAudio, attempt: int = 1) -> Any:
    """A song whose patches are on their way."""
    assignment = harness.assignment(worker, song, attempt=attempt)
    before = calls(worker, "answered")
    harness.orchestrator.send(worker, assignment)
    harness.orchestrator.wait_stage(assignment.job_id, "separating")
    worker.until(lambda: calls(worker, "answered") > before)
    return assignment


def hangs(worker: Worker) -> bool:
    """Whether a patch is on its way and no answer comes: those that the server had sent have had time to be read."""
    before = calls(worker, "answered")
    time.sleep(1)
    return metric(worker, "stemwright_worker_inference_in_flight") > 0 and calls(worker, "answered") == before


def not_ready(worker: Worker) -> bool:
    return worker.get("/readyz")[0] == 503


def announced(orchestrator: Orchestrator, worker: Worker) -> bool:
    """Whether the worker's last heartbeat offers a model."""
    return bool(orchestrator.heartbeats(worker.id)[-1].models)


def test_a_song_is_separated_and_the_heartbeat_says_where_and_how_fast(
    harness: Harness, orchestrator: Orchestrator, worker: Worker, song: separation_pb2.SourceAudio
) -> None:
    assignment = harness.assignment(worker, song)
    orchestrator.send(worker, assignment)
    manifest = harness.manifest(orchestrator.end_of(assignment.job_id))
    assert manifest["model"]["digest"] == harness.model.digest
    assert (manifest["model"]["runtime"], manifest["model"]["device"]) == ("triton 2.51.0 python fp32", "cpu")
    beat = orchestrator.heartbeats(worker.id)[-1]
    assert (beat.device, [model.digest for model in beat.models]) == ("cpu", [harness.model.digest])
    assert beat.speed > 0
    assert metric(worker, "stemwright_worker_inference_ready") == 1
    assert metric(worker, "stemwright_worker_inference_in_flight") == 0


def test_a_server_that_is_killed_and_comes_back_costs_nothing(
    harness: Harness, orchestrator: Orchestrator, worker: Worker, server: Server, song: separation_pb2.SourceAudio
) -> None:
    server.tell(seconds=SLOW_SECONDS)
    assignment = begin(harness, worker, song)
    before = calls(worker, "unavailable")
    server.kill()
    worker.until(lambda: not_ready(worker))
    orchestrator.wait(lambda: not announced(orchestrator, worker))
    server.start()
    harness.manifest(orchestrator.end_of(assignment.job_id))
    assert calls(worker, "unavailable") > before
    assert "inference failed: UNAVAILABLE" in worker.log.read_text()
    worker.until(lambda: not not_ready(worker))
    orchestrator.wait(lambda: announced(orchestrator, worker))


def test_a_server_that_stands_still_is_waited_for_and_its_late_answers_are_not_taken(
    harness: Harness, orchestrator: Orchestrator, worker: Worker, server: Server, song: separation_pb2.SourceAudio
) -> None:
    server.tell(seconds=SLOW_SECONDS)
    assignment = begin(harness, worker, song)
    before = calls(worker, "deadline_exceeded")
    server.signal(signal.SIGSTOP)
    worker.until(lambda: calls(worker, "deadline_exceeded") > before and not_ready(worker))
    server.signal(signal.SIGCONT)
    harness.manifest(orchestrator.end_of(assignment.job_id))
    assert "inference failed: DEADLINE_EXCEEDED" in worker.log.read_text()


def test_a_song_whose_server_stays_away_fails_for_this_worker_alone(
    harness: Harness, orchestrator: Orchestrator, server: Server, song: separation_pb2.SourceAudio
) -> None:
    with harness.worker(**where(server, triton_answer_timeout_seconds=2)) as impatient:
        server.tell(seconds=SLOW_SECONDS)
        assignment = begin(harness, impatient, song)
        server.kill()
        try:
            failed = orchestrator.end_of(assignment.job_id).failed
        finally:
            server.start()
        assert (failed.code, failed.retryable) == ("inference_unavailable", True)
        assert metric(impatient, 'stemwright_worker_attempts_total{outcome="inference_unavailable"}') == 1
        assert harness.stored(assignment.job_id) == []
        assert impatient.left_behind() == []


def test_a_cancelled_song_ends_while_its_server_stands_still(
    harness: Harness, orchestrator: Orchestrator, server: Server, song: separation_pb2.SourceAudio
) -> None:
    # No call runs into its deadline before the cancellation comes, however busy the machine is.
    with harness.worker(**where(server, triton_call_timeout_seconds=60)) as patient:
        server.tell(seconds=1)
        assignment = begin(harness, patient, song)
        server.signal(signal.SIGSTOP)
        try:
            patient.until(lambda: hangs(patient))
            orchestrator.cancel(patient, assignment.job_id)
            assert orchestrator.end_of(assignment.job_id).aborted.reason == "canceled"
        finally:
            server.signal(signal.SIGCONT)
        assert calls(patient, "abandoned") >= 1


@pytest.mark.parametrize("nonsense", [{"vocals": float("nan")}, {"stems": 3}], ids=["not a number", "a stem too many"])
def test_nonsense_fails_the_song_and_the_worker_is_not_ready_until_the_canary_is_right(
    harness: Harness,
    orchestrator: Orchestrator,
    worker: Worker,
    server: Server,
    song: separation_pb2.SourceAudio,
    nonsense: dict[str, Any],
) -> None:
    server.tell(seconds=0.2)
    assignment = begin(harness, worker, song)
    server.tell(seconds=0.2, **nonsense)
    failed = orchestrator.end_of(assignment.job_id).failed
    assert (failed.code, failed.retryable) in [("model_answer_invalid", True), ("inference_unavailable", True)]
    assert harness.stored(assignment.job_id) == []
    worker.until(lambda: not_ready(worker) and metric(worker, "stemwright_worker_inference_ready") == 0)
    orchestrator.wait(lambda: not announced(orchestrator, worker))
    server.tell()
    worker.until(lambda: not not_ready(worker))
    again = harness.assignment(worker, song, job_id=assignment.job_id, attempt=2)
    orchestrator.send(worker, again)
    harness.manifest(orchestrator.end_of(again.job_id, attempt=2))


def test_a_server_that_comes_back_with_other_weights_is_not_trusted(
    harness: Harness, orchestrator: Orchestrator, worker: Worker, server: Server, song: separation_pb2.SourceAudio
) -> None:
    server.tell(seconds=SLOW_SECONDS)
    assignment = begin(harness, worker, song)
    server.kill()
    server.tell(vocals=0.6)
    server.start()
    worker.until(lambda: not_ready(worker) and "answered the canary wrongly" in worker.get("/readyz")[1])
    # The patches that were under way are answered by the other weights, which bear the right name: only the canary can
    # tell. The song ends either way; with the digest in its name another model is not found at all (the next test).
    orchestrator.end_of(assignment.job_id)
    server.tell()
    worker.until(lambda: not not_ready(worker))


def test_a_server_that_comes_back_with_another_model_ends_the_song(
    harness: Harness,
    orchestrator: Orchestrator,
    worker: Worker,
    server: Server,
    song: separation_pb2.SourceAudio,
    tmp_path: Path,
) -> None:
    server.tell(seconds=SLOW_SECONDS)
    assignment = begin(harness, worker, song)
    server.kill()
    hidden = [path.rename(tmp_path / path.name) for path in server.models.glob(f"{tiny_model.NAME}-*")]
    other = ModelRepository(tmp_path / "others")
    manifest = tiny_model.make_tiny_model(other.path, vocals_share=0.25)
    server.lay_out(other, manifest.name)
    server.start()
    failed = orchestrator.end_of(assignment.job_id).failed
    assert (failed.code, failed.retryable) == ("model_unavailable", True)
    worker.until(lambda: not_ready(worker))
    orchestrator.wait(lambda: not announced(orchestrator, worker))
    server.kill()
    for path in hidden:
        path.rename(server.models / path.name)
    server.start()
    worker.until(lambda: not not_ready(worker))


def test_memory_that_a_new_server_does_not_know_is_registered_again(
    orchestrator: Orchestrator, server: Server, repository: ModelRepository, harness: Harness
) -> None:
    settings = TritonSettings(server.address, KEY, shared_memory=True, window=1, timeouts=PATIENT)
    inference = TritonInference(repository.path, [tiny_model.NAME], settings)
    inference.open()
    inference.verify()
    model = inference.model(tiny_model.NAME, harness.model.digest)
    patch = np.ones((1, 2, 512, 64), np.float32)
    before = model.fractions(patch)
    server.kill()
    server.start()
    refused = INFERENCE_CALLS.labels("not_found")._value.get()
    assert np.array_equal(model.fractions(patch), before)
    assert INFERENCE_CALLS.labels("not_found")._value.get() == refused + 1
    inference.close()


def test_a_full_queue_is_waited_for_and_every_song_ends(
    triton_installed: Path,
    harness: Harness,
    repository: ModelRepository,
    tmp_path: Path,
) -> None:
    # One patch: six songs at once are many for a queue.
    song = harness.upload(write_song(tmp_path / "song.wav", 10, channels=1))
    server = Server(triton_installed, tmp_path / "server")
    server.serve(repository, queue=1)
    server.start()
    try:
        with harness.worker(**where(server, slots=6, triton_window=6, triton_call_timeout_seconds=60)) as worker:
            # So slow that songs meet there, however long each takes to come there, and until they have.
            server.tell(seconds=5)
            assignments = [harness.assignment(worker, song) for _ in range(6)]
            for assignment in assignments:
                harness.orchestrator.send(worker, assignment)
            worker.until(lambda: calls(worker, "unavailable") > 0)
            server.tell()
            for assignment in assignments:
                harness.manifest(harness.orchestrator.end_of(assignment.job_id))
            assert "Exceeds maximum queue size" in worker.log.read_text()
    finally:
        server.kill()


def test_a_gpu_worker_that_finds_itself_on_the_cpu_is_not_ready(harness: Harness, server: Server) -> None:
    with harness.starting(**where(server, device="gpu")) as worker:
        worker.until(lambda: "on cpu, not on a GPU" in worker.log.read_text())
        assert worker.get("/readyz")[0] == 503


def test_apis_that_change_the_server_are_for_the_holder_of_the_key(server: Server) -> None:
    import grpc
    from tritonclient.grpc import service_pb2, service_pb2_grpc

    with grpc.insecure_channel(server.address) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        refused: list[Callable[[], Any]] = [
            lambda: stub.SystemSharedMemoryStatus(service_pb2.SystemSharedMemoryStatusRequest()),
            lambda: stub.RepositoryIndex(service_pb2.RepositoryIndexRequest()),
            lambda: stub.RepositoryModelUnload(service_pb2.RepositoryModelUnloadRequest(model_name="x")),
            lambda: stub.LogSettings(service_pb2.LogSettingsRequest()),
        ]
        for call in refused:
            with pytest.raises(grpc.RpcError, match="restricted"):
                call()
    assert server.http("/v2") == 403
    assert server.http("/v2/health/live") == 200
