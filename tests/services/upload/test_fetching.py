"""Songs by address: whatever the server there does, the upload ends as a file or with a reason."""

import hashlib
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from services.upload import repository
from services.upload.errors import SourceNotAllowed, UploadIsFetched, UploadNotFound
from services.upload.parts import MIN_PART_BYTES
from services.upload.schemas import NewSource
from tests.clocks import Clock
from tests.databases import on_sqlite
from tests.ids import numbered
from tests.services.upload.conftest import Events, Parts
from tests.services.upload.fetching import fetcher, fetching, named, under_its_settings
from tests.services.upload.song_server import Answer, SongServer, giving, song_server
from tests.services.upload.validating import (
    ACCOUNT,
    SONG,
    Killed,
    Scripted,
    clock,
    database,
    keys,
    kill,
    state,
)
from tests.services.upload.validating import (
    parts as validating_parts,
)

pytestmark = [pytest.mark.s3, on_sqlite]

__all__ = ["clock", "database", "validating_parts"]


@pytest.fixture
def parts(validating_parts: Parts) -> Parts:
    return replace(validating_parts, settings=fetching(validating_parts.settings))


@pytest.fixture
def server() -> Iterator[SongServer]:
    with song_server() as serving:
        yield serving


def with_settings(parts: Parts, **changes: Any) -> Parts:
    return replace(parts, settings=parts.settings.model_copy(update=changes))


def test_a_song_is_fetched_and_checked_like_any_other(parts: Parts, server: SongServer, events: Events) -> None:
    server.answers["/My%20song.wav"] = [giving(SONG)]
    upload_id = named(parts, f"{server.url}/My%20song.wav?signature=secret")
    pending = state(parts, upload_id)

    assert fetcher(parts).fetch_next()
    checked = state(parts, upload_id)
    assert parts.validator().check_next()

    assert (pending.status, pending.size_bytes, pending.parts) == ("pending", 0, [])
    assert pending.source_url == f"{server.url}/My%20song.wav"
    assert (checked.status, checked.size_bytes, checked.filename) == ("validating", len(SONG), "My song.wav")
    ready = state(parts, upload_id)
    assert (ready.status, ready.sha256) == ("ready", hashlib.sha256(SONG).hexdigest())
    assert b"".join(parts.storage.stream(f"sources/{upload_id}/original")) == SONG
    assert server.asked == ["/My%20song.wav?signature=secret"]
    assert events.types(upload_id) == ["UploadCreated", "UploadReady"]
    assert not fetcher(parts).fetch_next()


