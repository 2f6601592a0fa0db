"""What signing in costs on one machine: latency with many clients at once, and processor time per sign-in.

    python -m bench.sign_ins [--clients 20] [--seconds 20] [--output bench/results/sign_ins.json]

Starts `stemwright up` in a home of its own. Each client is a person who signs in again as soon as the last sign-in was
answered; meanwhile one more asks `GET /v1/me` twenty times a second. Latencies are this machine's of this minute, and
whoever else computes on it is in them; processor time per sign-in is not, so it is given by process, with the share of
the password hash alone as it was measured here in the same run.
"""

import http.client
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import click
import psutil
from rich.console import Console
from rich.table import Table

from bench.platform import running_platform
from services.accounts.users.passwords import PasswordHashing
from services.local.home import Home

AIM_P99_MILLISECONDS = 400.0
ASK_EVERY_SECONDS = 0.05
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
RATES = {
    # Everybody here comes from one address.
    "STEMWRIGHT_GATEWAY_AUTH_RATE": "1000000/minute",
    "STEMWRIGHT_GATEWAY_ADDRESS_RATE": "1000000/minute",
    "STEMWRIGHT_GATEWAY_ACCOUNT_RATE": "1000000/minute",
}


@dataclass
class Latency:
    """Milliseconds."""

    number: int
    p50: float
    p95: float
    p99: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Latency":
        cuts = statistics.quantiles(seconds, n=100)
        return cls(len(seconds), *(round(1000 * cuts[percent - 1], 1) for percent in (50, 95, 99)))


@dataclass
class Result:
    """Processor time is user and system together, in milliseconds for each sign-in."""

    clients: int
    seconds: float
    sign_ins: Latency
    refused: int
    """Sign-ins that were answered 429."""
    get_me: Latency
    get_me_alone: Latency
    """The same while nobody signs in."""
    processor_milliseconds: dict[str, float] = field(default_factory=dict)
    password_hash_milliseconds: float = 0.0
    machine: str = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


