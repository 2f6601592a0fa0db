"""Signatures of Standard Webhooks 1.0, symmetric. Pure.

Source: https://github.com/standard-webhooks/standard-webhooks, section "Signature scheme".
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence

from services.kit.ids import is_id

SECRET_PREFIX = "whsec_"  # noqa: S105 - the secret is what follows
SECRET_BYTES = 32


def new_secret() -> str:
    """`whsec_` and 32 random bytes in base 64."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def signed_headers(secrets_: Sequence[str], event_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers of a try at `timestamp` (seconds since the epoch), with a signature of these bytes by each secret.

    Raises ValueError where a full stop or a line's end in the id would let one signature stand for two contents.
    """
    if not is_id("evt", event_id):
        raise ValueError("what is to be signed has no id of an event")
    signed = f"{event_id}.{timestamp}.".encode() + body
    signatures = [
        base64.b64encode(
            hmac.digest(base64.b64decode(secret.removeprefix(SECRET_PREFIX)), signed, hashlib.sha256)
        ).decode()
        for secret in secrets_
    ]
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
