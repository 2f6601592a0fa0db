"""The real broker and the real object store under the supervisor."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from services.local.home import Home
from services.local.infrastructure import broker_part, broker_program, store_part
from services.local.part import State, Timing
from services.local.plan import Ports
from services.local.probes import HttpProbe, KafkaProbe, NotThere
from services.local.sockets import LOOPBACK, free_port, listen_on_a_free_port, port_of
from services.local.supervisor import Supervisor


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.make()
    return home


@pytest.fixture
def infrastructure(home: Home) -> Iterator[Supervisor]:
    store, _ = store_part(free_port(LOOPBACK), home, "stemwright", "http://127.0.0.1:8080")
    # On a busy machine they may be slow to answer, and are not to be taken for hanging.
    patient = Timing(start_limit_seconds=300, alive_probe_seconds=60)
    supervisor = Supervisor([broker_part(free_port(LOOPBACK)), store], home.logs, patient)
    supervisor.start()
    yield supervisor
    supervisor.stop()


def test_the_broker_needs_no_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", os.devnull)
    assert os.access(broker_program(), os.X_OK)


@pytest.mark.kafka
@pytest.mark.s3
def test_broker_and_store_start_and_come_back_when_killed(infrastructure: Supervisor) -> None:
    infrastructure.wait_until_ready()
    before = {status.name: status.pid for status in infrastructure.statuses()}
    for pid in before.values():
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
    until = time.monotonic() + 180
    while not all(
        status.state == State.READY and status.pid != before[status.name] and status.restarts == 1
        for status in infrastructure.statuses()
    ):
        assert time.monotonic() < until, infrastructure.statuses()
        time.sleep(0.01)


@pytest.mark.s3
def test_the_store_accepts_its_own_keys_and_keeps_them_off_the_command_line(home: Home) -> None:
    part, environment = store_part(free_port(LOOPBACK), home, "stemwright", "http://127.0.0.1:8080")
    supervisor = Supervisor([part], home.logs)
    supervisor.start()
    try:
        supervisor.wait_until_ready()
        client = boto3.client(
            "s3",
            endpoint_url=environment["S3_ENDPOINT_URL"],
            aws_access_key_id=environment["S3_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["S3_SECRET_ACCESS_KEY"],
            region_name="us-east-1",
        )
        client.put_object(Bucket="stemwright", Key="a/b", Body=b"content")
        assert (home.objects / "stemwright" / "a" / "b").read_bytes() == b"content"
        client.close()
        assert part.command is not None
        assert environment["S3_SECRET_ACCESS_KEY"] not in " ".join(part.command)
    finally:
        supervisor.stop()


def test_a_probe_of_kafka_is_not_content_with_an_open_port() -> None:
    with listen_on_a_free_port(LOOPBACK) as silent, pytest.raises(NotThere, match="timed out"):
        KafkaProbe(f"{LOOPBACK}:{port_of(silent)}")(0.1)


@pytest.mark.parametrize("probe", [KafkaProbe("127.0.0.1:1"), KafkaProbe(""), HttpProbe("http://127.0.0.1:1/")])
def test_a_probe_of_nothing_says_so(probe: KafkaProbe | HttpProbe) -> None:
    with pytest.raises(NotThere):
        probe(0.5)


def test_a_part_gets_the_port_of_its_last_run_unless_it_is_taken() -> None:
    ports = Ports({})
    with ports.listen("one") as first:
        remembered = ports.given
        again = Ports(remembered)
        with again.listen("one") as second:
            assert port_of(second) != port_of(first)
    later = Ports(remembered)
    assert later.free("one") == remembered["one"]
    later.let_go()
