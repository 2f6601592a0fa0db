"""A small client of the public REST contract: what the demo, the benchmark and the end-to-end tests need of it."""

import hashlib
import json
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx2

from services.kit.loopback import NAMES, is_loopback

FINAL = frozenset({"succeeded", "failed", "canceled", "rejected"})
CHECKED = frozenset({"ready", "rejected"})
PASSING = frozenset({502, 503, 504})
"""Statuses of a platform of which a part is away or restarts."""

Document = dict[str, Any]


class ApiError(Exception):
    """The platform answered with a problem document (RFC 9457)."""

    def __init__(self, response: httpx2.Response) -> None:
        self.status = response.status_code
        self.headers = response.headers
        try:
            self.problem: Document = response.json()
        except ValueError:
            self.problem = {}
        self.code = str(self.problem.get("code", ""))
        detail = self.problem.get("detail") or response.text[:300]
        super().__init__(f"{response.request.method} {response.request.url.path}: {self.status} {self.code}: {detail}")


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One server-sent event; `id` is what `Last-Event-ID` resumes from, where the event has one."""

    type: str
    data: Document
    id: str | None


def _http(base_url: str, timeout_seconds: float) -> httpx2.Client:
    """Requests to this machine are direct; those to others, as to a store elsewhere, go as the environment says.

    Raises ImportError, OSError, ValueError or `httpx2.InvalidURL` where the environment names proxies or certificates
    that cannot be used, and the platform is another machine's.
    """
    itself = is_loopback(base_url)
    hosts = {*NAMES, *((urlsplit(base_url).hostname or "",) if itself else ())}
    direct = {f"all://[{host}]" if ":" in host else f"all://{host}": None for host in hosts}
    try:
        return httpx2.Client(base_url=base_url, timeout=timeout_seconds, mounts=direct)
    except (ImportError, OSError, ValueError, httpx2.InvalidURL):
        if not itself:
            raise
        return httpx2.Client(base_url=base_url, timeout=timeout_seconds, trust_env=False)


class Client:
    """One account's view of the platform. Not safe to share between threads that change `token`.

    `pause` waits so many seconds before something is asked for again, and ends the waiting by raising.
    """

    def __init__(
        self,
        base_url: str,
        token: str | None = None,
        timeout_seconds: float = 60,
        *,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.http = _http(base_url, timeout_seconds)
        self.token = token
        self._pause = pause
        self._refresh_token: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.close()

    def send(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """One request with this account's token; `options` as `httpx2.Client.request` takes them.

        Raises:
            ApiError: the answer's status is 400 or higher.
            httpx2.TransportError: there was no answer.
        """
        own = options.pop("headers", {})
        response = self.http.request(method, path, headers={**self._authorization(), **own}, **options)
        if response.status_code == 401 and self._refresh():
            response = self.http.request(method, path, headers={**self._authorization(), **own}, **options)
        if response.status_code >= 400:
            raise ApiError(response)
        return response

    def call(self, method: str, path: str, **options: Any) -> Document:
        """Like `send`, for routes that answer with a JSON document."""
        document: Document = self.send(method, path, **options).json()
        return document

    def register(self, email: str, password: str) -> Document:
        """Make an account and act as it from now on."""
        user = self.call("POST", "/v1/auth/register", json={"email": email, "password": password})
        self.sign_in(email, password)
        return user

    def sign_in(self, email: str, password: str) -> None:
        form = {"grant_type": "password", "username": email, "password": password}
        self._take(self.call("POST", "/v1/auth/token", data=form))

    def upload(self, song: Path, filename: str | None = None) -> Document:
        """Send a file in presigned parts and block until it was checked: the upload, `ready` or `rejected`."""
        size = song.stat().st_size
        wanted = {"filename": filename or song.name, "size_bytes": size, "sha256": sha256_of(song)}
        upload = self.call("POST", "/v1/uploads", json=wanted)
        parts = []
        with song.open("rb") as file:
            for part in upload["parts"]:
                file.seek((part["number"] - 1) * upload["part_size_bytes"])
                answer = self.http.put(part["url"], content=file.read(upload["part_size_bytes"]))
                answer.raise_for_status()
                parts.append({"number": part["number"], "etag": answer.headers["ETag"]})
        upload = self.call("POST", f"/v1/uploads/{upload['id']}/complete", json={"parts": parts})
        return self.wait_for_upload(upload["id"])

    def wait_for_upload(self, upload_id: str, timeout_seconds: float = 120) -> Document:
        """Block until the upload was checked."""
        return self._wait_for(f"/v1/uploads/{upload_id}", CHECKED, timeout_seconds)

    def create_job(
        self, upload_id: str, *, key: str | None = None, patience_seconds: float = 30, **wanted: Any
    ) -> Document:
        """Order a job; `wanted`: fields of the request besides the upload, by default both stems of the whole song.

        The idempotency key (made here where none is given) lets the order be repeated while parts restart.
        """
        body = {
            "upload_id": upload_id,
            "mode": "full",
            "stems": ["vocals", "instrumental"],
            "output": {"format": "flac"},
            **wanted,
        }
        headers = {"Idempotency-Key": key or uuid.uuid4().hex}
        until = time.monotonic() + patience_seconds
        while True:
            try:
                return self.call("POST", "/v1/jobs", json=body, headers=headers)
            except (ApiError, httpx2.TransportError) as error:
                if not is_passing(error) or time.monotonic() > until:
                    raise
            self._pause(0.25)

    def job(self, job_id: str) -> Document:
        return self.call("GET", f"/v1/jobs/{job_id}")

    def wait_for_job(self, job_id: str, timeout_seconds: float = 120) -> Document:
        """Block until the job has ended."""
        return self._wait_for(f"/v1/jobs/{job_id}", FINAL, timeout_seconds)

    def _wait_for(self, path: str, ends: frozenset[str], timeout_seconds: float) -> Document:
        """Block until what is at `path` has one of these statuses, by asking; a part that restarts is waited for."""
        begun = time.monotonic()
        while True:
            try:
                document = self.call("GET", path)
            except (ApiError, httpx2.TransportError) as error:
                if not is_passing(error):
                    raise
                status = "out of reach"
            else:
                status = document["status"]
                if status in ends:
                    return document
            waited = time.monotonic() - begun
            if waited > timeout_seconds:
                raise TimeoutError(f"{path} is still {status}")
            self._pause(pause_after(waited))

    def events(self, job_id: str, last_event_id: str | None = None) -> Iterator[StreamEvent]:
        """The job's events as they happen, until the stream ends (after the job's last one)."""
        headers = {**self._authorization(), "Accept": "text/event-stream"}
        if last_event_id is not None:
            headers["Last-Event-ID"] = last_event_id
        with self.http.stream("GET", f"/v1/jobs/{job_id}/events", headers=headers) as response:
            if response.status_code < 400:
                yield from parse_events(response.iter_lines())
                return
            response.read()
        if response.status_code != 401 or not self._refresh():
            raise ApiError(response)
        yield from self.events(job_id, last_event_id)

    def follow(self, job_id: str, timeout_seconds: float = 600) -> Iterator[StreamEvent]:
        """Like `events`, but a stream that breaks is resumed, until the job has ended."""
        until = time.monotonic() + timeout_seconds
        last_event_id = None
        while time.monotonic() < until:
            try:
                for event in self.events(job_id, last_event_id):
                    last_event_id = event.id or last_event_id
                    yield event
                    if event.type == "status" and event.data["status"] in FINAL:
                        return
            except (ApiError, httpx2.TransportError) as error:
                if not is_passing(error):
                    raise
                time.sleep(0.2)
        raise TimeoutError(f"job {job_id} has not ended")

    def download(self, path: str, target: Path) -> None:
        """Save what `path` leads to. The token is not sent along to the object store."""
        response = self.send("GET", path)
        source = response.headers["Location"] if response.is_redirect else None
        if source is None:
            target.write_bytes(response.content)
            return
        with self.http.stream("GET", source) as stored, target.open("wb") as file:
            stored.raise_for_status()
            for block in stored.iter_bytes():
                file.write(block)

    def _refresh(self) -> bool:
        """Another access token in place of one that is over: they last ten minutes, a job may take longer."""
        refresh_token, self._refresh_token = self._refresh_token, None
        if refresh_token is None:
            return False
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        answer = self.http.post("/v1/auth/token", data=form)
        if answer.is_success:
            self._take(answer.json())
        return answer.is_success

    def _take(self, tokens: Document) -> None:
        self.token = tokens["access_token"]
        self._refresh_token = tokens["refresh_token"]

    def _authorization(self) -> dict[str, str]:
        return {} if self.token is None else {"Authorization": f"Bearer {self.token}"}


def pause_after(waited_seconds: float) -> float:
    """Seconds until what has not come for so long is asked for again: an eighth of that, within 0.05 and 0.5.

    What comes soon is heard of soon, and what takes long is not slowed down by being asked for: on a busy machine each
    question takes processor time from what it asks for, in three processes.
    """
    return min(max(0.05, waited_seconds / 8), 0.5)


def is_passing(error: ApiError | httpx2.TransportError) -> bool:
    """Whether the same request may succeed a moment later: no answer, 502 to 504, or one with its key is under way."""
    return (
        not isinstance(error, ApiError)
        or error.status in PASSING
        or (error.status == 409 and "Retry-After" in error.headers)
    )


def parse_events(lines: Iterable[str]) -> Iterator[StreamEvent]:
    """Server-sent events (WHATWG HTML, section 9.2.6) whose data is JSON; comments are skipped."""
    kind, data, identifier = "message", list[str](), None
    for line in lines:
        if not line:
            if data:
                yield StreamEvent(kind, json.loads("\n".join(data)), identifier)
            kind, data, identifier = "message", [], None
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            kind = value
        elif name == "data":
            data.append(value)
        elif name == "id":
            identifier = value


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
