"""How webhooks arrive at good partners while others fail, hang or mean harm, and while the notifier is killed.

    python -m bench.webhooks [--events 10000] [--rate 25] [--kills 5] [--output bench/results/webhooks.json]

Starts `stemwright up` in a home of its own, makes one account a partner with seven webhook endpoints, and writes events
of that account into the event log at a steady rate: three sinks answer at once, one takes a second for each, one fails,
one never answers, and one answers without end. The notifier is killed (SIGKILL) while it works; its supervisor starts
it again. Latency is from the moment when the event was written to the first arrival at the sink, kills included.

Everything stays on this machine, and ends with the run.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import click
import psutil
from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console
from rich.table import Table

from bench.platform import running_platform
from services.kit.events.brokers import Brokers
from services.kit.events.codec import OutgoingEvent, encode
from services.kit.events.producer import EventProducer
from services.kit.events.topics import UPLOADS
from services.kit.ids import new_id
from services.kit.protos import uploads_pb2
from services.local.client import Client
from services.local.home import Home
from services.local.infrastructure import BROKER
from services.local.sockets import LOOPBACK

GOOD = ("good-1", "good-2", "good-3")
SINKS = (*GOOD, "slow", "failing", "hanging", "endless")
SLOW_SECONDS = 1.0
AIM_P95_SECONDS = 5.0
WRITTEN_EVERY_SECONDS = 0.1
LOOK_EVERY_SECONDS = 0.5
TRIES = 5
"""To write an event: on a busy machine the event log may not answer in time."""
ENVIRONMENT = {"STEMWRIGHT_OUTBOUND_ALLOW_LOOPBACK": "true"}


@dataclass
class Arrivals:
    """What came to one sink."""

    secret: bytes = b""
    first: dict[str, float] = field(default_factory=dict)
    """When each upload's event came first, by the monotonic clock."""
    ids: dict[str, set[str]] = field(default_factory=dict)
    """The webhook ids under which each came."""
    requests: int = 0
    unsigned: int = 0
    """Requests without a right signature."""


@dataclass
class Latency:
    """Seconds."""

    arrived: int
    again: int
    """Requests beyond the first of each event."""
    p50: float
    p95: float
    longest: float


@dataclass
class Result:
    events: int
    rate: float
    kills: int
    seconds: float
    """From the first event written to the last that arrived at the good sinks."""
    good: dict[str, Latency] = field(default_factory=dict)
    lost: int = 0
    """Events that did not come to each good sink."""
    unsigned: int = 0
    renamed: int = 0
    """Events that came under more than one id."""
    requests: dict[str, int] = field(default_factory=dict)
    delivered_per_second: float = 0.0
    """First arrivals at all good sinks together, over `seconds`."""
    notifier_megabytes: float = 0.0
    """The most that was resident."""
    notifier_processor_seconds: float = 0.0
    """Since the first event was written, its starts after kills included."""
    notifier_milliseconds_a_request: float = 0.0
    """The same, for each request that a sink got."""
    machine: str = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


class Sinks:
    """One server for all sinks, in a thread of its own; the path says which one is meant."""

    def __init__(self) -> None:
        self.arrivals = {name: Arrivals() for name in SINKS}
        self.port = 0
        self._started = threading.Event()
        self._over: Callable[[], object] = lambda: None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self) -> "Sinks":
        self._thread.start()
        self._started.wait()
        return self

    def __exit__(self, *_failure: object) -> None:
        self._over()
        self._thread.join()

    async def _run(self) -> None:
        over = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._over = lambda: loop.call_soon_threadsafe(over.set)
        server = await asyncio.start_server(self._serve, LOOPBACK, 0)
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        await over.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The end of the run finds some that still hang.
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                request, *lines = head.decode("latin-1").splitlines()
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                name = request.split(" ")[1].strip("/")
                self._note(self.arrivals[name], headers, body)
                await self._answer(name, writer)
        writer.close()

    def _note(self, arrivals: Arrivals, headers: Mapping[str, str], body: bytes) -> None:
        arrivals.requests += 1
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        right = b"v1," + base64.b64encode(hmac.new(arrivals.secret, signed, hashlib.sha256).digest())
        if right.decode() not in headers["webhook-signature"].split(" "):
            arrivals.unsigned += 1
            return
        upload = json.loads(body)["data"]["upload"]["id"]
        arrivals.first.setdefault(upload, time.monotonic())
        arrivals.ids.setdefault(upload, set()).add(headers["webhook-id"])

    async def _answer(self, name: str, writer: asyncio.StreamWriter) -> None:
        match name:
            case "failing":
                writer.write(b"HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno")
            case "hanging":
                await asyncio.sleep(3600)
            case "endless":
                writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                while True:
                    writer.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")
                    await writer.drain()
            case _:
                if name == "slow":
                    await asyncio.sleep(SLOW_SECONDS)
                writer.write(b"HTTP/1.1 204 OK\r\n\r\n")
        await writer.drain()


