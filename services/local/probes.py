"""Questions to a part: are you there, are you ready? Each asks once, blocks for a bounded time, and needs no client."""

import http.client
import json
import socket
import ssl
import struct
from typing import Protocol
from urllib.parse import urlsplit

API_VERSIONS_KEY = 18  # Kafka protocol: the one request that every broker answers to anybody


class NotThere(Exception):
    """The part did not answer, or answered that it is not ready; the text says which."""


class Probe(Protocol):
    def __call__(self, timeout_seconds: float) -> None:
        """Return when the part is fine.

        Raises:
            NotThere: it is not, with the reason.
        """


class HttpProbe:
    """GET `url` must answer 200; with `any_answer` any status below 500 (an object store refuses who did not sign)."""

    def __init__(self, url: str, *, any_answer: bool = False) -> None:
        self.url = url
        address = urlsplit(url)
        self._host = address.hostname or "127.0.0.1"
        self._secure = address.scheme == "https"
        self._port = address.port or (443 if self._secure else 80)
        self._path = address.path or "/"
        self._any_answer = any_answer

    def __call__(self, timeout_seconds: float) -> None:
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        connection = kind(self._host, self._port, timeout=timeout_seconds)
        try:
            connection.request("GET", self._path, headers={"Connection": "close"})
            answer = connection.getresponse()
            body = answer.read(4096)
        except (OSError, http.client.HTTPException) as error:
            raise NotThere(str(error) or type(error).__name__) from error
        finally:
            connection.close()
        if answer.status >= 500 or (answer.status != 200 and not self._any_answer):
            raise NotThere(f"answered {answer.status}{_reason(body)}")


class KafkaProbe:
    """One of the `bootstrap` servers (`host:port,host:port`) answers a request of the Kafka protocol.

    A connection alone would prove little: the kernel accepts it for a broker that hangs.
    """

    def __init__(self, bootstrap: str, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._servers = [server.strip() for server in bootstrap.split(",") if server.strip()]

    def __call__(self, timeout_seconds: float) -> None:
        failure = "no address given"
        for server in self._servers:
            host, _, port = server.rpartition(":")
            try:
                _ask_api_versions(host, int(port), timeout_seconds, self._tls)
            except (OSError, ValueError) as error:
                failure = f"{server}: {error}"
            else:
                return
        raise NotThere(failure)


def _ask_api_versions(host: str, port: int, timeout_seconds: float, tls: ssl.SSLContext | None) -> None:
    client_id = b"stemwright"
    correlation_id = 1
    body = struct.pack(">hhih", API_VERSIONS_KEY, 0, correlation_id, len(client_id)) + client_id
    with _connected(host, port, timeout_seconds, tls) as connection:
        connection.sendall(struct.pack(">i", len(body)) + body)
        answer = b""
        while len(answer) < 8:  # length and correlation id; what follows does not matter here
            data = connection.recv(4096)
            if not data:
                raise OSError("closed the connection")
            answer += data
    if struct.unpack(">i", answer[4:8])[0] != correlation_id:
        raise OSError("does not speak the Kafka protocol")


def _connected(host: str, port: int, timeout_seconds: float, tls: ssl.SSLContext | None) -> socket.socket:
    plain = socket.create_connection((host.strip("[]"), port), timeout=timeout_seconds)
    if tls is None:
        return plain
    try:
        return tls.wrap_socket(plain, server_hostname=host.strip("[]"))
    except BaseException:
        plain.close()
        raise


def _reason(body: bytes) -> str:
    """What a service's `/readyz` says is missing, if it says so."""
    try:
        document = json.loads(body)
    except ValueError:
        return ""
    problems = document.get("problems") if isinstance(document, dict) else None
    if not isinstance(problems, dict):
        return ""
    return ": " + ", ".join(f"{name}: {problem}" for name, problem in problems.items())
