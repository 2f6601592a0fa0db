"""Files at addresses that somebody outside has named: each redirect is looked at like the first address."""

import asyncio
from typing import Any

import pytest

from services.kit.outbound.fetcher import Fetcher, FetchFailed, NotPublic, Pace
from services.kit.outbound.urls import AddressRefused, target_of
from tests.databases import PATIENCE_SECONDS
from tests.services.kit.outbound.named import LOCAL, REFUSED, Resolver

PACE = Pace(whole_seconds=PATIENCE_SECONDS, window_seconds=PATIENCE_SECONDS, bytes_per_second=0)


def download(*answers: bytes, pace: Pace = PACE, **options: Any) -> tuple[bytes, list[bytes]]:
    """The file that comes from a server on this machine, which gives each answer once, and what it was asked."""

    async def run() -> tuple[bytes, list[bytes]]:
        asked: list[bytes] = []
        rest = list(answers)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.append((await reader.readuntil(b"\r\n\r\n")).partition(b" HTTP")[0])
            writer.write(rest.pop(0))
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        fetcher = Fetcher(LOCAL, **{"timeout_seconds": PATIENCE_SECONDS, **options})
        try:
            async with fetcher.stream(f"http://127.0.0.1:{port}/a?b", asker="usr_a", headers={}, pace=pace) as found:
                return b"".join([piece async for piece in found]), asked
        finally:
            fetcher.close()
            server.close()

    return asyncio.run(run())


def _is_this_machine(url: str) -> bool:
    try:
        return target_of(url, allow_loopback=True).is_loopback
    except AddressRefused:
        return False


def redirect(location: str, status: int = 302) -> bytes:
    return f"HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()


FILE = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nwav"


def test_a_file_is_followed_to_where_it_is() -> None:
    body, asked = download(redirect("/c?d=1#part", 301), redirect("?e=2", 307), redirect("../f", 308), FILE)

    assert body == b"wav"
    assert asked == [b"GET /a?b", b"GET /c?d=1", b"GET /c?e=2", b"GET /f"]


def test_a_file_is_not_followed_for_ever() -> None:
    with pytest.raises(FetchFailed, match="more than 3 times"):
        download(*[redirect("/a")] * 4)


@pytest.mark.parametrize(
    "location",
    [url for url in REFUSED if "://" in url and url.isprintable() and "#" not in url and not _is_this_machine(url)],
)
def test_a_redirect_to_what_may_be_inside_is_refused(location: str) -> None:
    with pytest.raises(AddressRefused):
        download(redirect(location))


def test_where_a_redirect_leads_is_resolved_and_looked_at_anew() -> None:
    resolver = Resolver(["127.0.0.1"], ["1.1.1.1", "10.0.0.1"])

    with pytest.raises(NotPublic):
        download(redirect("https://music.example.com/a"), resolve=resolver)

    assert resolver.asked == ["127.0.0.1", "music.example.com"]


def test_nobody_outside_leads_to_this_machine() -> None:
    fetcher = Fetcher(LOCAL, timeout_seconds=1)
    outside, inside = (target_of(url, allow_loopback=True) for url in ("https://a.example.com/", "http://localhost/"))

    with pytest.raises(AddressRefused):
        fetcher._redirected(outside, "http://127.0.0.1:9000/")
    assert fetcher._redirected(inside, "http://127.0.0.1:9000/").is_loopback
    fetcher.close()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nwav", "before the end"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nwav\r\n", "before the end"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nwav", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nwav", "not HTTP"),
        (b"<html>", "not HTTP"),
        (b"", "not HTTP"),
    ],
)
def test_what_is_no_whole_file_fails(answer: bytes, words: str) -> None:
    with pytest.raises(FetchFailed, match=words):
        download(answer)


def test_a_file_without_a_length_ends_with_its_connection() -> None:
    assert download(b"HTTP/1.1 200 OK\r\n\r\nwav")[0] == b"wav"
