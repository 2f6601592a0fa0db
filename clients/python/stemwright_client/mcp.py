"""The platform as tools of an assistant (Model Context Protocol).

What the assistant may do is bounded by the person who starts it: songs and stems lie in one folder, and no more than
so many credits are spent as long as the server runs.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Literal, ParamSpec, TypeVar

import anyio
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from stemwright_client.async_client import AsyncClient
from stemwright_client.errors import StemwrightError, WaitExpired
from stemwright_client.models import Job
from stemwright_client.orders import Order, key_of

P = ParamSpec("P")
T = TypeVar("T")

INSTRUCTIONS = (
    "Separates songs into vocals and instrumental with a Stemwright platform. One credit is a second of song. "
    "`quote` says what a song costs, `separate` orders it, `wait` waits for it, `fetch` brings the files. Paths are "
    "relative to the folder that the person has opened for you. Spending is limited for the session."
)

SongPath = Annotated[str, Field(description="Path of the song, relative to the opened folder.")]
Stems = Annotated[
    list[Literal["vocals", "instrumental"]], Field(description="Which stems are wanted.", min_length=1, max_length=2)
]
Format = Literal["flac", "wav", "mp3", "m4a", "ogg", "opus"]
JobId = Annotated[str, Field(description="The `job_id` that `separate` has answered.")]


@dataclass
class Purse:
    """What the session has spent; a job that did not succeed gives its price back."""

    limit_credits: int
    prices: dict[str, int] = field(default_factory=dict)
    """By job."""
    orders: dict[str, str] = field(default_factory=dict)
    """The job of each order, so that one order is one job."""
    failures: dict[str, int] = field(default_factory=dict)
    """How often an order came to nothing: each time its idempotency key is another."""
    lock: anyio.Lock = field(default_factory=anyio.Lock)

    @property
    def spent(self) -> int:
        return sum(self.prices.values())

    @property
    def left(self) -> int:
        return self.limit_credits - self.spent

    def see(self, job: Job) -> None:
        if job.id in self.prices and job.has_ended and job.status != "succeeded":
            del self.prices[job.id]
            for order in [order for order, known in self.orders.items() if known == job.id]:
                del self.orders[order]
                self.failures[order] = self.failures.get(order, 0) + 1


@dataclass
class Tools:
    client: AsyncClient
    purse: Purse
    folder: Path

    async def quote(self, song: SongPath, preview: bool = False) -> dict[str, Any]:
        """What separating a song costs, in credits. Uploads the song; orders nothing."""
        upload = await self.client.upload(self._song(song))
        told = await self.client.quote(upload.id, _order(preview=preview))
        seconds = upload.audio.duration_seconds if upload.audio else None
        return {
            "price_credits": told.price_credits,
            "affordable": told.affordable and told.price_credits <= self.purse.left,
            "available_credits": told.available_credits,
            "left_of_spending_limit_credits": self.purse.left,
            "song_seconds": seconds,
        }

    async def separate(
        self,
        song: SongPath,
        stems: Stems | None = None,
        format: Format = "flac",  # noqa: A002 - what an assistant reads
        preview: bool = False,
    ) -> dict[str, Any]:
        """Orders the separation of a song, which costs credits unless it is a preview. Then `wait`, then `fetch`."""
        order = _order(stems, format, preview=preview)
        upload = await self.client.upload(self._song(song))
        name = key_of("mcp", order.body(upload.id))
        async with self.purse.lock:
            if name in self.purse.orders:
                return _told(await self.client.get_job(self.purse.orders[name]))
            price = (await self.client.quote(upload.id, order)).price_credits
            if price > self.purse.left:
                raise ToolError(
                    f"It costs {price} credits, and {self.purse.left} are left of the {self.purse.limit_credits} that "
                    "may be spent in this session. Only the person who started it can allow more (--spend-limit)."
                )
            key = key_of(name, self.purse.failures.get(name, 0))
            job = await self.client.create_job(upload.id, order, idempotency_key=key)
            self.purse.prices[job.id] = price if job.price_credits is None else job.price_credits
            self.purse.orders[name] = job.id
        return _told(job)

    async def status(self, job_id: JobId) -> dict[str, Any]:
        """How a job stands, without waiting."""
        return _told(self._seen(await self.client.get_job(job_id)))

    async def wait(self, job_id: JobId, timeout_seconds: Annotated[float, Field(gt=0, le=600)] = 45) -> dict[str, Any]:
        """Waits for the end of a job, less than a minute if not told otherwise. Where it has not ended, wait again."""
        try:
            return _told(self._seen(await self.client.wait(job_id, timeout_seconds=timeout_seconds)))
        except WaitExpired:
            return await self.status(job_id)

    async def fetch(self, job_id: JobId, output: str = "stems") -> dict[str, Any]:
        """Downloads the stems of a job that succeeded into a folder; the paths of the files."""
        target = self._inside(output)
        files = await self.client.download(job_id, target)
        return {"files": {name: str(path.relative_to(self.folder)) for name, path in files.items()}}

    async def balance(self) -> dict[str, Any]:
        """The account's credits, and what may still be spent in this session."""
        left = await self.client.balance()
        return {
            "available_credits": left.available_credits,
            "reserved_credits": left.reserved_credits,
            "spent_in_this_session_credits": self.purse.spent,
            "left_of_spending_limit_credits": self.purse.left,
        }

    def _seen(self, job: Job) -> Job:
        self.purse.see(job)
        return job

    def _song(self, song: str) -> Path:
        path = self._inside(song)
        if not path.is_file():
            raise ToolError(f"There is no file {song} in the opened folder.")
        return path

    def _inside(self, name: str) -> Path:
        """Links are followed first: what they lead to has to lie in the folder as well."""
        path = (self.folder / name).resolve()
        if not path.is_relative_to(self.folder):
            raise ToolError(f"{name} lies outside the folder that was opened for this session.")
        return path


