"""From the networks' answers to an estimate of the vocals' spectrum, for every channel and every bin.

Each network answers a fraction: the magnitude of its stem over the magnitude of the mixture. Most of what this engine
gains over Spleeter is made of these: figures in ``docs/engine.md``, reasons in record 0017.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from separation.audio.channels import mixed
from separation.settings import SeparationSettings
from separation.spectral.filter import WienerFilter
from separation.spectral.loops import divided_powers

Fractions = NDArray[np.float32]
Masks = NDArray[np.float32]
Spectra = NDArray[np.complex64]

# The mask above the network's band follows the mean of the bins just below its edge (345 Hz of them at 44.1 kHz).
_TOP_BINS = 32
# The Wiener filter learns directions from masks that divide sharply, where one source is almost alone, and takes the
# powers in a bin from softer ones, because a bin that is divided too sharply hides what the sources have in common.
_SHARP_EXPONENT = 2.0
_SOFT_EXPONENT = 0.625
# Frames at a time, so that a block's numbers stay in the processor's cache.
_BLOCK_FRAMES = 16


def _power(values: NDArray[np.float32], exponent: float) -> NDArray[np.float32]:
    if exponent == 2:
        return values * values
    if exponent == 0.625:  # three square roots take a tenth of the time of a power
        root = np.sqrt(values)
        return root * np.sqrt(np.sqrt(root))
    return values ** np.float32(exponent)


def ratio_mask(fractions: Fractions, stem: int, exponent: float) -> Masks:
    """``f_i**e / sum_j f_j**e``; ``fractions`` has the stems first. Spleeter's mask is that of exponent 2."""
    powers = [_power(part, exponent) for part in fractions]
    total = sum(powers[1:], powers[0]) + np.float32(1e-10)
    mask: Masks = powers[stem] / total
    return mask


def projection_mask(fractions: Fractions, stem: int) -> Masks:
    """``(1 + f_i^2 - sum of the others' f_j^2) / 2``: the projection of the stem on the mixture.

    Of all real gains the one nearest to the stem ``S`` in the mixture ``X`` is the real part of ``S/X``, and the law of
    cosines gives it from the magnitudes of ``S``, ``X`` and the rest ``X - S`` without knowing a phase. Where two
    fractions sum to 1 it is the fraction; where they sum to more, the sources cancel each other, and it is the sharper
    mask. Between 0 and 1 for two stems, clipped for more.
    """
    squares = fractions * fractions
    mask: Masks = squares[stem] - (squares.sum(axis=0) - 1) * np.float32(0.5)
    return mask if len(fractions) == 2 else mask.clip(0, 1)


def estimated_vocals(
    spectra: Spectra, fractions: Fractions, stem: int, routing: NDArray[np.float32], settings: SeparationSettings
) -> Spectra:
    """The vocals of a patch's ``spectra``, ``(frames, channels, bins of the transform)``, which are overwritten.

    ``fractions``: ``(stems, 1 or 2, frames, bins of the network)``. ``routing``: ``(channels, 2)``, which mixture of
    the left and the right mask each channel takes; row sums are 1, or 0 for a channel that holds no voice. The Wiener
    filter takes part for stereo, where both channels are heard as they are.
    """
    bins = fractions.shape[-1]
    stereo = np.array_equal(routing, np.eye(2))
    wiener = WienerFilter(bins) if settings.wiener_share and stereo else None
    if wiener:
        for block in _blocks(len(spectra)):
            answers = fractions[:, :, block].swapaxes(1, 2)
            wiener.learn(spectra[block, :, :bins], ratio_mask(answers, stem, _SHARP_EXPONENT))

    for block in _blocks(len(spectra)):
        answers = fractions[:, :, block].swapaxes(1, 2)
        band, above = spectra[block, :, :bins], spectra[block, :, bins:]
        mask = projection_mask(answers, stem)
        if mask.shape[1] == 2:
            mask = mixed(routing, mask)
        elif not stereo:
            mask = mask * routing.sum(axis=1)[:, None]
        real_numbers = above.view(np.float32)
        real_numbers *= mask[..., -_TOP_BINS:].mean(axis=-1, keepdims=True) * np.float32(settings.extension_gain)
        if wiener:
            powers = divided_powers(band, ratio_mask(answers, stem, _SOFT_EXPONENT))
            mask *= np.float32(1 - settings.wiener_share)
            wiener.add_to(band, mask, band, powers, settings.wiener_share)
        else:
            band *= mask
    return spectra


def _blocks(frames: int) -> Iterator[slice]:
    return (slice(begin, min(begin + _BLOCK_FRAMES, frames)) for begin in range(0, frames, _BLOCK_FRAMES))
