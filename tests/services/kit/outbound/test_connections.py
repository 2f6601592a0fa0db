"""Connections to addresses that somebody outside has named: kept, bounded, proven, whatever answers."""

import asyncio
import gzip
import ssl
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from services.kit.outbound.fetcher import Answer, Fetcher, FetchFailed
from services.kit.settings import OutboundSettings
from tests.certificates import make_certificate
from tests.databases import PATIENCE_SECONDS
from tests.services.kit.outbound.named import LOCAL, Resolver

Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def exchange(
    handle: Handle, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", times: int = 1, **options: Any
) -> list[Answer]:
    """What a fetcher gets from a server on this machine."""

    served: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        served.add(task)
        await handle(reader, writer)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    async def run() -> list[Answer]:
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
        port = server.sockets[0].getsockname()[1]
        fetcher = Fetcher(LOCAL, **{"timeout_seconds": PATIENCE_SECONDS, **options})
        url = f"{'https' if tls else 'http'}://{host}:{port}/hook?a=1"
        try:
            return [
                await fetcher.send("POST", url, asker="usr_a", headers={"X-Test": "1"}, body=b"{}", limit_bytes=1000)
                for _ in range(times)
            ]
        finally:
            await fetcher.aclose()
            server.close()
            await asyncio.gather(*served)

    return asyncio.run(run())


