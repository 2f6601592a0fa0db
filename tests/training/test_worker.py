"""A model that was trained here serves: real worker, broker and object store; the test plays the orchestrator."""

import gc
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree

import pytest

from separation.models.repository import ModelRepository
from tests.broker import running_broker
from tests.object_store import running_object_store
from tests.separation.signals import read, to_16_bit, write_wav
from tests.services.worker.harness import Harness
from tests.training.songs import band, voice
from training.metrics import global_sdr

NAME = "debug-2stems"

# kafka-python leaves the sockets of refused connections to the garbage collector.
pytestmark = [
    pytest.mark.kafka,
    pytest.mark.s3,
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]


@pytest.fixture
def harness(exported: ModelRepository, tmp_path: Path) -> Iterator[Harness]:
    """With the debug run's model in the worker's repository."""
    with running_broker() as broker, running_object_store(tmp_path / "objects") as store:
        harness = Harness(tmp_path, broker.bootstrap, store)
        copytree(exported.folder(NAME), tmp_path / "models" / NAME)
        harness.model = exported.manifest(NAME)
        with harness.orchestrator:
            yield harness
    gc.collect()


def test_the_worker_separates_a_song_with_the_trained_model(harness: Harness, tmp_path: Path) -> None:
    vocals, mixture = to_16_bit(voice(8)), to_16_bit(voice(8) + band(8))
    source = harness.upload(write_wav(tmp_path / "song.wav", mixture))
    with harness.worker(model=NAME) as worker:
        assignment = harness.assignment(worker, source)
        harness.orchestrator.send(worker, assignment)
        end = harness.orchestrator.end_of(assignment.job_id)
    manifest = harness.manifest(end)
    assert manifest["model"]["name"] == NAME
    assert manifest["model"]["digest"] == harness.model.digest
    (tmp_path / "vocals.flac").write_bytes(
        harness.storage.read_bytes(f"stems/{assignment.job_id}/1/vocals.flac", 1 << 24)
    )
    assert global_sdr(vocals, read(tmp_path / "vocals.flac")) > global_sdr(vocals, mixture) + 4
