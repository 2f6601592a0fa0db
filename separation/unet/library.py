"""``kernels.c`` from Python: its structures and functions, as ``ctypes`` sees them.

The library is compiled when the package is built or installed (``hatch_build.py``), by the compiler of the wheel
``ziglang``, which nothing needs afterwards. A call lets other threads run.
"""

import ctypes
import platform
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FILE = Path(__file__).with_name(f"kernels-{platform.machine()}.so")

VERSION = 1
"""Of the kernels' arithmetic: changes with every change that may move a bit of an answer."""

_PLACE, _NUMBER, _ARRAY = ctypes.c_int64, ctypes.c_float, ctypes.c_void_p


class Activation(ctypes.Structure):
    """A bias, then a batch norm as scale and shift, then a leaky ReLU."""

    _fields_ = (("bias", _ARRAY), ("scale", _ARRAY), ("shift", _ARRAY), ("slope", _NUMBER))


class Rectification(ctypes.Structure):
    """A bias, and the least answer of each channel."""

    _fields_ = (("bias", _ARRAY), ("floor", _ARRAY))


class PointWeights(ctypes.Structure):
    """Weights of a convolution at the 36 points, and where those of each begin."""

    _fields_ = (("numbers", _ARRAY), ("points", _ARRAY))


class Matrix(ctypes.Structure):
    """Where rows begin, and for each ``ROWS`` of them the distance of their pieces."""

    _fields_ = (("rows", _ARRAY), ("lines", _ARRAY))


class FirstConvolution(ctypes.Structure):
    """What the first convolution reads and its weights."""

    _fields_ = (
        ("spectrogram", _ARRAY),
        ("weights", _ARRAY),
        ("how", Activation),
        ("outputs", _PLACE),
        ("columns", _ARRAY),
    )


class LastPlane(ctypes.Structure):
    """An image that the last transposed convolution reads, and where it writes."""

    _fields_ = tuple(
        (name, _PLACE) for name in ("spectrogram", "image", "image_line", "lines", "columns", "answer", "answer_line")
    )


_STRUCTURE = ctypes.c_void_p  # a pointer to one of them
_SIGNATURES: dict[str, tuple[Any, ...]] = {
    "convolution_values": (_ARRAY, _PLACE, _ARRAY, _PLACE, _ARRAY, _PLACE),
    "convolution_products": (
        *(_PLACE, _PLACE, _ARRAY, _PLACE, _PLACE, _PLACE, _STRUCTURE, _PLACE, _ARRAY, _PLACE, _STRUCTURE),
    ),
    "convolution_answers": (_ARRAY, _PLACE, _ARRAY, _PLACE, _STRUCTURE, _PLACE, _ARRAY, _PLACE, _ARRAY),
    "convolve": (
        *(_ARRAY, _PLACE, _PLACE, _PLACE, _ARRAY, _PLACE, _STRUCTURE, _STRUCTURE, _PLACE, _ARRAY, _PLACE, _ARRAY),
        *(_ARRAY, _ARRAY, _STRUCTURE),
    ),
    "transposed_values": (_ARRAY, _PLACE, _ARRAY, _PLACE, _ARRAY, _PLACE),
    "transposed_products": (
        *(_PLACE, _PLACE, _ARRAY, _PLACE, _PLACE, _PLACE, _STRUCTURE, _PLACE, _ARRAY, _PLACE, _STRUCTURE),
    ),
    "transposed_answers": (_ARRAY, _PLACE, _ARRAY, _PLACE, _STRUCTURE, _PLACE, _ARRAY, _PLACE),
    "convolve_transposed": (
        *(_ARRAY, _PLACE, _PLACE, _PLACE, _ARRAY, _PLACE, _STRUCTURE, _STRUCTURE, _PLACE, _ARRAY, _PLACE),
        *(_ARRAY, _ARRAY, _STRUCTURE),
    ),
    "convolve_directly": (
        *(_ARRAY, _ARRAY, _ARRAY, _ARRAY, _PLACE, _PLACE, _PLACE, _ARRAY, _STRUCTURE, _PLACE, _PLACE, _ARRAY, _ARRAY),
    ),
    "convolve_twice": (
        *(_ARRAY, _PLACE, _PLACE, _STRUCTURE, _ARRAY, _PLACE, _ARRAY, _STRUCTURE, _STRUCTURE, _PLACE, _ARRAY, _PLACE),
        *(_ARRAY, _ARRAY, _ARRAY, _ARRAY, _STRUCTURE),
    ),
    "convolve_last": (
        *(_STRUCTURE, _ARRAY, _STRUCTURE, _ARRAY, _PLACE, _PLACE, _STRUCTURE, _ARRAY, _NUMBER, _NUMBER),
        *(_ARRAY, _ARRAY, _ARRAY),
    ),
    "convolve_to_mask": (_ARRAY, _PLACE, _PLACE, _PLACE, _PLACE, _ARRAY, _NUMBER, _ARRAY),
}


@cache
def kernels() -> ctypes.CDLL:
    """The library; ``OSError`` where it was not built."""
    library = ctypes.CDLL(str(FILE))
    for name, arguments in _SIGNATURES.items():
        function = getattr(library, name)
        function.argtypes, function.restype = arguments, None
    return library


def address(array: NDArray[np.float32] | NDArray[np.int64], position: int = 0) -> int:
    """Where the number at ``position`` of a flat array lies in memory."""
    return array.ctypes.data + position * array.itemsize