def make_partner(gateway_url: str, home: Home, sinks: Sinks) -> str:
    """An account that has all sinks as its webhook endpoints; its id."""
    with Client(gateway_url) as client:
        email = "partner@example.com"
        client.register(email, "a long enough password")
        account: str = client.call("GET", "/v1/me")["id"]
        command = [sys.executable, "-m", "services.cli", "accounts", "grant-role", email, "partner"]
        subprocess.run(command, env={**os.environ, "STEMWRIGHT_HOME": str(home.root)}, check=True, capture_output=True)
        client.sign_in(email, "a long enough password")
        for name, arrivals in sinks.arrivals.items():
            url = f"http://{LOOPBACK}:{sinks.port}/{name}"
            made = client.call("POST", "/v1/webhook-endpoints", json={"url": url})
            arrivals.secret = base64.b64decode(made["secret"].removeprefix("whsec_"))
    return account


def write_events(brokers: Brokers, account: str, events: int, rate: float) -> dict[str, float]:
    """Writes events at a steady rate; when each was written, by the id of its upload."""
    written: dict[str, float] = {}
    begun = time.monotonic()
    with EventProducer(brokers, "upload") as producer:
        while len(written) < events:
            due = min(events, int((time.monotonic() - begun) * rate) + 1) - len(written)
            uploads = [new_id("upl") for _ in range(due)]
            now = time.monotonic()
            written.update(dict.fromkeys(uploads, now))
            records = [encode(rejected(account, each), source="upload") for each in uploads]
            for _ in range(TRIES):
                failures = producer.send_records(records)
                records = [record for record, failure in zip(records, failures, strict=True) if failure]
                if not records:
                    break
            else:
                raise click.ClickException(f"the event log did not take {len(records)} events, tried {TRIES} times")
            time.sleep(WRITTEN_EVERY_SECONDS)
    return written


def rejected(account: str, upload: str) -> OutgoingEvent:
    decided = Timestamp()
    decided.FromDatetime(datetime.now(UTC))
    message = uploads_pb2.UploadRejected(
        upload_id=upload, account_id=account, code="no_audio", reason="There is no sound in it.", decided_at=decided
    )
    return OutgoingEvent(UPLOADS, upload, message)


