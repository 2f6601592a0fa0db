"""From the network's masks to a mask for every bin and every channel of the input."""

import numpy as np
from numpy.typing import NDArray

from separation.channels import mixed
from separation.settings import SeparationSettings

# The mask above the network's band follows the mean of the bins just below its edge (345 Hz of them at 44.1 kHz).
_TOP_BINS = 32


def shaped(masks: NDArray[np.float32], exponent: float) -> NDArray[np.float32]:
    """``masks ** exponent``: below 1 the masks are softer and lose less of a voice that shares its bins."""
    if exponent == 1:
        return masks
    if exponent == 0.75:  # two square roots take a tenth of the time of a power
        root = np.sqrt(masks)
        return root * np.sqrt(root)
    return masks ** np.float32(exponent)


def apply_masks(
    spectra: NDArray[np.complex64],
    masks: NDArray[np.float32],
    routing: NDArray[np.float32],
    extension: str = SeparationSettings.extension,
) -> NDArray[np.complex64]:
    """Masked spectra of the shape of ``spectra``, ``(frames, channels, bins of the transform)``.

    ``masks``: ``(frames, 2, bins of the network)``. ``routing``: ``(channels, 2)``, which mixture of the left and the
    right mask each channel takes; row sums are 1, or 0 for a channel that holds no voice.
    """
    routed = mixed(routing, masks)
    bins = masks.shape[-1]
    result = np.empty_like(spectra)
    np.multiply(spectra[..., :bins], routed, out=result[..., :bins])
    if extension == "zero":
        result[..., bins:] = 0
    else:
        above = routed[..., -_TOP_BINS:].mean(axis=-1, keepdims=True)
        np.multiply(spectra[..., bins:], above, out=result[..., bins:])
    return result
