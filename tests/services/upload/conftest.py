"""The upload service over a migrated database and the real object store, without an event log."""

import contextlib
import hashlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn
from sqlalchemy import select

from services.kit.auth import SCOPES, InvalidToken, Principal, TokenVerifier
from services.kit.database import Database
from services.kit.events.codec import decode
from services.kit.ids import new_id
from services.kit.migrations import migrate
from services.kit.s3 import S3Storage
from services.kit.storage import ObjectStorage
from services.kit.tables import OUTBOX
from services.upload.app import assemble
from services.upload.cleaning import Cleaner, Sweeper
from services.upload.prober import Prober
from services.upload.scratch import Scratch
from services.upload.service import Uploads
from services.upload.settings import Settings
from services.upload.signals import StatusSignals, WorkSignal
from services.upload.validation import Validator
from tests.databases import MakeDatabase, not_waiting_for_the_disk
from tests.ids import numbered
from tests.object_store import ObjectStore

DEADLINE_SECONDS = 180


class NamedTokens(TokenVerifier):
    """Takes a token for the name of its account; `<account>:<scope>` has that scope only."""

    def __init__(self) -> None:
        """Needs no keys."""

    def verify(self, token: str) -> Principal:
        account, _, scope = token.partition(":")
        if not account.startswith("usr_"):
            raise InvalidToken
        return Principal(account, frozenset({"user"}), frozenset([scope] if scope else SCOPES), "token")


def until(condition: Callable[[], Any], what: str) -> Any:
    """The first truthy answer of `condition`; fails after a deadline."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.02)
    return answer


@dataclass
class Parts:
    """The pieces of the service, for tests that turn the crank themselves."""

    database: Database
    storage: ObjectStorage
    settings: Settings
    uploads: Uploads
    cleaner: Cleaner
    sweeper: Sweeper
    work_signal: WorkSignal
    source_signal: WorkSignal
    status_signals: StatusSignals
    scratch: Scratch
    prober: Prober

    def validator(self, storage: ObjectStorage | None = None, prober: Prober | None = None) -> Validator:
        return Validator(
            1,
            self.database,
            storage or self.storage,
            self.settings,
            cleaner=Cleaner(self.database, storage or self.storage),
            prober=prober or self.prober,
            scratch=self.scratch,
            work_signal=self.work_signal,
            status_signals=self.status_signals,
        )


class Events:
    """What the service has put into its outbox."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self, upload_id: str | None = None) -> list[Any]:
        with self._database.read() as session:
            rows = session.execute(select(OUTBOX).order_by(OUTBOX.c.id)).all()
        events = []
        for row in rows:
            event = decode(_Stored(row))
            assert event is not None
            if upload_id in (None, event.key):
                events.append(event)
        return events

    def types(self, upload_id: str) -> list[str]:
        return [event.type.rpartition(".")[2] for event in self.all(upload_id)]


class _Stored:
    """An outbox row in the shape in which Kafka would give it back."""

    def __init__(self, row: Any) -> None:
        self.topic, self.key, self.value = row.topic, row.key, row.value
        self.headers = [(name, text.encode()) for name, text in row.headers]
        self.partition = self.offset = 0


@pytest.fixture
def settings(object_store: ObjectStore, storage: S3Storage, tmp_path: Path) -> Settings:
    return _settings(object_store, storage, tmp_path)


def _settings(object_store: ObjectStore, storage: S3Storage, folder: Path, **changes: Any) -> Settings:
    return Settings(
        **object_store.settings(storage.bucket),
        scratch_directory=folder / "scratch",
        lease_seconds=600,
        verdict_wait_seconds=DEADLINE_SECONDS,
        sweep_seconds=0.2,
        retry_seconds=0.1,
        log_format="console",
        **changes,
    )


@pytest.fixture
def database(make_database: MakeDatabase) -> Database:
    return make_database("upload")


@pytest.fixture
def events(database: Database) -> Events:
    return Events(database)


@pytest.fixture
def parts(database: Database, storage: S3Storage, settings: Settings) -> Iterator[Parts]:
    """The service without its background tasks; requests do not wait for verdicts."""
    settings = settings.model_copy(update={"verdict_wait_seconds": 0})
    work_signal, source_signal, status_signals = WorkSignal(), WorkSignal(), StatusSignals()
    cleaner = Cleaner(database, storage)
    uploads = Uploads(
        database,
        storage,
        settings,
        cleaner=cleaner,
        work_signal=work_signal,
        source_signal=source_signal,
        status_signals=status_signals,
    )
    scratch = Scratch(settings.scratch_directory)
    yield Parts(
        database,
        storage,
        settings,
        uploads,
        cleaner,
        Sweeper(database, storage, cleaner, settings),
        work_signal,
        source_signal,
        status_signals,
        scratch,
        Prober(settings),
    )
    scratch.close()


