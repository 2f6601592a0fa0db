"""Where the platform is and who asks, and how a step becomes a request."""

import os
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import httpx2

from stemwright_client.errors import ConnectionFailed, StemwrightError
from stemwright_client.steps import Send

DEFAULT_URL = "http://127.0.0.1:8080"
PATIENCE_SECONDS = 300.0
"""How long what fails is tried again, by default."""
_CHUNK_BYTES = 1 << 18


class NoKey(StemwrightError):
    code = "no_key"


def _user_agent() -> str:
    try:
        return f"stemwright-client/{version('stemwright-client')}"
    except PackageNotFoundError:  # from a checkout
        return "stemwright-client"


@dataclass(frozen=True)
class Connection:
    """Attributes:
    url: of the platform, without `/v1`.
    key: an API key, or an access token.
    """

    url: str
    key: str = field(repr=False)

    @classmethod
    def of(cls, api_key: str | None, url: str | None) -> "Connection":
        """What is not given is taken from `STEMWRIGHT_API_KEY` and `STEMWRIGHT_URL`. Raises NoKey."""
        key = (api_key or os.environ.get("STEMWRIGHT_API_KEY", "")).strip()
        if not key:
            raise NoKey("no API key: set STEMWRIGHT_API_KEY; the page for developers of the platform makes one")
        if not (key.isascii() and key.isprintable()):
            raise NoKey("the API key has characters that no key has")
        address = (url or os.environ.get("STEMWRIGHT_URL") or DEFAULT_URL).rstrip("/").removesuffix("/v1")
        if not address.startswith(("http://", "https://")):
            raise NoAddress(f"{address} is no address of a platform: it begins with http:// or https://")
        return cls(address, key)

    def options(self, step: Send, chunks: Callable[[bytes, Callable[[int], None]], Any]) -> dict[str, Any]:
        """Of `httpx2.Client.build_request`. The key goes to the platform alone."""
        headers = {"User-Agent": _user_agent(), **step.headers}
        url = step.url
        if url.startswith("/"):
            url = self.url + url
            headers["Authorization"] = f"Bearer {self.key}"
        options = {"method": step.method, "url": url, "headers": headers, "content": step.content}
        if step.content is not None and step.sent is not None:
            headers["Content-Length"] = str(len(step.content))
            options["content"] = chunks(step.content, step.sent)
        return {**options, "params": dict(step.query)} if step.query else options


class NoAddress(StemwrightError):
    code = "no_address"


def chunks(content: bytes, sent: Callable[[int], None]) -> Iterator[bytes]:
    for start in range(0, len(content), _CHUNK_BYTES):
        yield content[start : start + _CHUNK_BYTES]
        sent(min(start + _CHUNK_BYTES, len(content)))


async def chunks_async(content: bytes, sent: Callable[[int], None]) -> AsyncIterator[bytes]:
    for chunk in chunks(content, sent):
        yield chunk


def failed(error: httpx2.HTTPError | httpx2.InvalidURL) -> ConnectionFailed:
    about = str(error) or type(error).__name__
    return ConnectionFailed(f"no answer: {about}")