class Watch:
    """Looks at the notifier now and then: its memory, its processor time over all its lives, and kills it as told."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._spent: dict[int, float] = {}
        self.most_bytes = 0

    @property
    def processor_seconds(self) -> float:
        return sum(self._spent.values())

    def pid(self) -> int | None:
        part = (self._home.read_state() or {}).get("parts", {}).get("notifier", {})
        pid: int | None = part.get("pid")
        return pid

    def look(self) -> None:
        with suppress(psutil.NoSuchProcess):
            if pid := self.pid():
                process = psutil.Process(pid)
                self.most_bytes = max(self.most_bytes, process.memory_info().rss)
                self._spent[pid] = sum(process.cpu_times()[:2])

    def kill(self) -> bool:
        """Whether there was one to kill."""
        pid = self.pid()
        with suppress(ProcessLookupError):
            if pid:
                os.kill(pid, signal.SIGKILL)
                return True
        return False


@contextmanager
def watching(watch: Watch, kill_at: Sequence[float]) -> Iterator[list[float]]:
    """Looks until the end, and kills at these moments; those at which it did."""
    over = threading.Event()
    killed: list[float] = []

    def run() -> None:
        due = list(kill_at)
        while not over.wait(LOOK_EVERY_SECONDS):
            watch.look()
            if due and time.monotonic() >= due[0] and watch.kill():
                killed.append(due.pop(0))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()


def measure(brokers: Brokers, account: str, sinks: Sinks, home: Home, events: int, rate: float, kills: int) -> Result:
    watch = Watch(home)
    watch.look()
    spent_before = watch.processor_seconds
    begun = time.monotonic()
    lasts = events / rate
    with watching(watch, [begun + lasts * (number + 1) / (kills + 1) for number in range(kills)]) as killed:
        written = write_events(brokers, account, events, rate)
        deadline = time.monotonic() + max(120.0, 2 * lasts)
        while time.monotonic() < deadline and any(len(sinks.arrivals[name].first) < events for name in GOOD):
            time.sleep(LOOK_EVERY_SECONDS)
    arrived = [moment for name in GOOD for moment in sinks.arrivals[name].first.values()]
    result = Result(events, rate, len(killed), round(max(arrived, default=begun) - begun, 1))
    for name in GOOD:
        arrivals = sinks.arrivals[name]
        took = sorted(moment - written[upload] for upload, moment in arrivals.first.items())
        result.good[name] = Latency(
            len(took),
            arrivals.requests - arrivals.unsigned - len(took),
            round(statistics.median(took), 3),
            round(statistics.quantiles(took, n=20)[-1], 3),
            round(took[-1], 3),
        )
        result.lost += events - len(took)
        result.renamed += sum(len(ids) > 1 for ids in arrivals.ids.values())
    result.unsigned = sum(arrivals.unsigned for arrivals in sinks.arrivals.values())
    result.requests = dict(Counter({name: arrivals.requests for name, arrivals in sinks.arrivals.items()}))
    result.delivered_per_second = round(len(arrived) / result.seconds, 1)
    result.notifier_megabytes = round(watch.most_bytes / 1e6, 1)
    spent = watch.processor_seconds - spent_before
    result.notifier_processor_seconds = round(spent, 1)
    result.notifier_milliseconds_a_request = round(1000 * spent / max(1, sum(result.requests.values())), 2)
    return result


def show(result: Result, console: Console) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("sink", "arrived", "again", "p50 s", "p95 s", "longest s"):
        table.add_column(heading, justify="left" if heading == "sink" else "right")
    for name, latency in result.good.items():
        table.add_row(name, *(f"{figure:g}" for figure in asdict(latency).values()))
    console.print(table)
    worst = max(latency.p95 for latency in result.good.values())
    verdict = "met" if worst < AIM_P95_SECONDS and not result.lost else "missed"
    console.print(
        f"\n{result.events} events at {result.rate:g} a second, {result.kills} kills: {result.lost} lost, "
        f"{result.unsigned} without a right signature, {result.renamed} under two ids; p95 {worst:g} s, aim "
        f"{AIM_P95_SECONDS:g} ({verdict}).\n{result.delivered_per_second:g} first arrivals a second; the notifier took "
        f"{result.notifier_processor_seconds:g} s of processor ({result.notifier_milliseconds_a_request:g} ms a "
        f"request) and {result.notifier_megabytes:g} MB at most. "
        f"Requests: {', '.join(f'{name} {number}' for name, number in result.requests.items())}. {result.machine}.",
        highlight=False,
    )


@click.command()
@click.option("--events", default=10_000, show_default=True, help="How many events are written.")
@click.option("--rate", default=25.0, show_default=True, help="Events a second.")
@click.option("--kills", default=5, show_default=True, help="How often the notifier is killed meanwhile.")
@click.option("--output", type=click.Path(path_type=Path), default=Path("bench/results/webhooks.json"))
def main(events: int, rate: float, kills: int, output: Path) -> None:
    """Measure webhooks on this machine."""
    with tempfile.TemporaryDirectory(prefix="stemwright-bench-") as folder:
        home = Home(Path(folder) / "home")
        with running_platform(home, ENVIRONMENT) as (gateway_url, _startup_seconds, _pids), Sinks() as sinks:
            account = make_partner(gateway_url, home, sinks)
            address = (home.read_state() or {})["parts"][BROKER]["address"]
            result = measure(Brokers(address), account, sinks, home, events, rate, kills)
    show(result, Console())
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(asdict(result), indent=2) + "\n")
    Console().print(f"Written to {output}.", highlight=False)


if __name__ == "__main__":
    main()