def answering(answer: bytes, seen: list[bytes] | None = None) -> Handle:
    """A server that says this to everybody."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"{}")
        if seen is not None:
            seen.append(request)
        writer.write(answer)

    return handle


def test_the_answer_comes_back_and_the_name_is_resolved_for_each_connection() -> None:
    seen: list[bytes] = []
    resolver = Resolver(["127.0.0.1"], ["127.0.0.1"])

    answers = exchange(
        answering(b"HTTP/1.1 201 Created\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\nok", seen),
        host="localhost",
        times=2,
        resolve=resolver,
    )

    assert [(answer.status, answer.body, answer.cut) for answer in answers] == [(201, b"ok", False)] * 2
    assert answers[0].headers["retry-after"] == "7"
    assert resolver.asked == ["localhost"] * 2
    head = seen[0].decode()
    assert head.startswith("POST /hook?a=1 HTTP/1.1\r\n")
    assert "\r\nHost: localhost:" in head
    assert "\r\nAccept-Encoding: identity\r\n" in head


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def conversing(*connections: Sequence[bytes], asked: list[int]) -> Handle:
    """A server that has these answers for the requests of each connection, and closes it at the request after them.

    `asked` gets the number of the connection, from 0, that each request came on.
    """
    coming = enumerate(connections)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number, answers = next(coming)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            for answer in (*answers, b""):
                await reader.readuntil(b"{}")
                asked.append(number)
                writer.write(answer)

    return handle


def test_a_connection_is_kept_for_the_next_call() -> None:
    asked: list[int] = []
    resolver = Resolver(["127.0.0.1"])
    exchange(conversing([OK, OK, OK], asked=asked), host="localhost", times=3, resolve=resolver)
    assert asked == [0, 0, 0]
    assert resolver.asked == ["localhost"]


def test_after_a_while_a_name_is_resolved_and_connected_to_anew() -> None:
    asked: list[int] = []
    resolver = Resolver(["127.0.0.1"], ["127.0.0.1"])
    exchange(conversing([OK], [OK], asked=asked), host="localhost", times=2, resolve=resolver, keep_seconds=0)
    assert asked == [0, 1]
    assert resolver.asked == ["localhost"] * 2


def test_a_connection_that_the_other_side_gave_up_is_replaced_at_once() -> None:
    asked: list[int] = []
    answers = exchange(conversing([OK], [OK], asked=asked), times=2)
    assert [answer.status for answer in answers] == [200, 200]
    assert asked == [0, 0, 1]


def test_who_answers_nothing_on_a_new_connection_is_asked_once() -> None:
    asked: list[int] = []
    with pytest.raises(FetchFailed, match=r"not HTTP|broke off"):
        exchange(conversing([], [OK], asked=asked))
    assert asked == [0]


def test_what_was_not_read_to_its_end_is_not_read_later() -> None:
    asked: list[int] = []
    long = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000
    answers = exchange(conversing([long], [OK], asked=asked), times=2)
    assert [(answer.cut, answer.body[:2]) for answer in answers] == [(True, b"xx"), (False, b"ok")]
    assert asked == [0, 1]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_and_not_followed(status: int) -> None:
    seen: list[bytes] = []
    moved = f"HTTP/1.1 {status} Moved\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"

    [answer] = exchange(answering(moved.encode(), seen))

    assert answer.status == status
    assert len(seen) == 1


def test_of_an_answer_as_much_is_read_as_was_asked_for_and_nothing_is_unpacked() -> None:
    bomb = gzip.compress(b"\0" * 5_000_000)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1000000000\r\n\r\n"

    [answer] = exchange(answering(head + bomb))

    assert (len(answer.body), answer.cut) == (1000, True)
    assert answer.body == bomb[:1000]


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n", b"<html>HTTP/0.9</html>", b"\0\0\0\0", b""],
    ids=["endless headers", "HTTP/0.9", "NUL", "nothing"],
)
def test_what_is_not_http_is_no_answer(answer: bytes) -> None:
    with pytest.raises(FetchFailed, match=r"not HTTP|broke off"):
        exchange(answering(answer))


def test_who_never_ends_is_left() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x")
            await asyncio.sleep(0.05)

    with pytest.raises(FetchFailed, match=r"no whole answer within 0\.5 seconds"):
        exchange(drip, timeout_seconds=0.5)


def server_context(folder: Path, name: str = "localhost", **options: Any) -> ssl.SSLContext:
    certificate, key = make_certificate(folder, name, **options)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def test_tls_is_spoken_under_the_name_and_with_a_certificate_for_it(tmp_path: Path) -> None:
    named: list[str | None] = []
    tls = server_context(tmp_path)
    tls.sni_callback = lambda _socket, name, _context: named.append(name)
    trusting = ssl.create_default_context(cafile=str(tmp_path / "certificate.pem"))

    [answer] = exchange(
        answering(b"HTTP/1.1 204 No Content\r\n\r\n"),
        tls=tls,
        host="localhost",
        ssl_context=trusting,
        resolve=Resolver(["127.0.0.1"]),
    )

    assert answer.status == 204
    assert named == ["localhost"]


@pytest.mark.parametrize("fault", ["unknown authority", "another name", "expired", "old TLS"])
def test_a_connection_that_proves_nothing_is_none(tmp_path: Path, fault: str) -> None:
    name = "other.example.com" if fault == "another name" else "localhost"
    lifetime = timedelta(days=-1) if fault == "expired" else timedelta(hours=1)
    tls = server_context(tmp_path, name, lifetime=lifetime)
    if fault == "old TLS":
        tls.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLSv1"):
            tls.minimum_version = tls.maximum_version = ssl.TLSVersion.TLSv1
    trusted = None if fault == "unknown authority" else str(tmp_path / "certificate.pem")

    with pytest.raises(FetchFailed, match="TLS 1.2" if fault == "old TLS" else "certificate is not valid"):
        exchange(
            answering(b"HTTP/1.1 200 OK\r\n\r\n"),
            tls=tls,
            host="localhost",
            ssl_context=ssl.create_default_context(cafile=trusted),
            resolve=Resolver(["127.0.0.1"]),
        )


def test_an_egress_proxy_gets_the_name_and_nobody_here_resolves_it() -> None:
    async def run() -> tuple[list[bytes], Resolver]:
        asked: list[bytes] = []

        async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            writer.close()

        server = await asyncio.start_server(refuse, "127.0.0.1", 0)
        proxy = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        resolver = Resolver()
        settings = OutboundSettings(outbound_proxy_url=SecretStr(proxy))
        fetcher = Fetcher(settings, timeout_seconds=PATIENCE_SECONDS, resolve=resolver)
        with pytest.raises(FetchFailed, match="broke off"):
            await fetcher.send("GET", "https://hooks.example.com/", asker="usr_a", headers={}, limit_bytes=1)
        await fetcher.aclose()
        server.close()
        return asked, resolver

    asked, resolver = asyncio.run(run())

    assert asked[0].startswith(b"CONNECT hooks.example.com:443 HTTP/1.1\r\n")
    assert resolver.asked == []