def test_a_large_file_comes_in_parts_and_is_the_same(parts: Parts, server: SongServer) -> None:
    parts = with_settings(parts, part_size_bytes=MIN_PART_BYTES, max_size_bytes=3 * MIN_PART_BYTES)
    body = bytes(range(251)) * (2 * MIN_PART_BYTES // 251 + 1000)
    server.answers["/a"] = [giving(body)]
    upload_id = named(parts, f"{server.url}/a")

    assert fetcher(parts).fetch_next()

    # The validator compares what lies in the store with the digest of what came.
    assert state(parts, upload_id).sha256 == hashlib.sha256(body).hexdigest()
    with parts.database.read() as session:
        row = repository.find_any(session, upload_id)
    assert row is not None
    assert row.parts is not None
    assert len(row.parts) == 3


def moved(location: str, status: int = 302) -> Answer:
    return giving(b"", status, Location=location)


def test_three_redirects_are_followed(parts: Parts, server: SongServer) -> None:
    server.answers.update({f"/{n}": [moved(f"/{n + 1}", 301 + n % 2)] for n in range(3)})
    server.answers["/3"] = [giving(SONG, Content_Disposition='attachment; filename="..\\\\a/Take 3.wav"')]
    upload_id = named(parts, f"{server.url}/0")

    assert fetcher(parts).fetch_next()

    assert (state(parts, upload_id).status, state(parts, upload_id).filename) == ("validating", "Take 3.wav")
    assert server.asked == ["/0", "/1", "/2", "/3"]


NEVER = {
    "a fourth redirect": ("source_unreachable", moved("/song")),
    "to the metadata": ("source_not_allowed", moved("http://169.254.169.254/latest/meta-data")),
    "to a name inside": ("source_not_allowed", moved("https://kafka.stemwright.svc.cluster.local/")),
    "to a file": ("source_not_allowed", moved("file:///etc/passwd")),
    "to plain HTTP": ("source_not_allowed", moved("http://music.example.com/a.wav")),
    "to another port": ("source_not_allowed", moved("https://music.example.com:22/")),
    "to a user": ("source_not_allowed", moved("https://a:b@music.example.com/")),
    "404": ("source_refused", giving(b"secret", 404)),
    "401": ("source_refused", giving(b"secret", 401)),
    "204": ("source_refused", giving(b"", 204)),
    "packed": ("source_refused", giving(b"secret", Content_Encoding="gzip")),
    "nothing": ("source_empty", giving(b"")),
    "said to be too large": ("source_too_large", giving(b"", Content_Length="99999999999")),
}


@pytest.mark.parametrize("case", list(NEVER))
def test_what_will_not_come_is_rejected_with_a_reason(
    parts: Parts, server: SongServer, events: Events, caplog: pytest.LogCaptureFixture, case: str
) -> None:
    code, answer = NEVER[case]
    parts = with_settings(parts, fetch_attempts=1)
    server.answers["/song"] = [answer]
    upload_id = named(parts, f"{server.url}/song?token=verysecret")

    with caplog.at_level(logging.INFO):
        assert fetcher(parts).fetch_next()

    rejected = state(parts, upload_id)
    assert (rejected.status, rejected.code) == ("rejected", code)
    assert rejected.reason is not None
    told = rejected.model_dump_json() + caplog.text
    assert not [word for word in ("169.254", "svc.cluster", "passwd", "secret") if word in told]
    assert events.types(upload_id) == ["UploadCreated", "UploadRejected"]
    assert keys(parts) == []
    assert list(parts.storage.open_multiparts("")) == []


def endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b"x" * 65536)


def test_an_endless_body_is_left_at_the_limit(parts: Parts, server: SongServer) -> None:
    parts = with_settings(parts, max_size_bytes=2 * MIN_PART_BYTES, part_size_bytes=MIN_PART_BYTES)
    server.answers["/a"] = [endless]
    upload_id = named(parts, f"{server.url}/a")

    assert fetcher(parts).fetch_next()

    assert state(parts, upload_id).code == "source_too_large"
    assert list(parts.storage.open_multiparts("")) == []


