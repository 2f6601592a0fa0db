"""Secrets of endpoints and of callbacks at rest: encrypted with AES-256-GCM, each for whose it is."""

import secrets
from collections.abc import Callable, Sequence
from datetime import datetime

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from services.kit.database import Database, ReadSession, WriteSession
from services.notifier.callbacks.models import CallbackAccount
from services.notifier.endpoints.models import WebhookEndpoint

BATCH = 200
Sealed = WebhookEndpoint | CallbackAccount
"""A row with a secret and the one before."""

_NONCE_BYTES = 12


class Sealer:
    """Seals with the first of the keys and opens with any of them, so that they can be rotated."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._ciphers = [AESGCM(_derive(key)) for key in keys]

    def seal(self, secret: str, owner_id: str) -> bytes:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._ciphers[0].encrypt(nonce, secret.encode(), owner_id.encode())

    def unseal(self, sealed: bytes, owner_id: str) -> str | None:
        """The secret, or None where none of the keys fits: the one that it was sealed with was taken out."""
        return next((text for cipher in self._ciphers if (text := _opened(cipher, sealed, owner_id)) is not None), None)

    def signing_secrets(self, row: Sealed, now: datetime) -> tuple[str, ...]:
        """The secrets that sign at this moment, the newest first; none where no key opens the newest."""
        secret = self.unseal(row.sealed_secret, _owner_of(row))
        if secret is None:
            return ()
        previous = None
        if row.sealed_previous is not None and row.previous_until is not None and now < row.previous_until:
            previous = self.unseal(row.sealed_previous, _owner_of(row))
        return (secret,) if previous is None else (secret, previous)

    def rotate(self, row: Sealed, secret: str, until: datetime) -> None:
        """This secret signs from now on, and until then the present one as well; not where no key opens it."""
        known = self.unseal(row.sealed_secret, _owner_of(row)) is not None
        row.sealed_previous, row.previous_until = (row.sealed_secret, until) if known else (None, None)
        row.sealed_secret = self.seal(secret, _owner_of(row))

    def reseal(
        self,
        database: Database,
        page: Callable[[ReadSession, str, int], Sequence[Sealed]],
        locked: Callable[[WriteSession, str], Sealed | None],
    ) -> None:
        """Seals anew what a key sealed that is not the first; opens its transactions.

        `page` are those whose owners' ids come after one, so many; `locked` is one's row for this transaction alone.
        """
        after = ""
        while True:
            with database.read() as session:
                batch = [(_owner_of(row), self._is_stale(row)) for row in page(session, after, BATCH)]
            for owner_id in [owner_id for owner_id, stale in batch if stale]:
                with database.write() as session:
                    # Under the row's lock: its owner may have rotated it since it was read.
                    row = locked(session, owner_id)
                    if row is not None:
                        self._renew(row)
            if len(batch) < BATCH:
                return
            after = batch[-1][0]

    def _is_stale(self, row: Sealed) -> bool:
        return any(self._resealed(sealed, _owner_of(row)) for sealed in (row.sealed_secret, row.sealed_previous))

    def _renew(self, row: Sealed) -> None:
        owner_id = _owner_of(row)
        row.sealed_secret = self._resealed(row.sealed_secret, owner_id) or row.sealed_secret
        row.sealed_previous = self._resealed(row.sealed_previous, owner_id) or row.sealed_previous

    def _resealed(self, sealed: bytes | None, owner_id: str) -> bytes | None:
        """None where the first key opens it, and where none does."""
        if sealed is None or _opened(self._ciphers[0], sealed, owner_id) is not None:
            return None
        secret = self.unseal(sealed, owner_id)
        return None if secret is None else self.seal(secret, owner_id)


def _owner_of(row: Sealed) -> str:
    return row.id if isinstance(row, WebhookEndpoint) else row.account_id


def _opened(cipher: AESGCM, sealed: bytes, owner_id: str) -> str | None:
    try:
        return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], owner_id.encode()).decode()
    except (InvalidTag, ValueError):  # ValueError: of what is too short to have been sealed
        return None


def _derive(key: str) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=b"stemwright webhook secrets").derive(
        key.encode()
    )
