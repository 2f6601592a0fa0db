"""Tokens for OAUTHBEARER, from the token endpoint of an identity provider by client credentials (RFC 6749, 4.4)."""

import base64
import json
import threading
import time
import urllib.parse
import urllib.request
from typing import Any

from kafka.net.sasl.oauth import AbstractTokenProvider
from pydantic import SecretStr

from services.kit.loopback import urlopen

ANSWER_SECONDS = 2.0
RENEW_SHARE = 0.8
"""A token is used for this share of the time that it is good for."""
SECONDS_BY_DEFAULT = 60.0


class ClientCredentials(AbstractTokenProvider):  # type: ignore[misc] # the client has no type information
    """The token of one client, fetched when it is first needed and when the last one is about to expire.

    Asked by the client's own thread whenever it connects, so an endpoint that hangs delays that connection alone.
    """

    def __init__(self, url: str, client_id: str, secret: SecretStr) -> None:
        super().__init__()
        self._url = url
        self._authorization = _basic(client_id, secret.get_secret_value())
        self._lock = threading.Lock()
        self._token = ""
        self._good_until = 0.0

    def token(self) -> str:
        """A token that is good for a while. Raises OSError or ValueError where the endpoint gives none."""
        with self._lock:
            if time.monotonic() >= self._good_until:
                answer = self._fetch()
                self._token = str(answer["access_token"])
                self._good_until = time.monotonic() + RENEW_SHARE * float(answer.get("expires_in", SECONDS_BY_DEFAULT))
            return self._token

    def extensions(self) -> dict[str, str]:
        """None."""
        return {}

    def _fetch(self) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310 - the URL is an operator's setting
            self._url,
            data=urllib.parse.urlencode({"grant_type": "client_credentials"}).encode(),
            headers={"Authorization": self._authorization, "Accept": "application/json"},
        )
        with urlopen(request, ANSWER_SECONDS) as answer:
            content = json.loads(answer.read(64 * 1024))
        if not isinstance(content, dict) or "access_token" not in content:
            raise ValueError(f"{self._url} answered without a token")
        return content


def _basic(client_id: str, secret: str) -> str:
    """The header of RFC 6749 section 2.3.1: both parts are form-encoded before they are joined."""
    pair = f"{urllib.parse.quote_plus(client_id)}:{urllib.parse.quote_plus(secret)}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"
