"""A model that was trained here serves: real worker, broker and object store; the test plays the orchestrator."""

import gc
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree

import pytest

from separation.registry import ModelRepository
from tests.broker import running_broker
from tests.object_store import running_object_store
from tests.separation.signals import read, to_16_bit, write_wav
from tests.services.worker.stage import Stage
from tests.training.songs import band, voice
from training.measures import global_sdr

NAME = "debug-2stems"

# kafka-python leaves the sockets of refused connections to the garbage collector.
pytestmark = [
    pytest.mark.kafka,
    pytest.mark.s3,
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]


@pytest.fixture
def stage(exported: ModelRepository, tmp_path: Path) -> Iterator[Stage]:
    """With the debug run's model in the worker's repository."""
    with running_broker() as broker, running_object_store(tmp_path / "objects") as store:
        stage = Stage(tmp_path, broker.bootstrap, store)
        copytree(exported.folder(NAME), tmp_path / "models" / NAME)
        stage.model = exported.manifest(NAME)
        with stage.orchestrator:
            yield stage
    gc.collect()


def test_the_worker_separates_a_song_with_the_trained_model(stage: Stage, tmp_path: Path) -> None:
    vocals, mixture = to_16_bit(voice(8)), to_16_bit(voice(8) + band(8))
    source = stage.upload(write_wav(tmp_path / "song.wav", mixture))
    with stage.worker(model=NAME) as worker:
        assignment = stage.assignment(worker, source)
        stage.orchestrator.send(worker, assignment)
        end = stage.orchestrator.end_of(assignment.job_id)
    manifest = stage.manifest(end)
    assert manifest["model"]["name"] == NAME
    assert manifest["model"]["digest"] == stage.model.digest
    (tmp_path / "vocals.flac").write_bytes(
        stage.storage.read_bytes(f"stems/{assignment.job_id}/1/vocals.flac", 1 << 24)
    )
    assert global_sdr(vocals, read(tmp_path / "vocals.flac")) > global_sdr(vocals, mixture) + 4
