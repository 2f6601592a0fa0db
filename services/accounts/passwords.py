"""Password hashing: argon2id with 19 MiB, two passes, one lane (OWASP Password Storage Cheat Sheet), behind a gate.

Each hash takes 19 MiB and about 30 ms of a core. The gate bounds how many are made at once and how many requests may
wait for one; more are turned away at once, so that a flood of logins costs neither the memory nor the threads that
other requests need.
"""

import ctypes
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argon2 import PasswordHasher

MIN_CHARACTERS = 8
MAX_CHARACTERS = 256
MEMORY_KIB = 19 * 1024
PASSES = 2
LANES = 1


_M_MMAP_THRESHOLD = -3
_LARGE_BLOCK_BYTES = 1024 * 1024


class TooManyPasswordsError(Exception):
    """The gate is full; the caller should try again in a moment."""


def acceptable(password: str) -> bool:
    """Whether the text can be a password: 8 to 256 characters, none of them a control character or a lone surrogate."""
    if len(password) > MAX_CHARACTERS:
        return False
    prepared = prepare(password)
    return MIN_CHARACTERS <= len(prepared) <= MAX_CHARACTERS and not any(
        unicodedata.category(character) in ("Cc", "Cs") for character in prepared
    )


def prepare(password: str) -> str:
    """The password as it is hashed: other spaces become spaces, then NFC (RFC 8265 section 4.2, OpaqueString).

    The same password typed on another keyboard may arrive in another Unicode form.
    """
    spaced = "".join(" " if unicodedata.category(character) == "Zs" else character for character in password)
    return unicodedata.normalize("NFC", spaced)


class PasswordHashing:
    """Makes and checks password hashes. Safe to share between threads; each call blocks for one hash or raises."""

    def __init__(self, *, concurrency: int = 2, waiting_max: int = 16) -> None:
        self._hashing = threading.BoundedSemaphore(concurrency)
        self._admitted = threading.BoundedSemaphore(concurrency + waiting_max)

    @cached_property
    def _hasher(self) -> "PasswordHasher":
        from argon2 import PasswordHasher  # imported by the first login, not by the start

        _give_large_blocks_back()
        return PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)

    @cached_property
    def _nobodys_hash(self) -> str:
        return self._hasher.hash("nobody has this password")

    @contextmanager
    def _gate(self) -> Iterator[None]:
        if not self._admitted.acquire(blocking=False):
            raise TooManyPasswordsError
        try:
            with self._hashing:
                yield
        finally:
            self._admitted.release()

    def hash(self, password: str) -> str:
        """The encoded hash of an acceptable password. Raises TooManyPasswordsError."""
        with self._gate():
            return self._hasher.hash(prepare(password))

    def matches(self, password: str, encoded: str | None) -> bool:
        """Whether the password has this hash. Raises TooManyPasswordsError.

        `encoded` is None for a user who does not exist: the same work is done and the answer is False, so that the time
        an answer takes does not tell who has an account. An unacceptable password is work too, for the same reason.
        """
        from argon2.exceptions import VerifyMismatchError

        candidate = prepare(password) if acceptable(password) else ""
        with self._gate():
            # Made by whichever login comes first, known user or not, before anything is compared.
            nobodys_hash = self._nobodys_hash
            try:
                self._hasher.verify(encoded or nobodys_hash, candidate)
            except VerifyMismatchError:
                return False
        return encoded is not None

    def outdated(self, encoded: str) -> bool:
        """Whether the hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(encoded)


def _give_large_blocks_back() -> None:
    """Has glibc return each large block to the system as it is freed (mallopt(3)).

    By default it learns from the first 19 MiB to keep them, once for each thread that ever hashed: 40 of the server's
    threads kept 355 MB (measured), and 13 MB with this. Other C libraries return such blocks by themselves.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK_BYTES)
