"""Password hashing: argon2id with 7 MiB, five passes, one lane (OWASP Password Storage Cheat Sheet), behind a gate.

libsodium makes the hashes, with the widest vectors that the processor has: each takes 7 MiB and about 16 ms of a core.
A few threads do nothing else, request after request in the order of their coming. The gate bounds how many may wait;
more are turned away at once, so that a flood of sign-ins costs neither the memory nor the threads that other requests
need.
"""

import threading
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TypeVar

MIN_CHARACTERS = 8
MAX_CHARACTERS = 256
MEMORY_KIB = 7 * 1024
PASSES = 5


ResultT = TypeVar("ResultT")


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

    def __init__(self, *, memory_kib: int = MEMORY_KIB, concurrency: int = 2, waiting_max: int = 24) -> None:
        self._memory_kib = memory_kib
        self._hashing = ThreadPoolExecutor(concurrency, "password-hash")
        self._admitted = threading.BoundedSemaphore(concurrency + waiting_max)

    @cached_property
    def _nobodys_hash(self) -> str:
        return self._make("nobody has this password")

    def _in_turn(self, work: Callable[[], ResultT]) -> ResultT:
        if not self._admitted.acquire(blocking=False):
            raise TooManyPasswordsError
        try:
            return self._hashing.submit(work).result()
        finally:
            self._admitted.release()

    def hash(self, password: str) -> str:
        """The encoded hash of an acceptable password. Raises TooManyPasswordsError."""
        return self._in_turn(lambda: self._make(prepare(password)))

    def matches(self, password: str, encoded: str | None) -> bool:
        """Whether the password has this hash. Raises TooManyPasswordsError.

        `encoded` is None for a user who does not exist: the same work is done and the answer is False, so that the time
        an answer takes does not tell who has an account. An unacceptable password is work too, for the same reason.
        """
        candidate = prepare(password) if acceptable(password) else ""
        return self._in_turn(lambda: self._verifies(candidate, encoded)) and encoded is not None

    def outdated(self, encoded: str) -> bool:
        """Whether the hash was made with other parameters than today's."""
        return not encoded.startswith(f"$argon2id$v=19$m={self._memory_kib},t={PASSES},p=1$")

    def _make(self, prepared: str) -> str:
        from nacl.pwhash import argon2id  # imported by the first sign-in, not by the start

        encoded: bytes = argon2id.str(prepared.encode(), opslimit=PASSES, memlimit=self._memory_kib * 1024)
        return encoded.decode()

    def _verifies(self, candidate: str, encoded: str | None) -> bool:
        from nacl.exceptions import InvalidkeyError
        from nacl.pwhash import argon2id

        # Made by whichever sign-in comes first, known user or not, before anything is compared.
        nobodys_hash = self._nobodys_hash
        try:
            return bool(argon2id.verify((encoded or nobodys_hash).encode(), candidate.encode()))
        except InvalidkeyError:
            return False
