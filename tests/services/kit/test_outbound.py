"""Calls to addresses that somebody outside has named reach the public internet and nothing else, whatever answers."""

import asyncio
import gzip
import ssl
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from services.kit.outbound.fetcher import Answer, Fetcher, FetchFailed, NotPublic, Pace
from services.kit.outbound.networks import is_public
from services.kit.outbound.urls import AddressRefused, target_of
from services.kit.settings import OutboundSettings
from tests.certificates import make_certificate
from tests.databases import PATIENCE_SECONDS

Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

LOCAL = OutboundSettings(outbound_allow_loopback=True)

REFUSED = [
    "http://hooks.example.com/",
    "ftp://hooks.example.com/",
    "file:///etc/passwd",
    "//hooks.example.com/",
    "hooks.example.com",
    "",
    "https://",
    # This machine, in every spelling.
    *(
        f"https://{host}/"
        for host in ("127.0.0.1", "localhost", "0", "127.1", "2130706433", "0x7f000001", "0177.0.0.1")
    ),
    *(f"https://{host}/" for host in ("①②⑦.⓪.⓪.①", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::127.0.0.1]")),
    *(f"https://{host}/" for host in ("[64:ff9b::7f00:1]", "[2002:7f00:1::]", "127.0.0.1.", "1.2.3.0x7f", "a.0x")),
    # Addresses instead of names, metadata of clouds.
    *(f"https://{host}/" for host in ("169.254.169.254", "8.8.8.8", "[fd00:ec2::254]", "100.100.100.200")),
    *(f"https://{host}/" for host in ("metadata.google.internal", "metadata", "instance-data.ec2.internal")),
    # Names from inside.
    *(
        f"https://{host}/"
        for host in ("accounts.stemwright.svc.cluster.local", "accounts.stemwright.svc", "printer.lan")
    ),
    *(f"https://{host}/" for host in ("kafka", "triton:8443", "hooks.example.com.", ".example.com", "a..example.com")),
    *(f"https://{host}/" for host in ("аpple.com", "exa_mple.com", "-a.example.com", f"{'a' * 64}.com", "%6cocalhost")),
    # What parsers disagree about.
    "https://user:pass@hooks.example.com/",
    "https://hooks.example.com#@127.0.0.1/",
    "https://hooks.example.com\\@127.0.0.1/",
    "https://hooks.example.com/\\..",
    "https://hooks.example.com /",
    "https://hooks.example.com/a b",
    "https://hooks.example.com/\r\nHost: inside",
    "https://hooks.example.com\t/",
    "https://hooks.example.com/\n",
    "https://hooks.example.com/ü",
    "https://hooks.example.com/#part",
    *(f"https://hooks.example.com:{port}/" for port in (22, 25, 80, 6379, 9092, 0, 65536, 99999, "", "x")),
    "https://hooks.example.com/" + "a" * 2000,
]


@pytest.mark.parametrize("url", REFUSED)
def test_an_address_that_might_be_inside_is_refused(url: str) -> None:
    with pytest.raises(AddressRefused):
        target_of(url)


def test_a_public_address_is_taken_as_it_is() -> None:
    target = target_of("HTTPS://Hooks.Example.com:8443?a=%20b&c='")

    assert (target.host, target.port, target.authority) == ("hooks.example.com", 8443, "hooks.example.com:8443")
    assert target.target == "/?a=%20b&c='"
    assert target_of("https://xn--bcher-kva.example.com").authority == "xn--bcher-kva.example.com"


def test_this_machine_may_be_named_in_development_and_nothing_else_inside() -> None:
    for url in ("http://127.0.0.1:9000/hook", "https://localhost:8443/", "http://[::1]:1/"):
        assert target_of(url, allow_loopback=True).is_loopback
    for url in ("http://127.0.0.2/", "http://169.254.169.254/", "http://kafka:9092/", "http://hooks.example.com/"):
        with pytest.raises(AddressRefused):
            target_of(url, allow_loopback=True)
    with pytest.raises(ValidationError, match="ALLOW_LOOPBACK"):
        OutboundSettings(environment="production", outbound_allow_loopback=True)


INSIDE = (
    *("0.0.0.0", "10.1.2.3", "100.64.0.1", "100.100.100.200", "127.0.0.1", "169.254.169.254", "172.16.0.1"),
    *("172.31.255.255", "192.0.0.8", "192.168.1.1", "198.18.0.1", "198.19.255.255", "224.0.0.1", "240.0.0.1"),
    *("255.255.255.255", "168.63.129.16", "::", "::1", "::127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1"),
    *("2002:7f00:1::", "2001::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1", "2001:db8::1"),
)
OUTSIDE = ("1.1.1.1", "172.15.255.255", "172.32.0.1", "100.128.0.1", "198.20.0.1", "2606:4700::1111", "2a00:1450::1")


def test_which_addresses_are_public() -> None:
    assert [address for address in INSIDE if is_public(ip_address(address))] == []
    assert [address for address in OUTSIDE if not is_public(ip_address(address))] == []


def send(url: str, **options: Any) -> Answer:
    """What a fetcher gets for a POST."""

    async def run() -> Answer:
        fetcher = Fetcher(OutboundSettings(), **{"timeout_seconds": PATIENCE_SECONDS, **options})
        try:
            return await fetcher.send("POST", url, headers={"X-Test": "1"}, body=b"{}", limit_bytes=1000)
        finally:
            await fetcher.aclose()

    return asyncio.run(run())


class Resolver:
    """Answers a name with these addresses, one set after the other."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, _port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers.pop(0)


@pytest.mark.parametrize(
    "addresses", [["10.0.0.1"], ["1.1.1.1", "10.0.0.1"], ["2606:4700::1111", "::ffff:127.0.0.1"], []]
)
def test_a_name_that_stands_for_an_address_inside_is_not_called(addresses: Sequence[str]) -> None:
    resolver = Resolver(addresses)

    with pytest.raises(FetchFailed, match=r"public internet|no such host"):
        send("https://hooks.example.com/", resolve=resolver)

    assert resolver.asked == ["hooks.example.com"]


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
                await fetcher.send("POST", url, headers={"X-Test": "1"}, body=b"{}", limit_bytes=1000)
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
            await fetcher.send("GET", "https://hooks.example.com/", headers={}, limit_bytes=1)
        await fetcher.aclose()
        server.close()
        return asked, resolver

    asked, resolver = asyncio.run(run())

    assert asked[0].startswith(b"CONNECT hooks.example.com:443 HTTP/1.1\r\n")
    assert resolver.asked == []


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
            async with fetcher.stream(f"http://127.0.0.1:{port}/a?b", headers={}, pace=pace) as found:
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
