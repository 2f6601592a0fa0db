"""``kernels.c`` from Python: its structures and functions, as ``ctypes`` sees them (``machine/compiled.py``)."""

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from separation.machine.compiled import ARRAY, NUMBER, PLACE, library_files, loaded

VERSION = 1
"""Of the kernels' arithmetic: changes with every change that may move a bit of an answer."""


class Activation(ctypes.Structure):
    """A bias, then a batch norm as scale and shift, then a leaky ReLU."""

    _fields_ = (("bias", ARRAY), ("scale", ARRAY), ("shift", ARRAY), ("slope", NUMBER))


class Rectification(ctypes.Structure):
    """A bias, and the least answer of each channel."""

    _fields_ = (("bias", ARRAY), ("floor", ARRAY))


class PointWeights(ctypes.Structure):
    """Weights of a convolution at the 36 points, and where those of each begin."""

    _fields_ = (("numbers", ARRAY), ("points", ARRAY))


class Matrix(ctypes.Structure):
    """Where rows begin, and for each ``ROWS`` of them the distance of their pieces."""

    _fields_ = (("rows", ARRAY), ("lines", ARRAY))


class FirstConvolution(ctypes.Structure):
    """What the first convolution reads and its weights."""

    _fields_ = (
        ("spectrogram", ARRAY),
        ("weights", ARRAY),
        ("how", Activation),
        ("outputs", PLACE),
        ("columns", ARRAY),
    )


class LastPlane(ctypes.Structure):
    """An image that the last transposed convolution reads, and where it writes."""

    _fields_ = tuple(
        (name, PLACE) for name in ("spectrogram", "image", "image_line", "lines", "columns", "answer", "answer_line")
    )


_STRUCTURE = ctypes.c_void_p  # a pointer to one of them
_SIGNATURES: dict[str, tuple[Any, ...]] = {
    "convolution_values": (ARRAY, PLACE, ARRAY, PLACE, ARRAY, PLACE),
    "convolution_products": (*(PLACE, PLACE, ARRAY, PLACE, PLACE, PLACE, _STRUCTURE, PLACE, ARRAY, PLACE, _STRUCTURE),),
    "convolution_answers": (ARRAY, PLACE, ARRAY, PLACE, _STRUCTURE, PLACE, ARRAY, PLACE, ARRAY),
    "convolve": (
        *(ARRAY, PLACE, PLACE, PLACE, ARRAY, PLACE, _STRUCTURE, _STRUCTURE, PLACE, ARRAY, PLACE, ARRAY),
        *(ARRAY, ARRAY, _STRUCTURE),
    ),
    "transposed_values": (ARRAY, PLACE, ARRAY, PLACE, ARRAY, PLACE),
    "transposed_products": (*(PLACE, PLACE, ARRAY, PLACE, PLACE, PLACE, _STRUCTURE, PLACE, ARRAY, PLACE, _STRUCTURE),),
    "transposed_answers": (ARRAY, PLACE, ARRAY, PLACE, _STRUCTURE, PLACE, ARRAY, PLACE),
    "convolve_transposed": (
        *(ARRAY, PLACE, PLACE, PLACE, ARRAY, PLACE, _STRUCTURE, _STRUCTURE, PLACE, ARRAY, PLACE),
        *(ARRAY, ARRAY, _STRUCTURE),
    ),
    "convolve_directly": (
        *(ARRAY, ARRAY, ARRAY, ARRAY, PLACE, PLACE, PLACE, ARRAY, _STRUCTURE, PLACE, PLACE, ARRAY, ARRAY),
    ),
    "convolve_twice": (
        *(ARRAY, PLACE, PLACE, _STRUCTURE, ARRAY, PLACE, ARRAY, _STRUCTURE, _STRUCTURE, PLACE, ARRAY, PLACE),
        *(ARRAY, ARRAY, ARRAY, ARRAY, _STRUCTURE),
    ),
    "convolve_last": (
        *(_STRUCTURE, ARRAY, _STRUCTURE, ARRAY, PLACE, PLACE, _STRUCTURE, ARRAY, NUMBER, NUMBER),
        *(ARRAY, ARRAY, ARRAY),
    ),
    "convolve_to_mask": (ARRAY, PLACE, PLACE, PLACE, PLACE, ARRAY, NUMBER, ARRAY),
}


def files(flags: frozenset[str] | None = None) -> list[Path]:
    """The libraries that a processor with these instruction sets, or this one, runs, best first; none: not built."""
    return library_files(Path(__file__).parent, "kernels", flags)


@cache
def kernels(file: Path) -> ctypes.CDLL:
    """The library in ``file``. Raises ``RuntimeMissing`` where it cannot be loaded."""
    return loaded(file, _SIGNATURES)


def address(array: NDArray[np.float32] | NDArray[np.int64], position: int = 0) -> int:
    """Where the number at ``position`` of a flat array lies in memory."""
    return array.ctypes.data + position * array.itemsize
