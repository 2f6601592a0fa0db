"""How requests go out: by the proxies and certificates that the environment names, but to this machine directly."""

import ipaddress
import os
from typing import NoReturn, TypeVar
from urllib.parse import urlsplit

import httpx2

from stemwright_client.errors import EnvironmentUnusable

TIMEOUT = httpx2.Timeout(60.0, connect=10.0)
"""A stream that is alive says something every few seconds, a long poll answers within 25."""
_THIS_MACHINE = ("127.0.0.1", "localhost", "::1")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
_SYSTEMS = "the proxy of the system"
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""In the order in which they count."""

H = TypeVar("H", httpx2.Client, httpx2.AsyncClient)


def made(kind: type[H], url: str) -> H:
    """A client for the platform at `url`, and for stores elsewhere to which it leads.

    Raises:
        EnvironmentUnusable: and the platform is not on this machine. For one that is, a store elsewhere raises it.
    """
    try:
        return kind(timeout=TIMEOUT, mounts=_direct(url))
    except (ImportError, OSError, ValueError, httpx2.InvalidURL) as error:
        why = _about(error)
        if not _is_loopback(url):
            raise EnvironmentUnusable(why) from error
        return kind(timeout=TIMEOUT, trust_env=False, mounts={"all://": _Refusing(why), **_direct(url)})


class _Refusing(httpx2.BaseTransport, httpx2.AsyncBaseTransport):
    """Nothing goes out: whoever set a proxy does not want requests to go without it."""

    def __init__(self, why: str) -> None:
        self._why = why

    def handle_request(self, _request: httpx2.Request) -> NoReturn:
        raise EnvironmentUnusable(self._why)

    async def handle_async_request(self, _request: httpx2.Request) -> NoReturn:
        raise EnvironmentUnusable(self._why)


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _direct(url: str) -> dict[str, None]:
    """This machine's addresses, by what it is called in `url` too, as `mounts` of a client that go the plain way."""
    hosts = (*_THIS_MACHINE, *((urlsplit(url).hostname or "",) if _is_loopback(url) else ()))
    return {f"all://[{host}]" if ":" in host else f"all://{host}": None for host in hosts}


def _about(error: Exception) -> str:
    """What is wrong, by the name of the variable; values of proxies may have passwords in them."""
    if isinstance(error, OSError):
        named = next((f"{name}={os.environ[name]}" for name in _CERTIFICATES if os.environ.get(name)), "the system's")
        return f"certificates cannot be read: {named}: {error.strerror or error}"
    proxies = {name: value for name, value in os.environ.items() if name.lower() in _PROXIES and value}
    if isinstance(error, ImportError):
        socks = [name for name, value in proxies.items() if value.startswith("socks")]
        return f"{' and '.join(socks) or _SYSTEMS}: for a SOCKS proxy the package socksio has to be installed"
    return f"{' and '.join(proxies) or _SYSTEMS}: no address of a proxy that can be used"
