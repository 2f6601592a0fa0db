"""Libraries compiled from C when the package is built or installed (``hatch_build.py``), as ``ctypes`` sees them.

The compiler is that of the wheel ``ziglang``, which nothing needs afterwards. A call lets other threads run.
"""

import ctypes
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from separation.errors import RuntimeMissing
from separation.machine.processor import compiled_for

PLACE, NUMBER, ARRAY = ctypes.c_int64, ctypes.c_float, ctypes.c_void_p
"""Types of arguments: a position or a count, a float, and an address of an array."""


def library_files(folder: Path, name: str, flags: frozenset[str] | None = None) -> list[Path]:
    """Of ``name``'s versions in ``folder`` those that a processor with these instruction sets, or this one, runs.

    Best first.
    """
    files = [folder / f"{name}-{processor}.so" for processor in compiled_for(flags)]
    return [file for file in files if file.exists()]


def library_file(folder: Path, name: str) -> Path:
    """The best for this processor; where there is none the file that is named does not exist."""
    return next(iter(library_files(folder, name)), folder / f"{name}-{platform.machine()}.so")


def loaded(file: Path, signatures: Mapping[str, tuple[Any, ...]]) -> ctypes.CDLL:
    """The library, told what its functions take; they return nothing. Raises ``RuntimeMissing`` where there is none."""
    try:
        library = ctypes.CDLL(str(file))
        for name, arguments in signatures.items():
            function = getattr(library, name)
            function.argtypes, function.restype = arguments, None
    except (OSError, AttributeError) as error:  # not there, damaged, or of another version
        machine = platform.machine()
        raise RuntimeMissing(
            f"The compiled part {file.name} is not there for {machine}, or is damaged: install Stemwright."
        ) from error
    return library


def gapless(array: NDArray[Any], kind: type[np.generic]) -> int:
    """The address of an array of ``kind`` without gaps. Raises ``ValueError``: C would read another as noise."""
    if array.dtype != kind or not array.flags.c_contiguous:
        raise ValueError(f"An array of {array.dtype} where {kind.__name__} without gaps is expected.")
    return array.ctypes.data
