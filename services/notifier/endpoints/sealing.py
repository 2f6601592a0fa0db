"""Secrets of endpoints at rest: encrypted with AES-256-GCM, each for its endpoint."""

import secrets
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE_BYTES = 12


class Sealer:
    """Seals with the first of the keys and opens with any of them, so that they can be rotated."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._ciphers = [AESGCM(_derive(key)) for key in keys]

    def seal(self, secret: str, endpoint_id: str) -> bytes:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._ciphers[0].encrypt(nonce, secret.encode(), endpoint_id.encode())

    def unseal(self, sealed: bytes, endpoint_id: str) -> str:
        """Raises InvalidTag where none of the keys fits."""
        for cipher in self._ciphers:
            try:
                return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], endpoint_id.encode()).decode()
            except InvalidTag:
                continue
        raise InvalidTag


def _derive(key: str) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=b"stemwright webhook secrets").derive(
        key.encode()
    )