def test_what_the_account_has_no_room_for_is_not_kept(parts: Parts, server: SongServer) -> None:
    parts = with_settings(parts, max_stored_bytes_per_account=len(SONG) * 3 // 2)
    server.answers["/a"] = [giving(SONG)]
    first, second = (named(parts, f"{server.url}/a") for _ in range(2))

    assert fetcher(parts).fetch_next()
    assert fetcher(parts).fetch_next()

    assert state(parts, first).status == "validating"
    assert state(parts, second).code == "storage_quota_exceeded"


def short(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"x")


FOR_NOW = {"503": giving(b"", 503), "429": giving(b"", 429, Retry_After="999999999"), "cut off": short}


@pytest.mark.parametrize("case", list(FOR_NOW))
def test_what_may_pass_is_tried_again_after_a_pause(parts: Parts, server: SongServer, clock: Clock, case: str) -> None:
    server.answers["/a"] = [FOR_NOW[case], giving(SONG)]
    upload_id = named(parts, f"{server.url}/a")

    assert fetcher(parts).fetch_next()
    assert state(parts, upload_id).status == "pending"
    assert not fetcher(parts).fetch_next(), "the pause is not over"
    clock.advance(parts.settings.fetch_retry_seconds)
    assert fetcher(parts).fetch_next()

    assert (state(parts, upload_id).status, state(parts, upload_id).size_bytes) == ("validating", len(SONG))
    assert len(list(parts.storage.open_multiparts(""))) == 1


def test_a_server_that_stays_away_is_asked_a_few_times(parts: Parts, server: SongServer, clock: Clock) -> None:
    server.answers["/a"] = [giving(b"", 500)]
    upload_id = named(parts, f"{server.url}/a")

    tries = 0
    while state(parts, upload_id).status == "pending":
        tries += fetcher(parts).fetch_next()
        clock.advance(60)

    assert (tries, state(parts, upload_id).code) == (3, "source_refused")
    assert len(server.asked) == 3


def test_what_finds_no_place_to_look_its_host_up_waits_and_loses_no_attempt(
    parts: Parts, server: SongServer, clock: Clock
) -> None:
    server.answers["/a"] = [giving(SONG)]
    upload_id = named(parts, f"{server.url}/a")
    asked: list[str] = []

    async def resolve(_host: str, _port: int, asker: str) -> None:
        asked.append(asker)

    for _ in range(2 * parts.settings.fetch_attempts):
        assert fetcher(parts, resolve=resolve).fetch_next()
        assert not fetcher(parts).fetch_next(), "the pause is not over"
        clock.advance(parts.settings.fetch_retry_seconds)
    assert fetcher(parts).fetch_next()

    assert (state(parts, upload_id).status, state(parts, upload_id).size_bytes) == ("validating", len(SONG))
    assert asked == [ACCOUNT] * 2 * parts.settings.fetch_attempts


@pytest.mark.parametrize("slow", ["drips", "hangs"])
def test_a_body_that_comes_too_slowly_is_given_up(parts: Parts, server: SongServer, slow: str) -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(b"x")
        while not server.over.wait(0.02):
            if slow == "drips":
                handler.wfile.write(b"x")

    parts = with_settings(parts, transfer_idle_seconds=0.3, transfer_bytes_per_second=10_000, fetch_attempts=1)
    server.answers["/a"] = [drip]
    upload_id = named(parts, f"{server.url}/a")

    assert fetcher(parts).fetch_next()

    assert state(parts, upload_id).code == "source_too_slow"


def test_a_whole_file_has_its_time(parts: Parts, server: SongServer) -> None:
    def hang(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not server.over.wait(0.01):
            handler.wfile.write(b"x" * 1000)

    parts = with_settings(parts, fetch_seconds=0.3, fetch_attempts=1)
    server.answers["/a"] = [hang]
    upload_id = named(parts, f"{server.url}/a")

    assert fetcher(parts).fetch_next()

    assert state(parts, upload_id).code == "source_too_slow"


STEPS = [("after", "create_multipart"), ("before", "upload_part"), ("after", "upload_part")]


@pytest.mark.parametrize(("moment", "operation"), STEPS)
def test_a_fetcher_that_is_killed_is_succeeded(
    parts: Parts, server: SongServer, clock: Clock, moment: str, operation: str
) -> None:
    server.answers["/a"] = [giving(SONG)]
    upload_id = named(parts, f"{server.url}/a")
    storage: Any = Scripted(parts.storage)
    getattr(storage, moment)[operation] = kill
    with pytest.raises(Killed):
        fetcher(parts, storage).fetch_next()

    assert not fetcher(parts).fetch_next(), "the lease still stands"
    clock.advance(parts.settings.lease_seconds + 1)
    assert fetcher(parts).fetch_next()
    assert parts.validator().check_next()

    assert state(parts, upload_id).status == "ready"
    assert b"".join(parts.storage.stream(f"sources/{upload_id}/original")) == SONG


def test_what_kills_its_fetchers_is_rejected_in_the_end(parts: Parts, server: SongServer, clock: Clock) -> None:
    server.answers["/a"] = [giving(SONG)]
    upload_id = named(parts, f"{server.url}/a")
    for _ in range(parts.settings.fetch_attempts):
        storage: Any = Scripted(parts.storage)
        storage.before["upload_part"] = kill
        with pytest.raises(Killed):
            fetcher(parts, storage).fetch_next()
        clock.advance(parts.settings.lease_seconds + 1)

    assert fetcher(parts).fetch_next()

    assert state(parts, upload_id).code == "source_not_fetched"


def test_deletion_stops_the_fetching_and_leaves_nothing(parts: Parts, server: SongServer) -> None:
    server.answers["/a"] = [giving(SONG)]
    upload_id = named(parts, f"{server.url}/a")
    storage: Any = Scripted(parts.storage)
    storage.before["upload_part"] = lambda: parts.uploads.delete(ACCOUNT, upload_id)

    assert fetcher(parts, storage).fetch_next()
    parts.sweeper.sweep()

    with pytest.raises(UploadNotFound):
        state(parts, upload_id)
    assert keys(parts) == []
    assert list(parts.storage.open_multiparts("")) == []
    assert not fetcher(parts).fetch_next()


def test_a_stopping_fetcher_gives_the_upload_back_at_once(parts: Parts, server: SongServer) -> None:
    def hang(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        stopping._leases.stop.set()
        server.over.wait()

    stopping = fetcher(parts)
    server.answers["/a"] = [hang, giving(SONG)]
    upload_id = named(parts, f"{server.url}/a")

    assert stopping.fetch_next()

    assert state(parts, upload_id).status == "pending"
    assert fetcher(parts).fetch_next(), "without waiting for the lease"
    assert state(parts, upload_id).status == "validating"


def test_accounts_take_turns(parts: Parts, server: SongServer) -> None:
    other = numbered("usr", 2)
    server.answers["/a"] = [giving(SONG)]
    mine = [named(parts, f"{server.url}/a") for _ in range(3)]
    theirs = named(parts, f"{server.url}/a", account=other)
    with parts.database.write() as session:

        def claim() -> str | None:
            claimed = repository.claim_fetching(
                session, lease_token="other", lease=timedelta(seconds=60), most_of_one_account=2
            )
            session.flush()
            return None if claimed is None else claimed.id

        assert [claim() for _ in range(4)] == [mine[0], theirs, mine[1], None]


def test_a_name_of_ones_own_stays_and_a_key_makes_one_upload(parts: Parts, server: SongServer) -> None:
    uploads = under_its_settings(parts)
    server.answers["/a"] = [giving(SONG, Content_Disposition='attachment; filename="theirs.wav"')]
    new = NewSource(source_url=f"{server.url}/a", filename="mine.wav")
    first, again = (json.loads(bytes(uploads.create(ACCOUNT, new, "key").body)) for _ in range(2))

    assert fetcher(parts).fetch_next()
    assert not fetcher(parts).fetch_next()

    assert first == again
    assert state(parts, first["id"]).filename == "mine.wav"


def test_nobody_sends_what_is_fetched(parts: Parts, server: SongServer) -> None:
    upload_id = named(parts, f"{server.url}/a")

    with pytest.raises(UploadIsFetched):
        parts.uploads.complete(ACCOUNT, upload_id, None)
    with pytest.raises(UploadIsFetched):
        parts.uploads.begin_transfer(ACCOUNT, upload_id, 1)


REFUSED = [
    "http://music.example.com/a.wav",
    "https://10.0.0.1/",
    "https://localhost/",
    "https://kafka:9092/",
    "https://2130706433/",
    "https://a:b@music.example.com/",
    "https://music.example.com#@127.0.0.1",
    "https://music.example.com:6379/",
    "file:///etc/passwd",
]


@pytest.mark.parametrize("url", REFUSED)
def test_an_address_that_may_be_inside_makes_no_upload(parts: Parts, url: str) -> None:
    parts = with_settings(parts, outbound_allow_loopback=False)

    with pytest.raises(SourceNotAllowed, match="source_url must"):
        named(parts, url)


def test_a_platform_may_fetch_nothing(parts: Parts) -> None:
    with pytest.raises(SourceNotAllowed, match="fetches nothing"):
        named(with_settings(parts, fetchers=0), "https://music.example.com/a.wav")


def test_an_expired_one_says_so(parts: Parts, clock: Clock) -> None:
    upload_id = named(parts, "https://music.example.com/a.wav?secret")
    clock.advance(parts.settings.pending_seconds + 1)

    parts.sweeper.sweep()

    expired = state(parts, upload_id)
    assert (expired.code, "fetched in time" in (expired.reason or "")) == ("upload_expired", True)
    assert not json.loads(expired.model_dump_json())["source_url"].endswith("secret")
