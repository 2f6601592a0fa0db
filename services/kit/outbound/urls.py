"""Which addresses somebody outside may name. Pure: what a name stands for is looked at before each connection."""

import re
from dataclasses import dataclass

from services.kit.validation import form

MAX_URL_CHARACTERS = 2000
PUBLIC_URL = form(
    r"^https://([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}(:443|:8443)?(/[A-Za-z0-9._~!$&'()*+,;=:@/?%-]*)?$",
    "must begin with https:// and name a public host",
)
"""How such an address looks, for documents."""
PORTS = (443, 8443)

_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[^/?#@:\[\]]+|\[::1\])(?::(?P<port>[0-9]{1,5}))?(?P<target>[/?][\x21-\x7e]*)?",
    re.IGNORECASE,
)
"""As written: no user, no fragment, nothing outside of printable ASCII, and none of what parsers disagree about."""
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.IGNORECASE)
"""A last label like this makes a whole name an IPv4 address to some parsers (WHATWG URL, "ends in a number")."""
_INSIDE = frozenset(
    {
        *("localhost", "local", "localdomain", "internal", "intranet", "private", "corp", "home", "lan", "arpa"),
        *("svc", "cluster", "consul", "test", "invalid", "example", "onion", "alt"),
    }
)
"""Last labels of names that no public zone has: of clusters, clouds and home networks, and those reserved."""
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


class AddressRefused(ValueError):
    """Nobody is called there; the message says why, to follow the name of the field."""


@dataclass(frozen=True)
class Target:
    """An address that may be called, if its name stands for public IP addresses."""

    scheme: str
    host: str
    port: int
    target: str
    """Path and query, as they go over the wire."""

    @property
    def authority(self) -> str:
        """What the Host header says."""
        return self.host if self.port == (443 if self.scheme == "https" else 80) else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"

    @property
    def is_loopback(self) -> bool:
        return self.host in _LOOPBACK


def target_of(url: str, *, allow_loopback: bool = False) -> Target:
    """The address in a URL. Raises AddressRefused.

    It begins with https:// and names a host by a public DNS name, on port 443 or 8443. With `allow_loopback` this
    machine may be named too, on any port and over plain HTTP.
    """
    if len(url) > MAX_URL_CHARACTERS:
        raise AddressRefused(f"must have {MAX_URL_CHARACTERS} or fewer characters")
    # "\\" ends the host for a browser and not for others; brackets, quotes and the like have no place unescaped.
    found = _URL.fullmatch(url)
    if found is None or re.search(r'[\\^`{|}<>"#]', url):
        raise AddressRefused("must be an address such as https://hooks.example.com/path, without user or fragment")
    scheme, host = found["scheme"].lower(), found["host"].lower()
    port = int(found["port"] or (443 if scheme == "https" else 80))
    target = found["target"] or "/"
    parts = Target(scheme, host, port, target if target.startswith("/") else f"/{target}")
    if allow_loopback and parts.is_loopback and 0 < port < 65536:
        return parts
    if scheme != "https":
        raise AddressRefused("must begin with https://")
    labels = host.split(".")
    if len(labels) < 2 or len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise AddressRefused("must name a public host by its full DNS name")
    if _NUMBER.fullmatch(labels[-1]):
        raise AddressRefused("must name its host, not an IP address")
    if labels[-1] in _INSIDE:
        raise AddressRefused("must name a public host")
    if port not in PORTS:
        raise AddressRefused("must be on port 443 or 8443")
    return parts
