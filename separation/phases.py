"""A transposed convolution of kernel 5 and stride 2 as plain convolutions, one per phase of the answer.

An output sample at an even place of a line sees two taps of the kernel, one at an odd place three. So four small
kernels give the samples at even and odd places of even and odd lines, without a multiplication by a zero in between.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

_Number = TypeVar("_Number", bound=np.floating[Any])

# Taps by the place, even or odd, that they contribute to; in the order of the inputs that they weigh.
_TAPS = ((3, 1), (4, 2, 0))


def split_into_phases(kernel: NDArray[_Number]) -> list[NDArray[_Number]]:
    """``(inputs, outputs, 5, 5)`` of a transposed convolution whose answer begins one sample late, as four kernels.

    Each is ``(outputs, inputs, lines, columns)`` with two or three taps, the first on the input before the output's
    own: of even lines the even and the odd columns, then of odd lines.
    """
    return [kernel[:, :, lines][:, :, :, columns].swapaxes(0, 1) for lines in _TAPS for columns in _TAPS]


def widened(phases: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Four kernels, as of ``split_into_phases``, as one, ``(4 * outputs, inputs, 3, 3)``, zeros for missing taps."""
    outputs, inputs = phases[0].shape[:2]
    wide = np.zeros((outputs, 4, inputs, 3, 3), np.float32)
    for place, kernel in enumerate(phases):
        wide[:, place, :, : kernel.shape[2], : kernel.shape[3]] = kernel
    return wide.reshape(4 * outputs, inputs, 3, 3)
