"""Whether a webhook is from the platform (Standard Webhooks 1.0)."""

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Mapping

from pydantic import ValidationError

from stemwright_client.errors import SignatureInvalid
from stemwright_client.models import Event

TOLERANCE_SECONDS = 300
"""So far off the time of a webhook may be, either way."""


def verify(body: bytes | str, headers: Mapping[str, str], secret: str, *, now: float | None = None) -> Event:
    """The event, if one of the signatures is by this secret; an event may come more than once, known by its `id`.

    Args:
        body: as it came, before anything parsed it.
        headers: of the request; their names may be in any case.
        secret: of the endpoint, `whsec_...`. While it is rotated the platform signs with both.
        now: seconds since 1970, by default this machine's.

    Raises:
        SignatureInvalid: it is not signed with this secret, or more than five minutes off, or no event.
    """
    named = {name.lower(): value for name, value in headers.items()}
    try:
        message_id, sent_at = named["webhook-id"], named["webhook-timestamp"]
        signatures = named["webhook-signature"].split()
    except KeyError as missing:
        raise SignatureInvalid(f"the header {missing.args[0]} is missing") from None
    if not (sent_at.isascii() and sent_at.isdigit()):
        raise SignatureInvalid("webhook-timestamp is no number of seconds")
    off = (time.time() if now is None else now) - int(sent_at)
    if abs(off) > TOLERANCE_SECONDS:
        raise SignatureInvalid(f"it was sent {off:.0f} seconds ago" if off > 0 else "it was sent in the future")
    raw = body.encode() if isinstance(body, str) else body
    wanted = signature(raw, message_id, sent_at, secret)
    if not any(hmac.compare_digest(wanted.encode(), given.encode()) for given in signatures):
        raise SignatureInvalid("no signature is by this secret")
    try:
        return Event.model_validate_json(raw)
    except ValidationError as error:
        raise SignatureInvalid(f"the body is no event: {error.error_count()} of its fields are wrong") from None


def signature(body: bytes, message_id: str, sent_at: str, secret: str) -> str:
    """`v1,` and the HMAC-SHA256 of `<id>.<timestamp>.<body>`, in base64."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        raise SignatureInvalid("the secret is none: it begins with whsec_ and is base64") from None
    content = b".".join([message_id.encode(), sent_at.encode(), body])
    return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
