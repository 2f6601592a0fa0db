"""A transposed convolution of kernel 5 and stride 2 as plain convolutions, one per phase of the answer.

An output sample at an even place of a line sees two taps of the kernel, one at an odd place three. So four small
kernels give the samples at even and odd places of even and odd lines, without a multiplication by a zero in between.
"""

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
