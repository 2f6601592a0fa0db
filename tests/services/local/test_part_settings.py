"""Settings that a part would refuse are told before any part starts."""

import os
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from services.cli import main
from services.local.home import Home
from services.local.part import Part
from services.local.part_settings import environment, with_time_to_stop
from services.local.sockets import LOOPBACK, listen_on_a_free_port, port_of
from services.local.supervisor import Supervisor
from services.worker import heartbeat, slots
from services.worker.settings import GIVING_UP_SECONDS


@pytest.fixture(autouse=True)
def _nothing_may_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_supervisor: Supervisor) -> None:
        pytest.fail("parts were started")

    monkeypatch.setattr(Supervisor, "start", start)
    monkeypatch.setenv("STEMWRIGHT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("STEMWRIGHT_GATEWAY_PORT", "0")
    for name in ("DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS", "S3_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)


def test_a_start_that_is_refused_leaves_no_home_behind_and_takes_none_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path / "home")
    with listen_on_a_free_port(LOOPBACK) as taken:
        for name, value in (("GATEWAY_PORT", str(port_of(taken))), ("GATEWAY_HOST", "no host"), ("LOG_LEVEL", "LOUD")):
            with monkeypatch.context() as patched:
                patched.setenv(f"STEMWRIGHT_{name}", value)
                assert CliRunner().invoke(main, ["up"]).exit_code != 0
                assert not home.root.exists(), name
                home.make()
                assert CliRunner().invoke(main, ["up"]).exit_code != 0
                assert home.data.is_dir(), name
                shutil.rmtree(home.root)


@pytest.mark.parametrize("command", ["up", "demo"])
def test_a_setting_that_every_part_would_refuse_is_told_once(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEMWRIGHT_LOG_LEVEL", "LOUD")
    ended = CliRunner().invoke(main, [command])
    assert ended.exit_code == 78, ended.output
    assert ended.stderr == (
        "stemwright: STEMWRIGHT_LOG_LEVEL is 'LOUD'; it must be one of DEBUG, INFO, WARNING, ERROR\n"
    )


def test_each_service_is_asked_with_what_its_part_gets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEMWRIGHT_ENVIRONMENT", "production")
    monkeypatch.setenv("STEMWRIGHT_UPLOAD_VALIDATORS", "none")
    told = CliRunner().invoke(main, ["up"]).stderr.splitlines()
    # Not DATABASE_URL and the notifier's key, which production needs as well: parts get them.
    assert told == [
        "stemwright: STEMWRIGHT_GATEWAY_TRUSTED_PROXIES is needed in production",
        "stemwright: STEMWRIGHT_ACCOUNTS_SMTP_HOST is needed in production",
        "stemwright: STEMWRIGHT_UPLOAD_VALIDATORS is 'none'; it must be a whole number",
    ]


def test_the_environment_of_a_part_ends_with_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEMWRIGHT_PORT", "1")
    monkeypatch.delenv("STEMWRIGHT_HOST", raising=False)
    before = dict(os.environ)
    with environment({"STEMWRIGHT_PORT": "2", "STEMWRIGHT_HOST": "::1"}):
        assert (os.environ["STEMWRIGHT_PORT"], os.environ["STEMWRIGHT_HOST"]) == ("2", "::1")
    assert dict(os.environ) == before


def test_each_service_has_the_time_to_stop_that_it_was_given() -> None:
    given = {
        "STEMWRIGHT_WORKER_GRACE_SECONDS": "600",
        "STEMWRIGHT_SHUTDOWN_GRACE_SECONDS": "90",
        "STEMWRIGHT_DRAIN_SECONDS": "5",
    }
    parts = with_time_to_stop(Part(name, environment=given) for name in ("broker", "gateway", "worker-1"))
    assert {part.name: part.stop_seconds for part in parts} == {"broker": 0, "gateway": 105, "worker-1": 640}


def test_what_a_worker_does_after_its_grace_is_counted() -> None:
    after = slots.LAST_CHUNK_SECONDS + heartbeat.FAREWELL_SECONDS + 2 * heartbeat.SEND_TIMEOUT_SECONDS
    assert after <= GIVING_UP_SECONDS
