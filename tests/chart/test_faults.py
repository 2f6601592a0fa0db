"""Alerts on faults that happen: what our own code tells of one makes the alert fire, and did not before.

`test_alerts.py` tries each alert with series that are made up for it. Here a fault is provoked, the metrics are read as
Prometheus reads them, and what it would have seen (25 minutes without the fault, then with it) is put to its own
tester (`observed.py`). Those of accounts, orchestrator and worker are in `test_faults_of_services.py`. Every alert is
tried in this way too.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections import ChainMap
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from fastapi import APIRouter
from pydantic import HttpUrl

from services.canary.canary import Canary
from services.canary.settings import Settings as CanarySettings
from services.kit import outbox
from services.kit.app import create_app
from services.kit.database import Database
from services.kit.events.brokers import Brokers
from services.kit.events.consumer import Consumer
from services.kit.events.reader import LAG, Reader
from services.kit.events.topics import JOBS_INTERNAL, UPLOADS
from services.kit.leadership import Leadership, lease_of
from services.kit.measures import measures_of
from services.kit.periodic import Periodic
from services.local.sockets import LOOPBACK, free_port
from tests.app_client import AppClient
from tests.broker import PATIENCE_SECONDS
from tests.chart import test_faults_of_services
from tests.chart.observed import Observed, Samples, needs_promtool, samples_of, scraped
from tests.chart.test_alerts import RUNBOOKS, alerts
from tests.databases import MakeDatabase, on_sqlite
from tests.ids import numbered
from tests.services.kit.events.consuming import until
from tests.services.kit.test_outbox import Broker, ask, relay_of


@pytest.fixture
def database(make_database: MakeDatabase) -> Database:
    return make_database("orchestrator")


@needs_promtool
def test_a_round_that_ends_in_a_defect(tmp_path: Path) -> None:
    stop = threading.Event()

    def fail() -> None:
        stop.set()
        raise LookupError("what one row made of it")

    task = Periodic("provoked", 0.001, fail)
    observed = Observed("upload")
    task.run(stop)
    assert observed.fires("StemwrightDefects", tmp_path, minutes=5)


@needs_promtool
@on_sqlite
def test_events_that_do_not_leave(make_database: MakeDatabase, tmp_path: Path) -> None:
    """The broker is away; a minute and more passes."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    database = make_database("upload", clock=lambda: now)
    measures = measures_of(database)

    def renew() -> None:
        for measure in measures:
            measure.renew()

    renew()
    observed = Observed("upload")
    broker, name = Broker(), numbered("upl", 1)
    broker.refused = {name}
    with database.write() as session:
        outbox.add(session, ask(name))
    assert relay_of(database, broker).publish_batch() == 0
    now += timedelta(seconds=61)
    renew()
    assert observed.fires("StemwrightOutboxStuck", tmp_path, minutes=10)


@needs_promtool
@on_sqlite
def test_a_database_that_is_away(database: Database, tmp_path: Path) -> None:
    measures_of(database)[0].renew()
    observed = Observed("orchestrator")
    url = f"postgresql://nobody:nothing@{LOOPBACK}:{free_port(LOOPBACK)}/nothing"
    with closing(Database(url, "orchestrator")) as away:
        measures_of(away)[0].renew()
    assert observed.fires("StemwrightDatabaseAway", tmp_path, minutes=7)


@needs_promtool
def test_a_consumer_that_stands_still(tmp_path: Path) -> None:
    """Its reader goes on to tell how many records lie before it."""
    told = SimpleNamespace(_topics={"t": UPLOADS}, _name="standing", _named=str)
    told._backlog = SimpleNamespace(positions=lambda: {(UPLOADS.name, 0): 7})

    def tell(highwater: int) -> None:
        Reader._tell_lag(cast(Any, told), SimpleNamespace(highwater=lambda _: highwater))

    tell(7)
    observed = Observed("notifier")
    tell(207)
    assert observed.fires("StemwrightConsumerBehind", tmp_path, minutes=50)
    LAG.remove("standing", UPLOADS.name)


