"""The calls one by one, and that both clients have the same."""

import asyncio
import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stemwright_client import (
    ApiError,
    AsyncClient,
    Client,
    EventsMissed,
    NoAddress,
    NoKey,
    NotFound,
    Order,
    UnexpectedAnswer,
    UploadRejected,
)
from stemwright_client.flows.sending import is_passing, refuse, retry_after
from stemwright_client.steps import Answer
from tests.clients.python.double import KEY, Double, Fault, named, valid

ROOT = Path(__file__).parents[3]


def test_the_parts_of_a_separation_are_calls_too(client: Client, double: Double, song: Path, tmp_path: Path) -> None:
    upload = client.upload(song)
    assert client.upload(song).id == upload.id
    assert upload.audio is not None
    assert client.quote(upload.id).price_credits == 3
    job = client.create_job(upload.id, Order(stems=("vocals",)))
    assert client.create_job(upload.id, Order(stems=("vocals",))).id == job.id
    other = client.create_job(upload.id, Order(stems=("vocals",)), idempotency_key="another")
    assert other.id != job.id
    types = [event.type for event in client.job_events(job.id)]
    assert types == ["progress", "status"]
    assert client.wait(job.id, timeout_seconds=60).status == "succeeded"
    assert list(client.download(job.id, tmp_path / "out")) == ["vocals"]
    assert client.balance().available_credits == 1000 - 6
    for number in range(3, 6):
        client.create_job(upload.id, Order(stems=("vocals",)), idempotency_key=str(number))
    assert [listed.id for listed in client.jobs()] == [named("job", number) for number in range(1, 6)]


def test_a_song_by_address_is_waited_for(client: Client) -> None:
    first = client.upload_url("https://music.example.com/a.wav")
    again = client.upload_url("https://music.example.com/a.wav", filename="mine.wav")
    assert (first.status, first.source_url, first.filename) == (
        "ready",
        "https://music.example.com/a.wav",
        "theirs.wav",
    )
    assert (again.id != first.id, again.filename) == (True, "mine.wav")
    with pytest.raises(UploadRejected) as refused:
        client.upload_url("https://music.example.com/missing.wav")
    assert refused.value.code == "source_refused"


def test_a_batch_is_asked_for_as_the_document_says() -> None:
    upload = f"upl_{'0' * 26}"
    fetched = {"source_url": "https://music.partner.com/song.flac"}
    songs: list[str | dict[str, Any]] = [
        upload,
        {"upload_id": upload, "stems": ["vocals"], "metadata": {"a": "b"}},
        fetched,
    ]
    order = Order(
        stems=["instrumental"], format="mp3", metadata={"album": "7"}, callback_url="https://example.com/done"
    )
    body = valid("NewBatch", order.batch(songs))
    assert body["items"] == [{"upload_id": upload}, songs[1], fetched]
    assert valid("NewJob", order.body(upload))["callback_url"] == "https://example.com/done"
    assert Order(mode="preview", preview=(3.0, None)).body(upload)["preview"] == {"start_seconds": 3.0}


def test_the_feed_goes_on_after_a_number_and_says_what_is_gone(client: Client, double: Double) -> None:
    for number in range(5):
        double.happen("job.succeeded" if number % 2 else "job.queued", {"number": number})
    assert [event.sequence for event in client.events()] == [1, 2, 3, 4, 5]
    assert [event.sequence for event in client.events(3)] == [4, 5]
    assert [event.sequence for event in client.events(types=["job.succeeded"])] == [2, 4]
    assert client.event_page(2, limit=2).next_after == 4
    double.oldest_sequence = 4
    with pytest.raises(EventsMissed) as missed:
        list(client.events(1))
    assert missed.value.oldest_sequence == 4
    assert [event.sequence for event in client.events(3)] == [4, 5]


def test_following_the_feed_hears_of_what_comes_later(client: Client, double: Double) -> None:
    double.happen("job.queued", {})
    following = client.events(0, follow=True)
    assert next(following).sequence == 1
    double.happen("job.started", {})
    assert next(following).sequence == 2


def test_a_refusal_is_an_error_with_its_code(client: Client, double: Double) -> None:
    with pytest.raises(NotFound) as refused:
        client.get_job(named("job", 9))
    assert (refused.value.code, refused.value.status) == ("job_not_found", 404)
    double.faults.append(Fault("GET /v1/billing/balance", 307))
    with pytest.raises(Exception, match="leads elsewhere"):
        client.balance()