class Person:
    """One account with a connection of its own."""

    def __init__(self, gateway_url: str, number: int) -> None:
        self._authority = urlsplit(gateway_url).netloc
        self._connection = http.client.HTTPConnection(self._authority)
        self._email, self._password = f"person-{number}@example.com", f"pass phrase number {number}"
        self._headers: dict[str, str] = {}
        registration = {"email": self._email, "password": self._password}
        self._send("POST", "/v1/auth/register", json.dumps(registration), {"Content-Type": "application/json"})

    def disconnect(self) -> None:
        """The next request connects anew: a server closes what was silent for a while."""
        self._connection.close()

    def sign_in(self) -> int:
        """The answer's status."""
        form = {"grant_type": "password", "username": self._email, "password": self._password}
        status, body = self._send("POST", "/v1/auth/token", urlencode(form), FORM)
        if status == http.client.OK:
            self._headers = {"Authorization": f"Bearer {json.loads(body)['access_token']}"}
        return status

    def get_me(self) -> int:
        """The answer's status."""
        return self._send("GET", "/v1/me", None, self._headers)[0]

    def _send(self, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> tuple[int, bytes]:
        self._connection.request(method, path, body, dict(headers))
        response = self._connection.getresponse()
        return response.status, response.read()


def repeat(action: Callable[[], int], until: float, took: list[float], refused: list[int], pause: float = 0.0) -> None:
    """Does it again and again; notes the seconds of each, or that it was refused with 429."""
    while time.monotonic() < until:
        begun = time.perf_counter()
        status = action()
        seconds = time.perf_counter() - begun
        if status == http.client.TOO_MANY_REQUESTS:
            refused.append(status)
        elif status == http.client.OK:
            took.append(seconds)
        else:
            raise click.ClickException(f"a request was answered {status}")
        time.sleep(max(0.0, pause - seconds))


def measure(gateway_url: str, pids: Mapping[str, int], clients: int, seconds: float) -> Result:
    people = [Person(gateway_url, number) for number in range(clients + 1)]
    for person in people:
        person.disconnect()
        if person.sign_in() != http.client.OK:
            raise click.ClickException("nobody could sign in")
    *signing, asking = people
    alone: list[float] = []
    repeat(asking.get_me, time.monotonic() + 5, alone, [], ASK_EVERY_SECONDS)

    for person in people:
        person.disconnect()
    took: list[float] = []
    asked: list[float] = []
    refused: list[int] = []
    processes = {name: psutil.Process(pid) for name, pid in pids.items()} | {"clients": psutil.Process()}
    before = {name: sum(process.cpu_times()[:2]) for name, process in processes.items()}
    until = time.monotonic() + seconds
    with ThreadPoolExecutor(len(people)) as pool:
        busy = [pool.submit(repeat, person.sign_in, until, took, refused) for person in signing]
        busy.append(pool.submit(repeat, asking.get_me, until, asked, [], ASK_EVERY_SECONDS))
    for worker in busy:
        worker.result()
    spent = {name: sum(process.cpu_times()[:2]) - before[name] for name, process in processes.items()}
    result = Result(clients, seconds, Latency.of(took), len(refused), Latency.of(asked), Latency.of(alone))
    result.processor_milliseconds = {name: round(1000 * used / len(took), 1) for name, used in spent.items()}
    result.password_hash_milliseconds = round(hash_milliseconds(), 1)
    return result


def hash_milliseconds(times: int = 20) -> float:
    """Processor time of one password hash in this process."""
    passwords = PasswordHashing()
    encoded = passwords.hash("a long pass phrase")
    begun = time.process_time()
    for _ in range(times):
        passwords.matches("a long pass phrase", encoded)
    return 1000 * (time.process_time() - begun) / times


def show(result: Result, console: Console) -> None:
    latencies = Table(box=None, pad_edge=False, header_style="bold")
    latencies.add_column("milliseconds")
    for heading in ("number", "p50", "p95", "p99"):
        latencies.add_column(heading, justify="right")
    for name in ("sign_ins", "get_me", "get_me_alone"):
        latency: Latency = getattr(result, name)
        latencies.add_row(name.replace("_", " "), *(f"{figure:g}" for figure in asdict(latency).values()))
    console.print(latencies)
    costs = Table(box=None, pad_edge=False, header_style="bold")
    costs.add_column("processor ms a sign-in")
    costs.add_column("", justify="right")
    for name, used in result.processor_milliseconds.items():
        if used >= 0.1:
            costs.add_row(name, f"{used:.1f}")
    costs.add_row("all", f"{sum(result.processor_milliseconds.values()):.1f}")
    costs.add_row("one password hash by itself", f"{result.password_hash_milliseconds:.1f}")
    console.print()
    console.print(costs)
    verdict = "met" if result.sign_ins.p99 < AIM_P99_MILLISECONDS else "missed"
    console.print(
        f"\n{result.clients} clients: p99 {result.sign_ins.p99:.0f} ms, aim {AIM_P99_MILLISECONDS:.0f} ({verdict}); "
        f"{result.refused} refused. {result.machine}.",
        highlight=False,
    )


@click.command()
@click.option("--clients", default=20, show_default=True, help="People who sign in at the same time.")
@click.option("--seconds", default=20.0, show_default=True, help="How long they do.")
@click.option("--output", type=click.Path(path_type=Path), default=Path("bench/results/sign_ins.json"))
def main(clients: int, seconds: float, output: Path) -> None:
    """Measure sign-ins on this machine."""
    with (
        tempfile.TemporaryDirectory(prefix="stemwright-bench-") as folder,
        running_platform(Home(Path(folder) / "home"), RATES) as (gateway_url, _startup_seconds, pids),
    ):
        result = measure(gateway_url, pids, clients, seconds)
    show(result, Console())
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(asdict(result), indent=2) + "\n")
    Console().print(f"Written to {output}.", highlight=False)


if __name__ == "__main__":
    main()
