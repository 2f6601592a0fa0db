"""SHA-256 of files, in bounded memory."""

import hashlib
from io import BufferedReader
from pathlib import Path


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of the file's content."""
    with path.open("rb") as file:
        return sha256_of_open(file)


def sha256_of_open(file: BufferedReader) -> str:
    """The same of a file that is open already, from its beginning on."""
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()
