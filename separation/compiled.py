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
from separation.processor import has_avx2

PLACE, NUMBER, ARRAY = ctypes.c_int64, ctypes.c_float, ctypes.c_void_p
"""Types of arguments: a position or a count, a float, and an address of an array."""


def library_file(folder: Path, name: str) -> Path:
    """Where that of ``name``'s versions lies, if there is one, that is for this processor."""
    return folder / f"{name}-{'x86_64_v3' if has_avx2() else platform.machine()}.so"


def loaded(file: Path, signatures: Mapping[str, tuple[Any, ...]]) -> ctypes.CDLL:
    """The library, told what its functions take; they return nothing. Raises ``RuntimeMissing`` where there is none."""
    try:
        library = ctypes.CDLL(str(file))
    except OSError as error:
        machine = platform.machine()
        raise RuntimeMissing(
            f"The compiled part {file.name} is not there for {machine}: install Stemwright."
        ) from error
    for name, arguments in signatures.items():
        function = getattr(library, name)
        function.argtypes, function.restype = arguments, None
    return library


def gapless(array: NDArray[Any], kind: type[np.generic]) -> int:
    """The address of an array of ``kind`` without gaps. Raises ``ValueError``: C would read another as noise."""
    if array.dtype != kind or not array.flags.c_contiguous:
        raise ValueError(f"An array of {array.dtype} where {kind.__name__} without gaps is expected.")
    return array.ctypes.data
