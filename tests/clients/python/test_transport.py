"""How requests go out, by what the environment names."""

import asyncio
import socket
import threading
from collections.abc import Iterator

import httpcore2
import httpx2
import pytest

from stemwright_client import AsyncClient, Client, EnvironmentUnusable
from stemwright_client.transport import made
from tests.clients.python.double import KEY, Double

ELSEWHERE = "http://192.0.2.7"
"""An address for documentation (RFC 5737)."""
UNUSABLE = [
    ("ALL_PROXY", "socks5://somebody:secret@127.0.0.1:9", "ALL_PROXY: for a SOCKS proxy the package socksio"),
    ("http_proxy", "none://somebody:secret@127.0.0.1:9", "http_proxy: no address of a proxy"),
    ("HTTPS_PROXY", "http://somebody:secret@127.0.0.1:port", "HTTPS_PROXY: no address of a proxy"),
    ("SSL_CERT_FILE", "/missing", "SSL_CERT_FILE=/missing: No such file or directory"),
]


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What the user's proxy was asked; it answers 403."""
    lines: list[str] = []
    proxy = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = proxy.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as incoming:
                lines.append(incoming.readline().decode())
                connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.getsockname()[1]}")
    serving = threading.Thread(target=serve)
    serving.start()
    yield lines
    proxy.shutdown(socket.SHUT_RDWR)
    serving.join()
    proxy.close()


async def balance(url: str) -> int:
    async with AsyncClient(KEY, url) as client:
        return (await client.balance()).available_credits


def test_a_platform_on_this_machine_is_asked_directly(double: Double, proxied: list[str]) -> None:
    with Client(KEY, double.url) as client:
        assert client.balance().available_credits == 1000
        client._runner.http.get(f"{ELSEWHERE}/song")
    assert asyncio.run(balance(double.url)) == 1000
    assert proxied == [f"GET {ELSEWHERE}/song HTTP/1.1\r\n"], "a store elsewhere is asked as the environment says"


@pytest.mark.parametrize(("name", "value", "why"), UNUSABLE)
def test_what_cannot_be_used_is_named_and_its_secrets_are_not(
    name: str, value: str, why: str, double: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    anew = httpcore2.default_ssl_context.__wrapped__  # type: ignore[attr-defined] # the tests keep one for all
    monkeypatch.setattr(httpcore2, "default_ssl_context", anew)
    monkeypatch.setenv(name, value)

    for kind in (Client, AsyncClient):
        with pytest.raises(EnvironmentUnusable, match=why) as raised:
            kind(KEY, ELSEWHERE)
        assert "secret" not in str(raised.value)

    with Client(KEY, double.url) as client:
        assert client.balance().available_credits == 1000
        with pytest.raises(EnvironmentUnusable, match=why):
            client._runner.http.get(ELSEWHERE)


def test_any_address_of_this_machine_is_itself(proxied: list[str]) -> None:
    listener = socket.create_server(("127.0.0.5", 0))
    url = f"http://127.0.0.5:{listener.getsockname()[1]}"
    listener.close()
    with made(httpx2.Client, url) as http, pytest.raises(httpx2.ConnectError):
        http.get(url)
    assert proxied == []
