"""The platform with others in place of all that a setting replaces: database, broker, object store, and the models.

Two models, of which one is on trial: a share of the songs goes to it, by an operator's commands and settings.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from kafka.admin import ACLOperation, ResourceType

from separation.cli.model_commands import models
from separation.models.repository import ModelRepository
from services.kit.events.admin import EVERY_TOPIC
from services.local.client import Client, Document
from services.local.platform import Platform
from services.local.settings import LocalSettings
from tests.apache_kafka import PASSWORD, ApacheKafka, kafka_running
from tests.broker import running_broker
from tests.e2e.conftest import ENVIRONMENT, PATIENT
from tests.e2e.jobs import stems_of
from tests.e2e.songs import music, read, write_wav_16
from tests.object_store import ACCESS_KEY_ID, SECRET_ACCESS_KEY, running_object_store
from tests.services.worker.tiny_model import NAME, make_tiny_model

pytestmark = pytest.mark.e2e

USER = "platform"
PREFIX = "replaced."

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
def apache_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApacheKafka]:
    """Of this module alone, which ends with it: an idle one takes some of a processor."""
    with kafka_running(tmp_path_factory.mktemp("kafka")) as kafka:
        yield kafka


@pytest.fixture(scope="module")
def event_log(request: pytest.FixtureRequest) -> Iterator[tuple[str, dict[str, str]]]:
    """Brokers elsewhere, and the settings that lead there: Apache Kafka over TLS, whose topics the migration makes, or
    the broker of one machine where there is no Java or Maven."""
    try:
        kafka: ApacheKafka = request.getfixturevalue("apache_kafka")
    except pytest.skip.Exception:
        with running_broker() as broker:
            yield broker.bootstrap, {}
        return
    brokers = replace(kafka.open(), prefix=PREFIX)
    everything = (
        (ACLOperation.ALL, ResourceType.TOPIC, f"{PREFIX}*"),
        (ACLOperation.READ, ResourceType.GROUP, f"{PREFIX}*"),
    )
    kafka.add_user(brokers, USER, *everything)
    yield (
        kafka.signing_in(USER, brokers).addresses,
        {
            "STEMWRIGHT_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "STEMWRIGHT_KAFKA_CA_FILE": str(kafka.certificate),
            "STEMWRIGHT_KAFKA_SASL_MECHANISM": "SCRAM-SHA-256",
            "STEMWRIGHT_KAFKA_SASL_USERNAME": USER,
            "STEMWRIGHT_KAFKA_SASL_PASSWORD": PASSWORD,
            "STEMWRIGHT_KAFKA_PREFIX": PREFIX,
            "STEMWRIGHT_KAFKA_MAKE_TOPICS": "false",
        },
    )


@pytest.fixture(scope="module")
def platform(
    repository: ModelRepository,
    postgres_server: str,
    event_log: tuple[str, dict[str, str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Platform]:
    brokers, secured = event_log
    with running_object_store(tmp_path_factory.mktemp("store")) as store:
        settings = LocalSettings(
            home=tmp_path_factory.mktemp("home"),
            gateway_port=0,
            workers=1,
            model=",".join(SHARES),
            database_url=postgres_server.replace("{database}", "postgres"),
            kafka_bootstrap_servers=brokers,
            s3_endpoint_url=store.endpoint_url,
            s3_bucket="a-bucket-to-be-made",
        )
        replaced = {
            **secured,
            "S3_ACCESS_KEY_ID": ACCESS_KEY_ID,
            "S3_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
            "STEMWRIGHT_MODEL_REPOSITORY": str(repository.path),
            "STEMWRIGHT_ORCHESTRATOR_CANDIDATE_MODEL": "candidate",
            "STEMWRIGHT_ORCHESTRATOR_CANDIDATE_SHARE": "0.5",
        }
        with Platform(settings, PATIENT, environment={**ENVIRONMENT, **replaced}) as platform:
            platform.wait_until_ready()
            yield platform


@pytest.fixture(scope="module")
def client(platform: Platform) -> Iterator[Client]:
    with Client(platform.gateway_url) as client:
        client.register("trial@example.com", "a long enough password")
        yield client


def separated(client: Client, upload: Document, **order: Any) -> Document:
    job = client.wait_for_job(client.create_job(upload["id"], **order)["id"])
    assert job["status"] == "succeeded", job
    return job


def test_a_song_goes_through_parts_that_are_replaced_by_settings(
    platform: Platform, client: Client, tmp_path: Path
) -> None:
    ours = {status.name for status in platform.statuses() if status.pid is not None}
    assert ours.isdisjoint({"broker", "object-store"})
    assert not list(platform.home.data.glob("*.db"))
    job = separated(client, client.upload(write_wav_16(tmp_path / "song.wav", music(8))))
    client.download(f"/v1/jobs/{job['id']}/stems/vocals", tmp_path / "vocals.flac")
    assert (tmp_path / "vocals.flac").stat().st_size == job["stems"][0]["size_bytes"]


@pytest.mark.apache_kafka
def test_the_event_log_was_apache_kafka_and_the_migration_made_its_topics(
    apache_kafka: ApacheKafka, platform: Platform
) -> None:
    log = (platform.home.logs / "migrate.log").read_text(encoding="utf-8")
    assert f"{PREFIX}uploads.v1: is missing" in log
    with apache_kafka.administration(replace(apache_kafka.open(), prefix=PREFIX)) as admin:
        ours = {name for name in admin.list_topics() if name.startswith(PREFIX)}
    assert ours == {f"{PREFIX}{name}" for name in EVERY_TOPIC}


def test_the_song_decides_and_every_result_names_its_model(
    client: Client, repository: ModelRepository, tmp_path: Path
) -> None:
    seen = set()
    for number in range(24):  # one in eight million such runs has all of them on one side
        song = write_wav_16(tmp_path / f"{number}.wav", music(3, seed=number))
        upload = client.upload(song)
        drawn = int.from_bytes(hashlib.sha256(upload["id"].encode()).digest()[:8]) / 2**64
        expected = "candidate" if drawn < 0.5 else "steady"
        if expected in seen:
            continue
        preview = separated(client, upload, mode="preview", preview={"start_seconds": 0, "duration_seconds": 2})
        full = separated(client, upload, output={"format": "wav", "bit_depth": 32})
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
