"""The web app's session: a secret in a cookie that no script can read, and a token of it that no foreign page can send.

Accounts sets the cookies and the gateway reads them; both name them by the address that the browser speaks to.
"""

import base64
import hashlib
import hmac
import ipaddress
import re
import secrets
from dataclasses import dataclass

SECRET = re.compile(r"ws_[A-Za-z0-9_-]{43}")
CSRF_HEADER = "X-CSRF-Token"

_PORT = re.compile(r":\d+$")


@dataclass(frozen=True)
class CookieNames:
    """What the cookies are called at one address.

    With the prefix `__Host-` a browser takes them only over TLS, only for the whole of this very host, and from nobody
    else in its domain (RFC 6265bis section 4.1.3.2). Over plain HTTP on this machine it would take none like that.
    """

    session: str
    csrf: str
    secure: bool

    @classmethod
    def at(cls, scheme: str, host: str) -> "CookieNames":
        """The names at the address that a browser's request is for; `host` may have a port."""
        secure = scheme == "https" or not _is_loopback(host)
        prefix = "__Host-" if secure else ""
        return cls(f"{prefix}stemwright-session", f"{prefix}stemwright-csrf", secure)


def _is_loopback(host: str) -> bool:
    name = _PORT.sub("", host).strip("[]").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def new_secret() -> str:
    """256 random bits."""
    return "ws_" + secrets.token_urlsafe(32)


def secret_digest(secret: str) -> str:
    """What is stored of a secret: hex SHA-256, enough for 256 random bits."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def csrf_token(secret: str) -> str:
    """What the web app sends as `X-CSRF-Token` beside the cookie with this secret; of another session it is another."""
    mac = hmac.new(secret.encode(), b"stemwright csrf", hashlib.sha256).digest()
    return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()


def is_csrf_token(token: str, secret: str) -> bool:
    """Whether it is the one of this session; takes the same time for every token of its length."""
    return hmac.compare_digest(token.encode("utf-8", "surrogatepass"), csrf_token(secret).encode())
