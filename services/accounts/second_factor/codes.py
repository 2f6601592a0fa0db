"""Codes of an authenticator app (TOTP, RFC 6238) and recovery codes. Pure, apart from drawing random bits.

Six digits of SHA-1 every thirty seconds: what every app takes, and some take nothing else.
"""

import base64
import hashlib
import hmac
import re
import secrets
from datetime import datetime

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

STEP_SECONDS = 30
DIGITS = 6
SECRET_BYTES = 20
NEIGHBOURS = (0, -1, 1)
"""Steps beside the present one whose code is taken: clocks differ, and typing takes its time (RFC 6238 section 5.2)."""
RECOVERY_CODES = 10
RECOVERY_BYTES = 10

_APP_CODE = re.compile(r"[0-9]{6}")
_SEPARATORS = re.compile(r"[\s-]+")


def new_secret() -> str:
    """160 random bits (RFC 4226 section 4) in base 32, as people type them into their app."""
    return base64.b32encode(secrets.token_bytes(SECRET_BYTES)).decode()


def _totp(secret: str) -> TOTP:
    # RFC 6238 asks for SHA-1; as a key of HMAC it is not known to be weak.
    return TOTP(base64.b32decode(secret), DIGITS, SHA1(), STEP_SECONDS)  # noqa: S303


def code_at(secret: str, moment: datetime) -> str:
    """What the app shows at that moment."""
    return _totp(secret).generate(int(moment.timestamp())).decode()


def otpauth_url(secret: str, account: str, issuer: str) -> str:
    """What an app reads as a QR code."""
    return _totp(secret).get_provisioning_uri(account, issuer)


def is_app_code(code: str) -> bool:
    """Whether it has the form of an app's code; anything else can only be a recovery code."""
    return _APP_CODE.fullmatch(normalized(code)) is not None


def matching_step(secret: str, code: str, now: datetime, after: int | None) -> int | None:
    """The time step that the code belongs to, or None where it is wrong or not later than the step `after`."""
    totp, present, given = _totp(secret), int(now.timestamp()) // STEP_SECONDS, normalized(code).encode()
    found = None
    for distance in NEIGHBOURS:
        step = present + distance
        # Each is computed and compared, so that the time it takes says nothing.
        same = hmac.compare_digest(totp.generate(step * STEP_SECONDS), given)
        if same and found is None and (after is None or step > after):
            found = step
    return found


def new_recovery_codes() -> list[str]:
    """Codes of 80 random bits each, as people write them down: `abcd-efgh-ijkl-mnop`."""
    texts = (base64.b32encode(secrets.token_bytes(RECOVERY_BYTES)).decode().lower() for _ in range(RECOVERY_CODES))
    return ["-".join(text[at : at + 4] for at in range(0, len(text), 4)) for text in texts]


def recovery_digest(code: str) -> str:
    """What is stored of a recovery code: hex SHA-256, enough for 80 random bits."""
    return hashlib.sha256(normalized(code).encode("utf-8", "surrogatepass")).hexdigest()


def normalized(code: str) -> str:
    """The code without what people put between its groups."""
    return _SEPARATORS.sub("", code).lower()