@needs_promtool
@on_sqlite
def test_an_event_that_the_brokers_will_never_take(database: Database, tmp_path: Path) -> None:
    broker, name = Broker(), numbered("upl", 1)
    relay = relay_of(database, broker)
    observed = Observed("orchestrator")
    broker.impossible = {name}
    with database.write() as session:
        outbox.add(session, ask(name))
    assert relay.publish_batch() == 1
    assert observed.fires("StemwrightOutboxRefused", tmp_path, minutes=5)


@needs_promtool
@on_sqlite
def test_all_connections_at_work(database: Database, tmp_path: Path) -> None:
    pool = measures_of(database)[1]
    pool.renew()
    observed = Observed("upload")
    with every_connection(database):
        pool.renew()
        assert observed.fires("StemwrightDatabaseConnectionsUsedUp", tmp_path, minutes=20)


@contextmanager
def every_connection(database: Database) -> Iterator[None]:
    with ExitStack() as held:
        for engine in database.engines:
            for _ in range(engine.pool.size()):  # type: ignore[attr-defined]
                held.enter_context(engine.connect())
        yield


@needs_promtool
@on_sqlite
def test_a_holder_of_the_lead_that_does_nothing(database: Database, tmp_path: Path) -> None:
    leadership = Leadership(database)
    leadership._look()
    observed = Observed("upload")
    leadership._lease.release()
    with closing(Database(database.url, database.service)) as hanging:
        lease = lease_of(hanging, "leader")
        assert lease.acquire()
        leadership._look()
        assert observed.fires("StemwrightNoLeader", tmp_path, minutes=10)
        lease.release()


@needs_promtool
def test_requests_that_end_in_a_defect(tmp_path: Path) -> None:
    router = APIRouter()

    @router.get("/v1/provoked")
    def provoked() -> None:
        raise LookupError("a defect")

    client = AppClient(create_app(name="gateway", title="tests", routers=[router]), raise_server_exceptions=False)
    assert client.get("/v1/provoked").status_code == 500
    observed = Observed("gateway")
    for _ in range(20):
        assert client.get("/v1/provoked").status_code == 500
    assert observed.fires("StemwrightApiErrorsFast", tmp_path, minutes=4)
    assert observed.fires("StemwrightApiErrorsSlowly", tmp_path, minutes=4)


@needs_promtool
def test_a_service_behind_the_gateway_that_is_away(tmp_path: Path) -> None:
    """Eight requests a minute, for a quarter of an hour."""
    from tests.services.gateway.standin import StandIn, bearer, platform, serving

    with ExitStack() as stack:
        orchestrator = stack.enter_context(ExitStack())
        port = orchestrator.enter_context(serving(StandIn(), proxy_headers=False))
        url = HttpUrl(f"http://{LOOPBACK}:{port}")
        gateway = stack.enter_context(platform(orchestrator_url=url, retry_delay_seconds=0.0))

        def minute() -> set[int]:
            return {gateway.client.get("/v1/jobs/job_1", headers=bearer()).status_code for _ in range(8)}

        assert minute() == {200}
        observed = Observed("gateway")
        orchestrator.close()
        for _ in range(15):
            assert minute() == {503}
            observed.minute_passes()
    assert observed.fires("StemwrightUpstreamErrors", tmp_path, minutes=14)


FORKED = """
import json, os, signal, sys
from importlib import import_module

environments = json.loads(sys.argv[1])
mains = {name: import_module(f"services.{name}.main").main for name in environments}
signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # whoever ends is gone at once
for name, main in mains.items():
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.environ.update(environments[name])
        main()
        os._exit(0)
    print(pid, flush=True)
sys.stdin.read()
"""
"""Each service is the process that a cluster starts, except that they have imported together what all of them need:
most of what five starts take."""


class Target:
    """A process of a service, as Prometheus reads it."""

    def __init__(self, service: str, pid: int, port: int) -> None:
        self._service, self._pid, self._port = service, pid, port
        self._killed = False

    def scrape(self) -> Samples:
        """Nothing where nobody answers."""
        try:
            with urlopen(f"http://{LOOPBACK}:{self._port}/metrics", timeout=PATIENCE_SECONDS) as answer:
                return samples_of(answer.read().decode(), self._service)
        except URLError:
            assert self._killed or Path(f"/proc/{self._pid}").exists(), f"{self._service} ended by itself"
            return {}

    def kill(self) -> None:
        self._killed = True
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        until(lambda: not Path(f"/proc/{self._pid}").exists(), "its end")


