"""A song through the whole platform, seen from outside: only the public REST contract, like any client."""

import math
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from services.local.buying import buy_credits, show_books
from services.local.client import FINAL, ApiError, Client, Document
from services.local.errors import DemoFailed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SAMPLES_COMPARED = 1 << 17
LEAST_SECONDS_SHOWN = 0.005
WORKER_STAGES = {"download": "fetch the song", "upload": "store the stems"}


@dataclass
class Outcome:
    """What the demo made and measured; times in seconds."""

    song: Path
    upload: Document
    job: Document
    manifest: Document
    folder: Path
    stems: list[Path]
    residual_dbfs: float
    """Largest difference, in dB relative to full scale, between the song and the sum of the stems as downloaded."""
    wall_seconds: dict[str, float] = field(default_factory=dict)


def separate_through(gateway_url: str, song: Path, target: Path, console: Console, *, paid: bool = False) -> Outcome:
    """Register, upload, separate, follow, download, and prove the result; if `paid`, with credits bought on the way.

    Raises:
        DemoFailed: the platform refused the song, or the job did not succeed.
        ApiError: an answer that a client of the contract does not expect.
    """
    wall: dict[str, float] = {}
    with Client(gateway_url) as client:
        client.register(f"demo-{uuid.uuid4().hex}@example.com", uuid.uuid4().hex)
        begun = time.monotonic()
        upload = client.upload(song)
        wall["upload and check"] = time.monotonic() - begun
        if upload["status"] != "ready":
            raise DemoFailed(f"the upload was rejected: {upload['reason']}")
        console.print(describe(upload), highlight=False)
        payment = None
        if paid:
            refuse_unpaid(client, upload["id"], console)
            payment = buy_credits(client, math.ceil(upload["audio"]["duration_seconds"]), console)

        begun = time.monotonic()
        job = client.create_job(upload["id"])
        wall["order"] = time.monotonic() - begun
        for event in client.follow(job["id"]):
            if event.type == "status":
                console.print(f"  {event.data['status']}", highlight=False)
                if event.data["status"] in FINAL:
                    break
        job = client.job(job["id"])
        wall["order to result"] = time.monotonic() - begun
        if job["status"] != "succeeded":
            error = job["error"] or {"code": job["status"], "message": "no reason given"}
            raise DemoFailed(f"the job {job['status']}: {error['message']} ({error['code']})")

        begun = time.monotonic()
        folder = target / song.stem
        folder.mkdir(parents=True, exist_ok=True)
        stems = []
        for stem in job["stems"]:
            stems.append(folder / f"{stem['name']}.{stem['format']}")
            client.download(f"/v1/jobs/{job['id']}/stems/{stem['name']}", stems[-1])
        wall["fetch"] = time.monotonic() - begun
        manifest = client.call("GET", f"/v1/jobs/{job['id']}/manifest")
        if payment is not None:
            show_books(client, payment, folder, console)
    return Outcome(song, upload, job, manifest, folder, stems, null_residual_dbfs(song, stems), wall)


def refuse_unpaid(client: Client, upload_id: str, console: Console) -> None:
    """Shows that who has nothing gets nothing.

    Raises:
        DemoFailed: the job was done.
    """
    try:
        # A busy platform answers 202 first, and says later how the order ends.
        job = client.wait_for_job(client.create_job(upload_id)["id"])
    except ApiError as error:
        if error.code != "insufficient_credits":
            raise
        refusal = f"{error.status} {error.code}"
    else:
        code = (job["error"] or {}).get("code")
        if job["status"] != "rejected" or code != "insufficient_credits":
            raise DemoFailed(f"a job that nobody can pay for is {job['status']}")
        refusal = f"rejected, {code}"
    console.print(f"  without credits: {refusal}", highlight=False)


def describe(upload: Document) -> str:
    audio = upload["audio"]
    return (
        f"{upload['filename']}: {audio['duration_seconds']:.1f} s, {audio['sample_rate_hz']} Hz, "
        f"{audio['channels']} channels, {audio['codec']}"
    )


