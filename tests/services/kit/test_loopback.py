"""Which of our clients ask the user's proxy, and for what: one that keeps what it is asked stands in for it."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import httpcore2
import pytest
from pydantic import SecretStr

from services.canary.canary import Canary
from services.canary.settings import Settings as CanarySettings
from services.doctor import stores
from services.kit.auth import _fetch
from services.kit.events.oauth import ClientCredentials
from services.kit.loopback import is_loopback
from services.kit.s3 import S3Storage
from services.kit.telemetry import exporter
from services.local.client import Client

ELSEWHERE = "http://192.0.2.7:1"
"""An address for documentation (RFC 5737): without the proxy nobody would answer."""


class Listener:
    """Refuses every request, and keeps their first lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                with connection, connection.makefile("rb") as incoming:
                    self.lines.append(incoming.readline().decode())
                    connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


@pytest.fixture
def here() -> Iterator[Listener]:
    """Any part of the platform, on this machine."""
    with Listener() as listener:
        yield listener


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    """The user's."""
    listener = Listener()
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, listener.url)
    monkeypatch.setattr("urllib.request._opener", None)  # it would remember the proxies of whoever asked first
    with listener:
        yield listener


def storage(url: str) -> S3Storage:
    return S3Storage(endpoint_url=url, region="us-east-1", bucket="b", access_key_id="a", secret_access_key="b")


def local_client(url: str) -> None:
    with Client(url) as client:
        client.http.get("/v1/jobs")


def canary(url: str, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("sw_key")
    Canary(CanarySettings(url=url, key_file=key)).send(threading.Event())


def doctor(url: str) -> None:
    store = SimpleNamespace(
        presign_get=lambda *_: f"{url}/b/key?signed", put_bytes=lambda *_: None, delete=lambda *_: None
    )
    list(stores._signed("bucket", store, "key"))  # type: ignore[arg-type]


CLIENTS: dict[str, Callable[[str, Path], Any]] = {
    "keys of tokens": lambda url, _: _fetch(f"{url}/jwks", 5),
    "tokens for Kafka": lambda url, _: ClientCredentials(f"{url}/token", "us", SecretStr("secret")).token(),
    "object store": lambda url, _: storage(url).ping(),
    "demo": lambda url, _: local_client(url),
    "canary": canary,
    "doctor": lambda url, _: doctor(url),
    "collector of spans": lambda url, _: exporter(url).export([]),
}


@pytest.mark.parametrize("kind", CLIENTS)
def test_this_machine_is_asked_without_the_proxy(kind: str, here: Listener, proxy: Listener, tmp_path: Path) -> None:
    with contextlib.suppress(Exception):  # it refuses
        CLIENTS[kind](here.url, tmp_path)

    assert here.lines
    assert proxy.lines == []


@pytest.mark.parametrize("kind", CLIENTS)
def test_others_are_asked_as_the_environment_says(kind: str, proxy: Listener, tmp_path: Path) -> None:
    with contextlib.suppress(Exception):  # it refuses
        CLIENTS[kind](ELSEWHERE, tmp_path)

    assert proxy.lines
    assert all(ELSEWHERE in line for line in proxy.lines)


def test_a_store_elsewhere_to_which_a_platform_here_leads_is_asked_by_the_proxy(proxy: Listener) -> None:
    with Client("http://127.0.0.1:8080") as client:
        client.http.get(f"{ELSEWHERE}/song")

    assert proxy.lines == [f"GET {ELSEWHERE}/song HTTP/1.1\r\n"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ALL_PROXY", "socks5://127.0.0.1:9"),
        ("http_proxy", "none://127.0.0.1:9"),
        ("https_proxy", "http://proxy:port"),
        ("SSL_CERT_FILE", "/missing"),
    ],
)
def test_for_a_platform_here_it_does_not_matter_what_the_environment_says(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    anew = httpcore2.default_ssl_context.__wrapped__  # type: ignore[attr-defined] # the tests keep one for all
    monkeypatch.setattr(httpcore2, "default_ssl_context", anew)

    Client("http://127.0.0.1:8080").http.close()
    Client("http://[::1]:8080").http.close()
    with pytest.raises(Exception, match=r"SOCKS|scheme|port|No such file"):
        Client(ELSEWHERE)


@pytest.mark.parametrize(
    ("url", "itself"),
    [
        ("http://127.0.0.1:8080", True),
        ("http://127.8.0.1", True),
        ("http://localhost/x", True),
        ("https://[::1]:80", True),
        ("http://localhost.example.com", False),
        ("http://192.0.2.7", False),
        ("http://accounts:8081", False),
        ("", False),
        (None, False),
    ],
)
def test_which_addresses_are_this_machines_own(url: str | None, itself: bool) -> None:
    assert is_loopback(url) is itself
