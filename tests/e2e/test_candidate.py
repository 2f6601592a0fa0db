"""A share of the songs goes to a second model: an operator's commands and settings, the whole platform, real songs."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from separation.cli.model_commands import models
from separation.registry import ModelRepository
from services.local.client import Client, Document
from services.local.platform import Platform
from services.local.settings import LocalSettings
from services.local.sockets import LOOPBACK, free_port
from tests.e2e.conftest import ENVIRONMENT
from tests.e2e.jobs import stems_of
from tests.e2e.songs import music, read, write_wav_16
from tests.services.worker.tiny_model import NAME, make_tiny_model

SHARES = {"steady": 0.75, "candidate": 0.25}
"""What each network takes for the vocals, of everything: which of them separated a song can be heard."""


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> ModelRepository:
    folder = tmp_path_factory.mktemp("models")
    for name, share in SHARES.items():
        make_tiny_model(folder / "files" / name, vocals_share=share)
        file = ModelRepository(folder / "files" / name).model_file(NAME)
        words = ["add", name, str(file), "--stems", "vocals,accompaniment", "--licence", "Apache-2.0"]
        added = CliRunner().invoke(models, [*words, "--repository", str(folder / "repository")])
        assert added.exit_code == 0, added.output
    return ModelRepository(folder / "repository")


@pytest.fixture(scope="module")
def client(repository: ModelRepository, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    settings = LocalSettings(
        home=tmp_path_factory.mktemp("home"),
        gateway_port=free_port(LOOPBACK),
        workers=1,
        model=",".join(SHARES),
        database_url=None,
        kafka_bootstrap_servers=None,
        s3_endpoint_url=None,
    )
    trial = {
        "STEMWRIGHT_MODEL_REPOSITORY": str(repository.path),
        "STEMWRIGHT_ORCHESTRATOR_CANDIDATE_MODEL": "candidate",
        "STEMWRIGHT_ORCHESTRATOR_CANDIDATE_SHARE": "0.5",
    }
    with Platform(settings, environment={**ENVIRONMENT, **trial}) as platform:
        platform.wait_until_ready()
        with Client(platform.gateway_url) as client:
            client.register("trial@example.com", "a long enough password")
            yield client


def separated(client: Client, upload: Document, **order: Any) -> Document:
    job = client.wait_for_job(client.create_job(upload["id"], **order)["id"])
    assert job["status"] == "succeeded", job
    return job


def test_the_song_decides_and_every_result_names_its_model(
    client: Client, repository: ModelRepository, tmp_path: Path
) -> None:
    seen = set()
    for number in range(24):  # one in eight million such runs has all of them on one side
        song = write_wav_16(tmp_path / f"{number}.wav", music(3, seed=number))
        upload = client.upload(song)
        preview = separated(client, upload, mode="preview", preview={"start_seconds": 0, "duration_seconds": 2})
        full = separated(client, upload, output={"format": "wav", "bit_depth": 32})
        drawn = int.from_bytes(hashlib.sha256(upload["id"].encode()).digest()[:8]) / 2**64
        expected = "candidate" if drawn < 0.5 else "steady"
        named = {"name": expected, "digest": repository.manifest(expected).digest}
        assert [preview["model"], full["model"]] == [named, named]
        manifest = client.call("GET", f"/v1/jobs/{full['id']}/manifest")
        assert {key: manifest["model"][key] for key in named} == named
        vocals, _ = stems_of(client, full, tmp_path)["vocals"]
        mixture = read(song)[0]
        share = float(np.vdot(vocals, mixture) / np.vdot(mixture, mixture))
        assert (share > 0.5) == (SHARES[expected] > 0.5)  # the filter behind the network sharpens what it says
        seen.add(expected)
        if seen == set(SHARES):
            break
    assert seen == set(SHARES)


def test_an_order_that_names_a_model_gets_it(client: Client, tmp_path: Path) -> None:
    upload = client.upload(write_wav_16(tmp_path / "song.wav", music(3, seed=100)))
    for name in SHARES:
        assert separated(client, upload, model=name)["model"]["name"] == name