@contextlib.contextmanager
def serving(settings: Settings, database: Database, storage: ObjectStorage) -> Iterator["Client"]:
    """The whole service, validators and sweeper included."""
    app = assemble(settings, database, storage, verifier=NamedTokens(), tasks=[], source_signal=WorkSignal())
    config = uvicorn.Config(
        app, port=0, http="httptools", log_config=None, timeout_keep_alive=600, timeout_graceful_shutdown=5
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            until(lambda: server.started, "the service starts")
            with httpx2.Client(
                base_url=f"http://127.0.0.1:{listening.getsockname()[1]}", timeout=DEADLINE_SECONDS
            ) as http:
                yield Client(http)
        finally:
            server.should_exit = True
            thread.join()


@dataclass
class Service:
    """A running service, as one account sees it, and what it writes."""

    client: "Client"
    events: Events
    storage: S3Storage

    def stored(self) -> set[str]:
        """Keys of all objects."""
        return {found.key for found in self.storage.list_objects("")}


@pytest.fixture(scope="module")
def changes() -> dict[str, Any]:
    """What a module's shared service is told besides."""
    return {}


@pytest.fixture(scope="module")
def running(
    object_store: ObjectStore, tmp_path_factory: pytest.TempPathFactory, changes: dict[str, Any]
) -> Iterator[Service]:
    """One service for all tests of a module that need none of their own: to start it takes a second."""
    folder, storage = tmp_path_factory.mktemp("service"), object_store.new_bucket()
    url = f"sqlite:///{folder}/upload.db"
    migrate(url, "upload")
    database = not_waiting_for_the_disk(Database(url, "upload"))
    with serving(_settings(object_store, storage, folder, **changes), database, storage) as client:
        yield Service(client, Events(database), storage)
    database.close()


@pytest.fixture
def shared(running: Service) -> Service:
    """The module's service, as an account that it has not seen before."""
    return replace(running, client=running.client.of(new_id("usr")))


@pytest.fixture
def client(settings: Settings, database: Database, storage: S3Storage) -> Iterator["Client"]:
    with serving(settings, database, storage) as client:
        yield client


class Client:
    """What a client of the API does, as one account."""

    def __init__(self, http: httpx2.Client, account: str = numbered("usr", 1)) -> None:
        self.http = http
        self.account = account
        self.headers = {"Authorization": f"Bearer {account}"}

    def of(self, account: str) -> "Client":
        return Client(self.http, account)

    def request(self, method: str, path: str, **kwargs: Any) -> httpx2.Response:
        headers = {**self.headers, **kwargs.pop("headers", {})}
        return self.http.request(method, path, headers=headers, **kwargs)

    def create(self, size: int, *, filename: str = "song.wav", key: str | None = None, **fields: Any) -> Any:
        answer = self.request(
            "POST",
            "/v1/uploads",
            json={"filename": filename, "size_bytes": size, **fields},
            headers={"Idempotency-Key": key} if key else {},
        )
        assert answer.status_code == 201, answer.text
        return answer.json()

    def get(self, upload_id: str) -> Any:
        answer = self.request("GET", f"/v1/uploads/{upload_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def send_parts(self, upload: Any, data: bytes) -> list[dict[str, Any]]:
        """PUTs the parts to the presigned URLs; returns what `complete` wants to know."""
        size = upload["part_size_bytes"]
        named = []
        for part in upload["parts"]:
            begin = (part["number"] - 1) * size
            answer = httpx2.put(part["url"], content=data[begin : begin + size], timeout=DEADLINE_SECONDS)
            answer.raise_for_status()
            named.append({"number": part["number"], "etag": answer.headers["ETag"]})
        return named

    def complete(self, upload_id: str, parts: list[dict[str, Any]] | None = None) -> httpx2.Response:
        return self.request("POST", f"/v1/uploads/{upload_id}/complete", json={"parts": parts})

    def put_content(self, upload_id: str, content: Any) -> httpx2.Response:
        return self.request("PUT", f"/v1/uploads/{upload_id}/content", content=content)

    def upload(self, data: bytes, *, filename: str = "song.wav", **fields: Any) -> Any:
        """The whole way through presigned parts; returns the upload once it is decided."""
        created = self.create(len(data), filename=filename, **fields)
        answer = self.complete(created["id"], self.send_parts(created, data))
        assert answer.status_code == 200, answer.text
        return self.decided(created["id"])

    def decided(self, upload_id: str) -> Any:
        def look() -> Any:
            upload = self.get(upload_id)
            return upload if upload["status"] in ("ready", "rejected") else None

        return until(look, f"a verdict on {upload_id}")


def at_once(number: int, action: Callable[[int], Any]) -> list[Any]:
    """What `action` answers in that many threads that begin together."""
    gate = threading.Barrier(number)

    def begin(index: int) -> Any:
        gate.wait()
        return action(index)

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(begin, range(number)))


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
