"""An account's event stream over a plain socket, which costs whoever holds thousands of them next to nothing."""

import socket
from urllib.parse import urlsplit

PATIENCE_SECONDS = 120.0


class NoStream(Exception):
    """What came instead; the message has its beginning."""


def open_stream(gateway_url: str, key: str) -> socket.socket:
    """The stream after its first bytes. Raises NoStream or OSError."""
    address = urlsplit(gateway_url)
    stream = socket.create_connection((address.hostname, address.port), timeout=PATIENCE_SECONDS)
    head = f"GET /v1/events/stream HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Bearer {key}\r\n\r\n"
    try:
        stream.sendall(head.encode())
        answer = b""
        while b"retry:" not in answer:
            piece = stream.recv(4096)
            answer += piece
            if not piece or (b"\r\n\r\n" in answer and not answer.startswith(b"HTTP/1.1 200")):
                raise NoStream(answer.decode("latin-1")[:500])
    except BaseException:
        stream.close()
        raise
    return stream
