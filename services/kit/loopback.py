"""What this machine asks of itself goes through no proxy, whatever the environment names for other addresses.

The libraries heed `http_proxy`, `ALL_PROXY` and their like for 127.0.0.1 too, and few environments have a `no_proxy`
that excepts it: passwords, tokens and songs would be shown to somebody's proxy, or nothing would be reached.
"""

import ipaddress
import urllib.request
from http.client import HTTPResponse
from typing import cast
from urllib.parse import urlsplit

NAMES = ("127.0.0.1", "localhost", "::1")
"""What this machine calls itself; as `no_proxy` has them."""


def is_loopback(url: str | None) -> bool:
    """Whether the address leads to this machine by its own interface."""
    host = (url and urlsplit(url).hostname) or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def urlopen(request: str | urllib.request.Request, timeout_seconds: float) -> HTTPResponse:
    """`urllib.request.urlopen`, and raises what it does. The URL has to be an operator's setting."""
    url = request if isinstance(request, str) else request.full_url
    if is_loopback(url):
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        return cast("HTTPResponse", direct.open(request, timeout=timeout_seconds))
    return cast("HTTPResponse", urllib.request.urlopen(request, timeout=timeout_seconds))  # noqa: S310 - as above
