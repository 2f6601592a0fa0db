"""The whole platform, every part real, started once; tests reach it as its clients do, through the REST contract."""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.local.client import Client
from services.local.part import Timing
from services.local.platform import Platform
from services.local.settings import LocalSettings
from tests.collector import Collector, collecting
from tests.e2e.jobs import FinishedJob, NewAccount
from tests.e2e.processes import processes_of
from tests.e2e.songs import music, read, write_wav_16

ENVIRONMENT = {
    # Many tests share one address and would run into the limits that are meant for the world outside.
    "STEMWRIGHT_GATEWAY_AUTH_RATE": "100000/minute",
    "STEMWRIGHT_GATEWAY_ADDRESS_RATE": "1000000/minute",
    "STEMWRIGHT_GATEWAY_ACCOUNT_RATE": "1000000/minute",
    "STEMWRIGHT_ACCOUNTS_WELCOME_CREDITS": "600",
    # One token has to do for a whole run of schemathesis, on a busy machine too.
    "STEMWRIGHT_ACCOUNTS_ACCESS_TOKEN_SECONDS": "3600",
    # On one machine a worker is given up after six seconds of silence, and a busy machine keeps it silent for longer.
    "STEMWRIGHT_ORCHESTRATOR_WORKER_EXPIRY_SECONDS": "15",
    "STEMWRIGHT_ORCHESTRATOR_LEASE_SECONDS": "20",
    # Partners' servers are on this machine.
    "STEMWRIGHT_OUTBOUND_ALLOW_LOOPBACK": "true",
}


PATIENT = Timing(start_limit_seconds=300, alive_probe_seconds=60)
"""On a busy machine a part may say nothing for half a minute, and hang no more than the others. What becomes of one
that hangs is shown by tests/services/local, and by the test of Triton."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that start a platform of their own come first: beside them the shared one would take a tenth of a processor
    for nothing."""

    def shares(item: pytest.Item) -> bool:
        own = isinstance(item, pytest.Function) and hasattr(item.module, "platform")
        return not own and "platform" in getattr(item, "fixturenames", ())

    items.sort(key=shares)


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    """Gets the traces of the platform."""
    with collecting() as made:
        yield made


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[Platform]:
    settings = LocalSettings(
        home=tmp_path_factory.mktemp("platform"),
        gateway_port=0,
        workers=1,
        database_url=None,
        kafka_bootstrap_servers=None,
        s3_endpoint_url=None,
    )
    tracing = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_BSP_SCHEDULE_DELAY": "500",
        # What a caller's trace is part of is recorded, as one test is about; not each request of all the others.
        "OTEL_TRACES_SAMPLER": "parentbased_always_off",
    }
    environment = {**ENVIRONMENT, **tracing}
    with Platform(settings, PATIENT, environment=environment) as platform:
        platform.wait_until_ready()
        yield platform
    assert processes_of(platform.home) == []


@pytest.fixture
def new_account(platform: Platform) -> Iterator[NewAccount]:
    clients: list[Client] = []

    def make() -> Client:
        client = Client(platform.gateway_url)
        clients.append(client)
        client.register(f"{uuid.uuid4().hex}@example.com", "a long enough password")
        return client

    yield make
    for client in clients:
        client.http.close()


@pytest.fixture
def account(new_account: NewAccount) -> Client:
    return new_account()


@pytest.fixture(scope="session")
def admin(platform: Platform) -> Iterator[Client]:
    """Somebody whom the operator's command made an admin of the running platform."""
    with Client(platform.gateway_url) as client:
        email, password = f"{uuid.uuid4().hex}@example.com", "a long enough password"
        client.register(email, password)
        subprocess.run(
            [str(Path(sys.executable).with_name("stemwright")), "accounts", "make-admin", email],
            env={**os.environ, "STEMWRIGHT_HOME": str(platform.home.root)},
            check=True,
            capture_output=True,
        )
        client.sign_in(email, password)
        yield client


@pytest.fixture(scope="session")
def finished(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FinishedJob]:
    """Twenty seconds of 16-bit stereo, separated in full into 32-bit float WAV."""
    song = write_wav_16(tmp_path_factory.mktemp("songs") / "twenty seconds.wav", music(20))
    with Client(platform.gateway_url) as client:
        client.register(f"{uuid.uuid4().hex}@example.com", "a long enough password")
        upload = client.upload(song)
        assert upload["status"] == "ready", upload
        job = client.create_job(upload["id"], output={"format": "wav", "bit_depth": 32}, metadata={"mine": "yes"})
        job = client.wait_for_job(job["id"])
        assert job["status"] == "succeeded", job
        yield FinishedJob(client, song, read(song)[0], upload, job)
