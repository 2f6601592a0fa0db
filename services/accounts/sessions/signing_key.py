"""Where the signing keys come from."""

import logging
import os
import secrets
from pathlib import Path

from services.accounts.sessions.tokens import BadSigningKeyError, SigningKeys
from services.accounts.settings import Settings

log = logging.getLogger(__name__)


class SigningKeyMissingError(Exception):
    """There is no usable signing key; the message is the one line that an operator is told."""


def load_signing_keys(settings: Settings) -> SigningKeys:
    """The keys of the file that settings name; in development they are made where there are none."""
    file = settings.signing_key_file
    if file is None:
        log.warning("no signing key file is set: access tokens end with this process")
        return SigningKeys.generate()
    if settings.environment == "development" and not file.exists():
        _make(file)
    try:
        return SigningKeys.from_pem(file.read_bytes())
    except OSError as error:
        raise SigningKeyMissingError(f"the signing key file {file} cannot be read: {error.strerror}") from None
    except BadSigningKeyError as error:
        raise SigningKeyMissingError(f"the signing key file {file} is of no use: {error}") from None


def _make(file: Path) -> None:
    """Writes a new key so that the file is either absent or whole, and only one of two starting processes writes it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(SigningKeys.generate().private_pem())
            out.flush()
            os.fsync(out.fileno())
        try:
            # Unlike a rename, a link does not replace what another process has put there meanwhile.
            os.link(draft, file)
        except FileExistsError:
            return
    finally:
        draft.unlink()