def _order(
    stems: list[Literal["vocals", "instrumental"]] | None = None, format_: Format = "flac", *, preview: bool
) -> Order:
    wanted = tuple(dict.fromkeys(stems or ("vocals", "instrumental")))
    return Order(stems=wanted, format=format_, mode="preview" if preview else "full")


def _told(job: Job) -> dict[str, Any]:
    told: dict[str, Any] = {"job_id": job.id, "status": job.status, "price_credits": job.price_credits}
    if job.status == "running":
        told["fraction"] = job.progress.fraction
    if job.error is not None:
        told["error"] = {"code": job.error.code, "message": job.error.message}
    return told


def _in_words(tool: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """What goes wrong is told to the assistant, with its code."""

    @wraps(tool)
    async def called(*arguments: P.args, **options: P.kwargs) -> T:
        try:
            return await tool(*arguments, **options)
        except StemwrightError as error:
            raise ToolError(f"{error.code}: {error}") from error
        except OSError as error:
            # Its name alone: assistants are told of files in the opened folder only.
            named = f"{Path(error.filename).name}: " if isinstance(error.filename, str) else ""
            raise ToolError(f"{named}{error.strerror or error}") from error

    return called


def server(client: AsyncClient, *, spend_limit_credits: int, folder: Path) -> MCPServer[None]:
    """The server, which closes the client when it ends."""

    @asynccontextmanager
    async def lifespan(_server: MCPServer[None]) -> AsyncIterator[None]:
        async with client:
            yield

    offered = MCPServer[None]("stemwright", instructions=INSTRUCTIONS, lifespan=lifespan, log_level="WARNING")
    tools = Tools(client, Purse(spend_limit_credits), folder.resolve())
    for tool in (tools.quote, tools.separate, tools.status, tools.wait, tools.fetch, tools.balance):
        offered.add_tool(_in_words(tool))
    return offered


def serve(*, spend_limit_credits: int, folder: Path) -> None:
    """Blocks until standard input ends. Raises NoKey, NoAddress."""
    server(AsyncClient(), spend_limit_credits=spend_limit_credits, folder=folder).run("stdio")