def test_each_field_that_is_refused_is_said_once() -> None:
    fields = [{"at": f"body.output.{name}", "problem": "is wrong"} for name in ("format", "bit_depth", "a", "b")]
    said = "; ".join(f"output.{name} is wrong" for name in ("format", "bit_depth", "a"))
    told = {"code": "invalid_request", "detail": said, "errors": fields[:3]}
    assert str(ApiError(422, told)) == f"{said} [invalid_request]"
    assert str(ApiError(422, {**told, "errors": fields})) == f"{said} (output.b is wrong) [invalid_request]"


def test_what_is_no_platform_is_told(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.clients.python.double_server.valid", lambda _schema, _instance: {"hello": "world"})
    with pytest.raises(UnexpectedAnswer, match="the answer is no Balance: available_credits: Field required"):
        client.balance()


def test_what_may_have_happened_is_not_asked_for_again_without_a_key(client: Client, double: Double) -> None:
    double.faults.append(Fault("POST /v1/anything", 503, times=5))
    with pytest.raises(Exception, match="It is unavailable"):
        client.call("POST", "/v1/anything", body={})
    assert double.count("POST /v1/anything") == 1
    with pytest.raises(NotFound):
        client.call("POST", "/v1/anything", body={}, idempotency_key="mine")
    assert double.count("POST /v1/anything") == 6


@pytest.mark.parametrize(
    ("status", "body"),
    [(404, b"<html>"), (404, b'{"detail": "Not Found"}'), (401, b""), (405, b"null"), (501, b"<html>")],
)
def test_a_refusal_of_another_server_is_told(status: int, body: bytes) -> None:
    with pytest.raises(UnexpectedAnswer, match=f"no platform at this address: it answered {status}"):
        refuse(Answer(status, {}, body))


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_proxy_before_the_platform_passes_by_itself(status: int) -> None:
    with pytest.raises(ApiError, match="without a reason") as refused:
        refuse(Answer(status, {}, b"<html>"))
    assert (is_passing(refused.value), refused.value.code) == (True, f"status_{status}")


@pytest.mark.parametrize(("header", "seconds"), [(None, None), ("7", 7.0), ("soon", None), ("-1", None)])
def test_retry_after_is_a_number_or_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after(header) == seconds
    assert retry_after("Fri, 01 Jan 2100 00:00:00 GMT") > 1e8  # type: ignore[operator]
    assert retry_after("Fri, 01 Jan 2010 00:00:00 GMT") == 0


def test_both_clients_have_the_same_methods() -> None:
    def methods(kind: type) -> dict[str, list[str]]:
        return {
            name: list(inspect.signature(method).parameters)
            for name, method in inspect.getmembers(kind, inspect.isfunction)
            if not name.startswith("_")
        }

    assert methods(AsyncClient) == methods(Client)


def test_the_asynchronous_client_does_the_same(double: Double, song: Path, tmp_path: Path, client: Client) -> None:
    double.faults += [
        Fault("PUT /store/.*", "drop"),
        Fault("GET .*/events", "cut"),
        Fault("GET /store/.*", "cut"),
        Fault("GET /v1/billing/balance", 503),
    ]
    for _ in range(3):
        double.happen("job.queued", {})

    async def separated() -> tuple[list[str], int, list[int]]:
        async with AsyncClient(KEY, double.url, patience_seconds=60) as other:
            separation = await other.separate(song, tmp_path / "out")
            events = [event.type async for event in other.job_events(separation.job.id)]
            assert events == ["progress", "status"]
            sequences = [event.sequence async for event in other.events(1)]
            return sorted(separation.files), (await other.balance()).available_credits, sequences

    assert asyncio.run(separated()) == (["instrumental", "vocals"], 997, [2, 3])
    assert client.separate(song, tmp_path / "out").job.id == named("job", 1)
    assert len(double.jobs) == 1


def test_key_and_address_are_taken_from_the_environment(double: Double, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STEMWRIGHT_API_KEY", raising=False)
    with pytest.raises(NoKey):
        Client()
    monkeypatch.setenv("STEMWRIGHT_API_KEY", KEY)
    monkeypatch.setenv("STEMWRIGHT_URL", f"{double.url}/v1/")
    with Client() as client:
        assert client.balance().available_credits == 1000
    with pytest.raises(NoAddress):
        Client(url="ftp://example.com")
    with pytest.raises(NoKey):
        Client("schlüssel")


def test_the_package_needs_nothing_of_the_platform() -> None:
    """In an interpreter that finds neither the checkout nor the platform."""
    code = "import sys; sys.path.insert(0, 'clients/python'); import stemwright_client; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-I", "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert "stemwright_client.flows.songs" in loaded
    assert not {name.partition(".")[0] for name in loaded} & {"separation", "services", "training", "numpy", "click"}