@contextmanager
def started(folder: Path, *services: str) -> Iterator[dict[str, Target]]:
    """A process of each service. Neither schema nor event log is there."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("STEMWRIGHT_")}
    ports = {service: free_port(LOOPBACK) for service in services}
    environments = {
        service: {
            "STEMWRIGHT_PORT": "0",
            "STEMWRIGHT_GATEWAY_PORT": "0",
            "STEMWRIGHT_ADMIN_PORT": str(port),
            "DATABASE_URL": f"sqlite:///{folder / service}.db",
            "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{free_port(LOOPBACK)}",
        }
        for service, port in ports.items()
    }
    with ExitStack() as stack:
        parent = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-c", FORKED, json.dumps(environments)],
                env=inherited,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        )
        assert parent.stdout is not None
        targets = {}
        for service, port in ports.items():
            targets[service] = Target(service, int(parent.stdout.readline()), port)
            stack.callback(targets[service].kill)
        yield targets


@needs_promtool
@pytest.mark.slow
def test_a_process_that_is_gone(tmp_path: Path) -> None:
    """They tell of themselves before they are ready."""
    with started(tmp_path, "gateway", "accounts", "upload", "orchestrator", "notifier") as targets:
        for target in targets.values():
            until(target.scrape, "a process that tells of itself")
        observed = Observed("", scrape=lambda: dict(ChainMap(*(target.scrape() for target in targets.values()))))
        targets["orchestrator"].kill()
        assert observed.fires("StemwrightMissing", tmp_path, minutes=7)


@needs_promtool
def test_a_gateway_that_is_away(tmp_path: Path) -> None:
    """The canary's key is good, and nobody answers at the address."""
    key = tmp_path / "key"
    key.write_text("sk_any")
    with closing(socket.create_server(("127.0.0.1", 0))) as nobody:
        url = HttpUrl(f"http://127.0.0.1:{nobody.getsockname()[1]}")
    canary = Canary(CanarySettings(url=url, key_file=key, every_minutes=5))
    observed = Observed("canary", clocks=["stemwright_canary_succeeded_timestamp_seconds"])
    assert canary.send(threading.Event()) == "tidy"
    assert observed.fires("StemwrightCanaryLost", tmp_path, minutes=21)


@needs_promtool
def test_a_canary_that_is_gone(tmp_path: Path) -> None:
    Canary(CanarySettings(url=HttpUrl("http://127.0.0.1:1"), key_file=tmp_path / "key", every_minutes=5))
    gone = False
    observed = Observed("canary", scrape=lambda: {} if gone else scraped("canary"))
    gone = True
    assert observed.fires("StemwrightCanaryMissing", tmp_path, minutes=12)


@on_sqlite
def test_what_an_alert_counts_from_its_first_on_is_told_as_0_before(database: Database) -> None:
    """Of a counter that begins at 1 Prometheus sees no increase: the first fault of a process would call nobody."""
    Consumer(Brokers("127.0.0.1:1"), name="tests", group=None, topics=[UPLOADS], handlers={})
    relay_of(database, Broker())
    for service in ("orchestrator", "accounts"):
        import_module(f"services.{service}.app")
    told = scraped("tests")

    def of(name: str, **labels: str) -> bool:
        wanted = {f'{key}="{value}"' for key, value in labels.items()}
        return any(
            series.startswith(f"{name}{{") and wanted <= set(re.findall(r'\w+="[^"]*"', series)) for series in told
        )

    for outcome in ("dead", "failed"):
        assert of("stemwright_events_handled_total", consumer="tests", topic=UPLOADS.name, outcome=outcome)
    assert of("stemwright_outbox_refused_total", topic=JOBS_INTERNAL.name)
    assert of("stemwright_attempts_ended_total", outcome="lapsed")
    assert of("stemwright_accounts_ledger_conflicts_total", kind="purchase")


def test_every_alert_is_fired_by_a_fault() -> None:
    sources = Path(__file__), Path(test_faults_of_services.__file__)
    fired = {alert for path in sources for alert in re.findall(r'\.fires\("(\w+)"', path.read_text())}
    assert fired == set(alerts())
    assert f"Each of the {len(fired)} is fired" in RUNBOOKS.read_text()
