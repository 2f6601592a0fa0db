"""One song on its whole way, uploaded, ordered, separated, fetched, added up and deleted, and what becomes of it."""

import hashlib
import logging
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

import httpx2
from prometheus_client import Counter, Gauge, Histogram

from services.canary.settings import Settings
from services.canary.song import check_sum, song
from services.local.client import ApiError, Client, Document

log = logging.getLogger(__name__)

SONGS = Counter("stemwright_canary_songs_total", "Songs sent through, by how each ended.", ["outcome"])
SECONDS = Histogram(
    "stemwright_canary_seconds",
    "Seconds that songs took which came back whole.",
    buckets=(1, 2, 5, 10, 20, 30, 60, 120, 240, 600, 1200, 3600),
)
SUCCEEDED = Gauge("stemwright_canary_succeeded_timestamp_seconds", "When a song last came back whole.")
INTERVAL = Gauge("stemwright_canary_interval_seconds", "From the beginning of one song to that of the next.")

CALL_SECONDS = 30.0
"""How long one answer of the platform may take."""


class Step(StrEnum):
    """Where a song is; an outcome is the step that failed."""

    TIDY = "tidy"
    UPLOAD = "upload"
    ORDER = "order"
    SEPARATE = "separate"
    FETCH = "fetch"
    CHECK = "check"
    DELETE = "delete"


SUCCESS = "succeeded"
for _outcome in (SUCCESS, *Step):
    SONGS.labels(_outcome)  # from 0 on


class Stopped(Exception):
    """The process is told to stop; nothing is wrong with the song."""


class Lost(Exception):
    """The platform said what became of the song, and it is not what it should be."""


class Canary:
    """A background task. Sends one song after the other, and lives with whatever becomes of them."""

    name = "canary"

    def __init__(self, settings: Settings, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._settings = settings
        self._clock = clock
        self._song = song()
        self._step = Step.TIDY
        INTERVAL.set(settings.every_minutes * 60)

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            begun = time.monotonic()
            try:
                self.send(stop)
            except Stopped:
                return
            stop.wait(max(0.0, self._settings.every_minutes * 60 - (time.monotonic() - begun)))

    def send(self, stop: threading.Event) -> str:
        """Sends one song and tells how it ended: `succeeded`, or the step that failed. Raises Stopped."""
        begun = time.monotonic()
        outcome = SUCCESS
        try:
            with self._client(stop, begun + self._settings.limit_seconds) as client:
                self._go(client)
        except Stopped:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the song is lost and the next one is sent
            outcome = self._step.value
            # What a library says may name the address of an object, which opens it.
            said = str(error) if isinstance(error, ApiError | Lost | TimeoutError) else type(error).__name__
            log.error("the song is lost at the step %s: %s", outcome, said)
        else:
            took = time.monotonic() - begun
            SECONDS.observe(took)
            SUCCEEDED.set(self._clock().timestamp())
            log.info("the song came back whole after %.1f s", took)
        SONGS.labels(outcome).inc()
        return outcome

    @contextmanager
    def _client(self, stop: threading.Event, deadline: float) -> Iterator[Client]:
        """One that waits no longer than the song may take, nor than this process lives."""

        def pause(seconds: float) -> None:
            if stop.wait(seconds):
                raise Stopped
            if time.monotonic() > deadline:
                raise TimeoutError(f"it took more than {self._settings.limit_seconds:g} s")

        self._step = Step.TIDY
        with Client(str(self._settings.url), self._key(), CALL_SECONDS, pause=pause) as client:
            yield client

    def _key(self) -> str:
        return self._settings.key_file.read_text(encoding="ascii").strip()

    def check(self) -> None:
        """Raises OSError where there is no key."""
        self._key()

    def _go(self, client: Client) -> None:
        self._tidy(client)
        self._step = Step.UPLOAD
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "canary.wav")
            file.write_bytes(self._song)
            upload = client.upload(file)
        try:
            if upload["status"] != "ready":
                raise Lost(f"the upload is {upload['status']}: {upload.get('reason')}")
            self._separate(client, upload["id"])
        except BaseException:
            self._forget(client, f"/v1/uploads/{upload['id']}")
            raise
        self._step = Step.DELETE
        client.send("DELETE", f"/v1/uploads/{upload['id']}")

    def _separate(self, client: Client, upload_id: str) -> None:
        self._step = Step.ORDER
        job = client.create_job(upload_id, output={"format": "wav", "bit_depth": 16})
        try:
            self._step = Step.SEPARATE
            job = client.wait_for_job(job["id"], self._settings.limit_seconds)
            if job["status"] != "succeeded":
                raise Lost(f"the job {job['id']} is {job['status']}: {job['error']}")
            self._step = Step.FETCH
            stems = [_fetched(client, job["id"], stem) for stem in job["stems"]]
            self._step = Step.CHECK
            try:
                check_sum(self._song, stems)
            except ValueError as error:
                raise Lost(str(error)) from None
        except BaseException:
            self._forget(client, f"/v1/jobs/{job['id']}")
            raise
        self._step = Step.DELETE
        client.send("DELETE", f"/v1/jobs/{job['id']}")
        self._check_gone(client, f"/v1/jobs/{job['id']}")

    @staticmethod
    def _check_gone(client: Client, path: str) -> None:
        try:
            client.send("GET", path)
        except ApiError as error:
            if error.status == httpx2.codes.NOT_FOUND:
                return
            raise
        raise Lost(f"{path} is still there")

    @staticmethod
    def _forget(client: Client, path: str) -> None:
        """As far as that goes: what was wrong before is what is told, and what is left is tidied up another time."""
        try:
            client.send("DELETE", path)
        except (ApiError, httpx2.HTTPError):
            log.warning("%s is left for another time", path)

    def _tidy(self, client: Client) -> None:
        """Deletes what songs have left that were sent by a process that ended on the way."""
        over = self._clock() - 2 * timedelta(seconds=self._settings.limit_seconds)
        for path in ("/v1/jobs", "/v1/uploads"):
            for left in client.call("GET", path, params={"limit": 100})["items"]:
                if datetime.fromisoformat(left["created_at"]) < over:
                    client.send("DELETE", f"{path}/{left['id']}")


def _fetched(client: Client, job_id: str, stem: Document) -> bytes:
    """A stem out of the store, which is what the job says that it is. Raises Lost."""
    link = client.call("GET", f"/v1/jobs/{job_id}/stems/{stem['name']}", headers={"Accept": "application/json"})
    answer = client.http.get(link["url"])
    if answer.is_error:
        raise Lost(f"the store answers {answer.status_code} for {stem['name']}")
    if hashlib.sha256(answer.content).hexdigest() != stem["sha256"]:
        raise Lost(f"{stem['name']} is another file than the job says")
    return answer.content
