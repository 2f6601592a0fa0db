"""A partner's service: takes webhooks, keeps each event once, fetches the stems of what succeeded.

    pip install stemwright-client fastapi uvicorn
    export STEMWRIGHT_URL=... STEMWRIGHT_API_KEY=sk_... PARTNER_SECRET=whsec_... PARTNER_FOLDER=data
    uvicorn service:app --port 9000

Webhooks are for hearing at once, the feed is for missing nothing: it is read at the start and once a minute. Both end
in one table where an event's id is a key, so what comes twice is there once. Whatever is not done when the service is
stopped is done when it runs again.
"""

import json
import logging
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import anyio
from fastapi import Depends, FastAPI, HTTPException, Request

from stemwright_client import AsyncClient, Event, EventsMissed, NotFound, SignatureInvalid, StemwrightError, webhooks

log = logging.getLogger("uvicorn.error")

CATCH_UP_SECONDS = float(os.environ.get("PARTNER_CATCH_UP_SECONDS", "60"))
TRY_AGAIN_SECONDS = 5.0
INTERESTING = ("job.succeeded", "job.failed")


class Events:
    """What has happened, in SQLite: one row an event."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.executescript(
            """
            PRAGMA journal_mode = WAL;
            CREATE TABLE IF NOT EXISTS events (
                id TEXT PRIMARY KEY, sequence INTEGER, type TEXT, data TEXT, done INTEGER DEFAULT 0
            );
            CREATE TABLE IF NOT EXISTS place (after INTEGER);
            """
        )

    def keep(self, event: Event) -> None:
        row = (event.id, event.sequence, event.type, json.dumps(event.data))
        self._database.execute("INSERT OR IGNORE INTO events (id, sequence, type, data) VALUES (?, ?, ?, ?)", row)

    def undone(self) -> list[tuple[str, str, dict[str, Any]]]:
        rows = self._database.execute("SELECT id, type, data FROM events WHERE NOT done ORDER BY sequence").fetchall()
        return [(identifier, kind, json.loads(data)) for identifier, kind, data in rows]

    def finish(self, identifier: str) -> None:
        self._database.execute("UPDATE events SET done = 1 WHERE id = ?", (identifier,))

    @property
    def after(self) -> int:
        """How far the feed was read. Webhooks do not move it: they may come in any order."""
        row = self._database.execute("SELECT max(after) FROM place").fetchone()
        return int(row[0] or 0)

    @after.setter
    def after(self, sequence: int) -> None:
        self._database.execute("INSERT INTO place VALUES (?)", (sequence,))

    def told(self) -> list[dict[str, Any]]:
        rows = self._database.execute("SELECT sequence, type, done FROM events ORDER BY sequence").fetchall()
        return [{"sequence": sequence, "type": kind, "done": bool(done)} for sequence, kind, done in rows]


class Partner:
    def __init__(self, client: AsyncClient, folder: Path) -> None:
        self.client = client
        self.folder = folder
        self.events = Events(folder / "events.db")
        self.news = anyio.Event()

    def take(self, event: Event) -> None:
        if event.type in INTERESTING:
            self.events.keep(event)
            self.news.set()

    async def catch_up(self) -> None:
        """Reads the feed from where it was read to, again and again."""
        while True:
            try:
                async for event in self.client.events(self.events.after):
                    self.take(event)
                    self.events.after = event.sequence
            except EventsMissed as missed:
                log.warning("we were away for too long: %s", missed)
                self.events.after = missed.oldest_sequence - 1
                continue
            except StemwrightError as error:
                log.warning("the feed cannot be read: %s", error)
            await anyio.sleep(CATCH_UP_SECONDS)

    async def work(self) -> None:
        """Does what is undone. What fails is tried again a little later."""
        while True:
            self.news = anyio.Event()
            for identifier, kind, data in self.events.undone():
                if await self._done(kind, data["job"]):
                    self.events.finish(identifier)
            with anyio.move_on_after(TRY_AGAIN_SECONDS):
                await self.news.wait()

    async def _done(self, kind: str, job: dict[str, Any]) -> bool:
        if kind == "job.failed":
            log.info("%s failed: %s", job["id"], job["error"])
            return True
        try:
            # Stems that are there already, and right, are not fetched again.
            await self.client.download(job["id"], self.folder / "stems" / job["id"])
        except NotFound:
            log.info("%s was deleted meanwhile", job["id"])
        except (StemwrightError, OSError) as error:
            log.warning("%s cannot be fetched now: %s", job["id"], error)
            return False
        return True


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with AsyncClient(patience_seconds=10) as client, anyio.create_task_group() as tasks:
        app.state.partner = Partner(client, Path(os.environ.get("PARTNER_FOLDER", "data")))
        app.state.secret = os.environ["PARTNER_SECRET"]
        tasks.start_soon(app.state.partner.catch_up)
        tasks.start_soon(app.state.partner.work)
        yield
        tasks.cancel_scope.cancel()


app = FastAPI(lifespan=lifespan)


def partner_of(request: Request) -> Partner:
    partner: Partner = request.app.state.partner
    return partner


ThePartner = Annotated[Partner, Depends(partner_of)]


@app.post("/webhooks", status_code=204)
async def receive(request: Request, partner: ThePartner) -> None:
    """Answers as soon as the event is kept: the work comes after."""
    body = await request.body()
    try:
        event = webhooks.verify(body, request.headers, request.app.state.secret)
    except SignatureInvalid as error:
        raise HTTPException(401, str(error)) from error
    partner.take(event)


@app.get("/events")
async def events(partner: ThePartner) -> list[dict[str, Any]]:
    return partner.events.told()


@app.get("/songs")
async def songs(partner: ThePartner) -> dict[str, list[str]]:
    """The stems that are here, by job."""
    with suppress(FileNotFoundError):
        folders = sorted((partner.folder / "stems").iterdir())
        return {folder.name: sorted(path.name for path in folder.iterdir()) for folder in folders}
    return {}