def null_residual_dbfs(song: Path, stems: list[Path]) -> float:
    """Largest absolute sample of song minus the sum of its stems, in dBFS; minus infinity when they null exactly.

    Decodes all files in step, so memory does not grow with the song.

    Raises:
        DemoFailed: a stem has another length or another number of channels than the song.
    """
    import numpy as np

    from separation.audio.decode import open_audio

    largest = 0.0
    with ExitStack() as stack:
        files = [stack.enter_context(open_audio(path)) for path in (song, *stems)]
        blocks = (in_blocks(file.blocks(), SAMPLES_COMPARED) for file in files)
        for mixture, *parts in zip_longest(*blocks):
            if mixture is None or any(part is None or part.shape != mixture.shape for part in parts):
                raise DemoFailed("a stem is not as long as the song")
            largest = max(largest, float(np.abs(mixture - sum(parts)).max()))
    return 20 * math.log10(largest) if largest > 0 else -math.inf


def in_blocks(blocks: Iterable["NDArray[np.float32]"], samples: int) -> Iterator["NDArray[np.float32]"]:
    """The same audio `(samples, channels)` in blocks of equal length, but for the last."""
    import numpy as np

    waiting: list[NDArray[np.float32]] = []
    for block in blocks:
        waiting.append(block)
        if sum(map(len, waiting)) >= samples:
            together = np.concatenate(waiting)
            whole = len(together) - len(together) % samples
            yield from np.split(together[:whole], whole // samples)
            waiting = [together[whole:]]
    if sum(map(len, waiting)):
        yield np.concatenate(waiting)


def report(outcome: Outcome, console: Console) -> None:
    """Where the stems are, what proves them, and where the time went."""
    console.print()
    for path, stem in zip(outcome.stems, outcome.job["stems"], strict=True):
        facts = f"{stem['size_bytes'] / 1e6:.1f} MB, {stem['sample_rate_hz']} Hz, {stem['channels']} channels"
        console.print(f"  {path}  ({facts}, {loudness(stem)})", highlight=False, soft_wrap=True)
    residual = "none: they sum to the song exactly"
    if outcome.residual_dbfs > -math.inf:
        residual = f"{outcome.residual_dbfs:.1f} dBFS at most (16-bit resolution is -90.3 dBFS)"
    console.print(f"  Null-test residual, song minus the sum of the stems: {residual}", highlight=False, soft_wrap=True)
    console.print()
    console.print(times(outcome))


def loudness(stem: Document) -> str:
    if stem["silent"] or stem["loudness_lufs"] is None:
        return "silent"
    return f"{stem['loudness_lufs']:.1f} LUFS"


def times(outcome: Outcome) -> Table:
    """Where the time went, in the order in which it was spent; what took no time to speak of is left out."""
    shown = Table(box=None, pad_edge=False, header_style="bold")
    shown.add_column("stage")
    shown.add_column("seconds", justify="right")
    job, wall, stages = outcome.job, outcome.wall_seconds, outcome.manifest["timings_seconds"]
    queued, started, ended = (datetime.fromisoformat(job[name]) for name in ("queued_at", "started_at", "finished_at"))
    shown.add_row("upload and check", f"{wall['upload and check']:.2f}")
    shown.add_row("order, until the credits are held", f"{wall['order']:.2f}")
    shown.add_row("wait for a worker", f"{(started - queued).total_seconds():.2f}")
    shown.add_row("separation", f"{(ended - started).total_seconds():.2f}")
    engine = [name for name in stages if name not in ("download", "upload", "engine", "total")]
    for name in ("download", *engine, "upload"):
        if stages[name] >= LEAST_SECONDS_SHOWN:
            shown.add_row(f"  {WORKER_STAGES.get(name, name)}", f"{stages[name]:.2f}", style="dim")
    shown.add_row("fetch the stems", f"{wall['fetch']:.2f}")
    shown.add_row("from the order to the result", f"{wall['order to result']:.2f}", style="bold")
    return shown
