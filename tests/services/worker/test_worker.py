"""The worker as its neighbours see it: a real process, a real broker, a real object store, a small real network."""

import gc
import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from separation.models.importers.onnx_file import import_onnx
from separation.models.repository import ModelRepository
from services.kit.ids import new_id
from services.kit.object_keys import source_key
from services.kit.protos import separation_pb2
from tests.broker import Broker, running_broker
from tests.object_store import running_object_store
from tests.separation.models.toy_network import STEMS, write_toy_network
from tests.separation.signals import music, write_wav
from tests.services.worker.harness import ACCOUNT, DEADLINE_SECONDS, Harness, Orchestrator, Worker
from tests.services.worker.songs import RATE, write_song
from tests.standing_still import standing_still

# kafka-python leaves the sockets of refused connections to the garbage collector.
pytestmark = [
    pytest.mark.kafka,
    pytest.mark.s3,
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]

MIDDLE_SECONDS = 60
"""Long enough that something can happen while it is separated."""
LONG_SECONDS = 600
"""Too long to end before the test does something about it."""
FILES = ["instrumental.flac", "manifest.json", "vocals.flac", "waveforms.json"]


def files(harness: Harness, job_id: str) -> list[str]:
    """Names of the objects of a first attempt, but for the segments that are listened to while it is separated."""
    return [name for name in harness.stored(job_id) if not name.startswith("playback/")]


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """Collects those sockets while the warning about them is expected."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    with running_broker() as broker:
        yield broker


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory, broker: Broker) -> Iterator[Harness]:
    folder = tmp_path_factory.mktemp("harness")
    with running_object_store(folder / "objects") as store:
        harness = Harness(folder, broker.bootstrap, store)
        with harness.orchestrator:
            yield harness


@pytest.fixture(scope="module")
def orchestrator(harness: Harness) -> Orchestrator:
    return harness.orchestrator


@pytest.fixture(scope="module")
def worker(harness: Harness) -> Iterator[Worker]:
    with harness.worker() as worker:
        yield worker


@pytest.fixture(scope="module")
def short(harness: Harness) -> separation_pb2.SourceAudio:
    return harness.upload(write_song(harness.folder / "short.wav", 3))


@pytest.fixture(scope="module")
def long(harness: Harness) -> separation_pb2.SourceAudio:
    # At a low rate it takes even longer to separate, and a fifth of the bytes to move.
    return harness.upload(write_song(harness.folder / "long.wav", LONG_SECONDS, seed=2, rate=8000))


@pytest.fixture(scope="module")
def middle(harness: Harness) -> separation_pb2.SourceAudio:
    return harness.upload(write_song(harness.folder / "middle.wav", MIDDLE_SECONDS, seed=3))


def test_a_worker_introduces_itself(harness: Harness, orchestrator: Orchestrator, worker: Worker) -> None:
    first = orchestrator.heartbeats(worker.id)[0]
    assert (first.slots, first.device, first.stopping, len(first.running)) == (1, "cpu", False, 0)
    assert [(model.name, model.digest) for model in first.models] == [(harness.model.name, harness.model.digest)]
    assert first.runtime.startswith("onnxruntime ")
    assert first.speed > 0
    assert worker.get("/healthz")[0] == 200
    assert "stemwright_worker_busy_slots 0.0" in worker.get("/metrics")[1]
    assert (
        f'stemwright_worker_inference_runtime{{model="{harness.model.name}",runtime="{first.runtime}"}} 1.0'
        in worker.get("/metrics")[1]
    )
    orchestrator.wait(lambda: len(orchestrator.heartbeats(worker.id)) >= 3)
    sequences = [beat.sequence for beat in orchestrator.heartbeats(worker.id)]
    assert sequences == sorted(set(sequences))


def test_a_song_becomes_its_stems(
    harness: Harness, orchestrator: Orchestrator, worker: Worker, short: separation_pb2.SourceAudio
) -> None:
    assignment = harness.assignment(worker, short)
    orchestrator.send(worker, assignment)
    end = orchestrator.end_of(assignment.job_id)
    manifest = harness.manifest(end)
    assert end.succeeded.manifest_key == f"stems/{assignment.job_id}/1/manifest.json"
    assert files(harness, assignment.job_id) == FILES
    assert manifest["input"]["sha256"] == short.sha256
    assert manifest["quality"]["null_residual_dbfs"] is None
    for stem in manifest["stems"]:
        data = harness.storage.read_bytes(f"stems/{assignment.job_id}/1/{stem['file']}", 1 << 24)
        assert hashlib.sha256(data).hexdigest() == stem["sha256"]
        assert (stem["samples"], stem["sample_rate_hz"], stem["channels"]) == (3 * RATE, RATE, 2)
    assert {"download", "engine", "upload", "total"} <= manifest["timings_seconds"].keys()
    progress = orchestrator.heard(separation_pb2.SeparationProgress, job_id=assignment.job_id)
    assert [message.fraction for message in progress] == sorted(message.fraction for message in progress)
    assert {message.account_id for message in progress} == {ACCOUNT}
    orchestrator.wait(lambda: [m for beat in orchestrator.heartbeats(worker.id) for m in beat.finished if m == end])
    assert worker.left_behind() == []


def test_a_window_is_as_long_as_it_was_asked(
    harness: Harness, orchestrator: Orchestrator, worker: Worker, short: separation_pb2.SourceAudio
) -> None:
    assignment = harness.assignment(worker, short)
    assignment.window.start_seconds = 1
    assignment.window.duration_seconds = 1.5
    orchestrator.send(worker, assignment)
    manifest = harness.manifest(orchestrator.end_of(assignment.job_id))
    assert manifest["window"] == {"start_sample": RATE, "end_sample": RATE * 5 // 2, "whole_song": False}


def test_a_worker_of_several_models_takes_the_one_that_was_assigned(
    harness: Harness, orchestrator: Orchestrator, short: separation_pb2.SourceAudio
) -> None:
    toy = import_onnx(
        ModelRepository(harness.folder / "models"),
        "toy-4stems",
        write_toy_network(harness.folder / "toy.onnx", frames=128),
        STEMS,
        licence="CC0-1.0",
    )
    with harness.worker(model=f"{harness.model.name}, {toy.name}") as worker:
        announced = orchestrator.heartbeats(worker.id)[-1].models
        assert {model.name: model.digest for model in announced} == {
            harness.model.name: harness.model.digest,
            toy.name: toy.digest,
        }
        for model in (harness.model, toy):
            assignment = harness.assignment(worker, short)
            assignment.model.name, assignment.model.digest = model.name, model.digest
            orchestrator.send(worker, assignment)
            manifest = harness.manifest(orchestrator.end_of(assignment.job_id))
            assert (manifest["model"]["name"], manifest["model"]["digest"]) == (model.name, model.digest)
            assert manifest["quality"]["null_residual_dbfs"] is None


def test_the_same_assignment_twice_is_one_separation(
    harness: Harness, orchestrator: Orchestrator, worker: Worker, short: separation_pb2.SourceAudio
) -> None:
    assignment = harness.assignment(worker, short)
    for _ in range(3):
        orchestrator.send(worker, assignment)
    end = orchestrator.end_of(assignment.job_id)
    told = len(orchestrator.heartbeats(worker.id))
    orchestrator.send(worker, assignment)

    def told_again() -> bool:
        beats = orchestrator.heartbeats(worker.id)[told:]
        return any(end in beat.finished for beat in beats)

    orchestrator.wait(told_again)
    assert len(orchestrator.heard(separation_pb2.SeparationFinished, job_id=assignment.job_id)) == 1


def test_what_is_not_this_workers_work_is_left_alone(
    harness: Harness, orchestrator: Orchestrator, worker: Worker, short: separation_pb2.SourceAudio
) -> None:
    foreign = harness.assignment(worker, short)
    foreign.worker_id = new_id("wrk")
    present = harness.assignment(worker, short, attempt=2)
    stale = harness.assignment(worker, short, job_id=present.job_id, attempt=1)
    for assignment in (foreign, present):
        orchestrator.send(worker, assignment)
    harness.manifest(orchestrator.end_of(present.job_id, attempt=2))
    orchestrator.send(worker, stale)
    last = harness.assignment(worker, short)
    orchestrator.send(worker, last)
    harness.manifest(orchestrator.end_of(last.job_id))
    for other in (foreign, stale):
        assert harness.stored(other.job_id, other.attempt) == []
        finished = separation_pb2.SeparationFinished
        assert orchestrator.heard(finished, job_id=other.job_id, attempt=other.attempt) == []


def test_an_assignment_that_is_late_by_this_workers_clock_is_work(
    harness: Harness, orchestrator: Orchestrator, worker: Worker, short: separation_pb2.SourceAudio
) -> None:
    assignment = harness.assignment(worker, short, seconds=-1)
    orchestrator.send(worker, assignment)
    harness.manifest(orchestrator.end_of(assignment.job_id))


def test_a_cancelled_attempt_stops_between_chunks_and_leaves_nothing(
    harness: Harness, orchestrator: Orchestrator, worker: Worker, long: separation_pb2.SourceAudio
) -> None:
    assignment = harness.assignment(worker, long)
    orchestrator.send(worker, assignment)
    orchestrator.wait_stage(assignment.job_id, "separating")
    orchestrator.cancel(worker, assignment.job_id)
    assert orchestrator.end_of(assignment.job_id).aborted.reason == "canceled"
    assert harness.stored(assignment.job_id) == []
    assert worker.left_behind() == []


def test_more_work_than_slots_is_handed_back(
    harness: Harness,
    orchestrator: Orchestrator,
    worker: Worker,
    short: separation_pb2.SourceAudio,
    long: separation_pb2.SourceAudio,
) -> None:
    first, second = harness.assignment(worker, long), harness.assignment(worker, short)
    orchestrator.send(worker, first)
    orchestrator.send(worker, second)
    failed = orchestrator.end_of(second.job_id).failed
    assert (failed.code, failed.retryable) == ("worker_busy", True)
    orchestrator.cancel(worker, first.job_id)
    orchestrator.end_of(first.job_id)


def test_a_finished_lower_attempt_is_used(
    harness: Harness, orchestrator: Orchestrator, worker: Worker, short: separation_pb2.SourceAudio
) -> None:
    first = harness.assignment(worker, short)
    orchestrator.send(worker, first)
    end = orchestrator.end_of(first.job_id)
    orchestrator.send(worker, harness.assignment(worker, short, job_id=first.job_id, attempt=2))
    assert orchestrator.end_of(first.job_id, attempt=2).succeeded == end.succeeded
    assert harness.stored(first.job_id, 2) == []


@pytest.mark.parametrize(
    ("damage", "code", "retryable"),
    [
        ("other bytes", "source_changed", True),
        ("gone", "source_missing", False),
        ("not audio", "audio_unsupported_format", False),
        ("unknown stem", "stem_unknown", False),
        ("unknown format", "output_format_unsuitable", False),
        ("window outside", "window_outside_audio", False),
        ("empty window", "window_outside_audio", False),
        ("too loud", "audio_exceeds_full_scale", False),
        ("unknown model", "model_unavailable", True),
    ],
)
def test_what_cannot_be_separated_fails_with_a_reason(
    harness: Harness,
    orchestrator: Orchestrator,
    worker: Worker,
    short: separation_pb2.SourceAudio,
    damage: str,
    code: str,
    retryable: bool,
) -> None:
    assignment = harness.assignment(worker, short)
    match damage:
        case "other bytes":
            assignment.source.sha256 = "0" * 64
        case "gone":
            assignment.source.object_key = source_key(new_id("upl"))
        case "not audio":
            text = harness.folder / "text.mp3"
            text.write_text("these are words\n" * 100)
            assignment.source.CopyFrom(harness.upload(text))
        case "too loud":
            hot = write_wav(harness.folder / "hot.wav", 100 * music(0.5), bits=32)
            assignment.source.CopyFrom(harness.upload(hot))
        case "empty window":
            assignment.window.start_seconds = 0.5
            assignment.window.duration_seconds = 0
        case "unknown stem":
            assignment.stems[:] = ["tuba"]
        case "unknown format":
            assignment.output.format = "wma"
        case "window outside":
            assignment.window.start_seconds = 100
            assignment.window.duration_seconds = 5
        case _:
            assignment.model.digest = "sha256:" + "0" * 64
    orchestrator.send(worker, assignment)
    failed = orchestrator.end_of(assignment.job_id).failed
    assert (failed.code, failed.retryable) == (code, retryable)
    assert failed.message.endswith(".")
    assert harness.stored(assignment.job_id) == []
    assert worker.left_behind() == []


def test_a_store_that_dies_before_the_stems_are_put_and_comes_back_costs_nothing(
    harness: Harness, orchestrator: Orchestrator, worker: Worker, middle: separation_pb2.SourceAudio
) -> None:
    def failed() -> bool:
        return "the object store failed" in worker.log.read_text()

    for _ in range(20):
        assignment = harness.assignment(worker, middle)
        orchestrator.send(worker, assignment)
        orchestrator.wait_stage(assignment.job_id, "separating")
        harness.store.kill()
        try:
            worker.until(lambda job=assignment.job_id: failed() or orchestrator.has_ended(job))  # type: ignore[misc]
        finally:
            harness.store.start()
        harness.manifest(orchestrator.end_of(assignment.job_id))
        assert files(harness, assignment.job_id) == FILES
        if failed():  # else the song was done before we had heard of its beginning
            break
    assert failed()


def test_a_broker_that_restarts_empty_loses_no_result(
    harness: Harness, orchestrator: Orchestrator, worker: Worker, broker: Broker, middle: separation_pb2.SourceAudio
) -> None:
    assignment = harness.assignment(worker, middle)
    orchestrator.send(worker, assignment)
    orchestrator.wait_stage(assignment.job_id, "separating")
    broker.kill()
    worker.until(lambda: files(harness, assignment.job_id) == FILES)
    broker.start()
    harness.manifest(orchestrator.end_of(assignment.job_id))
    again = harness.assignment(worker, middle, job_id=assignment.job_id, attempt=2)

    def answered() -> bool:
        orchestrator.send(worker, again)
        return bool(orchestrator.heard(separation_pb2.SeparationFinished, job_id=again.job_id, attempt=2))

    worker.until(answered)


def test_a_stopping_worker_ends_what_it_began_and_takes_nothing_new(
    harness: Harness, orchestrator: Orchestrator, short: separation_pb2.SourceAudio
) -> None:
    with harness.worker(grace_seconds=480) as worker:
        running, late = harness.assignment(worker, short), harness.assignment(worker, short)
        with standing_still(harness.store.pid):  # nothing ends meanwhile
            orchestrator.send(worker, running)
            orchestrator.wait(lambda: orchestrator.heartbeats(worker.id)[-1].running)
            worker.process.terminate()
            orchestrator.wait(lambda: orchestrator.heartbeats(worker.id)[-1].stopping)
            orchestrator.send(worker, late)
            assert orchestrator.end_of(late.job_id).aborted.reason == "shutdown"
        assert orchestrator.end_of(running.job_id).WhichOneof("outcome") == "succeeded"
        assert worker.process.wait(DEADLINE_SECONDS) == 0
        assert not (worker.temp / worker.id).exists()


def test_a_stopping_worker_gives_up_what_outlives_the_grace(
    harness: Harness, orchestrator: Orchestrator, long: separation_pb2.SourceAudio
) -> None:
    with harness.worker(grace_seconds=0.1) as worker:
        assignment = harness.assignment(worker, long)
        orchestrator.send(worker, assignment)
        orchestrator.wait_stage(assignment.job_id, "separating")
        assert worker.stop() == 0
        assert orchestrator.end_of(assignment.job_id).aborted.reason == "shutdown"
        assert harness.stored(assignment.job_id) == []
        last = orchestrator.heartbeats(worker.id)[-1]
        assert (last.stopping, len(last.running)) == (True, 0)


def test_a_killed_worker_leaves_no_result_and_its_files_go_with_the_next_start(
    harness: Harness, orchestrator: Orchestrator, long: separation_pb2.SourceAudio
) -> None:
    with harness.worker() as worker:
        assignment = harness.assignment(worker, long)
        orchestrator.send(worker, assignment)
        orchestrator.wait_stage(assignment.job_id, "separating")
        worker.process.kill()
        worker.process.wait()
        assert worker.left_behind()
        assert "manifest.json" not in harness.stored(assignment.job_id)
    with harness.worker() as successor:
        assert not (successor.temp / worker.id).exists()
        assert successor.id != worker.id


def test_a_missing_model_is_one_line_and_an_exit_status(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "services.worker.main"],
        env={"PATH": "/usr/bin:/bin", "STEMWRIGHT_MODEL_REPOSITORY": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ended.returncode == 78
    assert len(ended.stderr.splitlines()) == 1
    assert "spleeter-2stems" in ended.stderr
