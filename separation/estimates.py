"""From the networks' answers to an estimate of the vocals' spectrum, for every channel and every bin.

Each network answers a fraction: the magnitude of its stem over the magnitude of the mixture. How fractions become an
estimate is a choice (``SeparationSettings``), and most of what this engine gains over Spleeter is made here: figures in
``docs/engine.md``, reasons in record 0017.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from separation.channels import mixed
from separation.settings import SeparationSettings

Fractions = NDArray[np.float32]
Masks = NDArray[np.float32]
Spectra = NDArray[np.complex64]

# The mask above the network's band follows the mean of the bins just below its edge (345 Hz of them at 44.1 kHz).
_TOP_BINS = 32
# Keeps 0/0 out of silent bins; small against the square of one step of 16-bit audio in an unscaled spectrum.
_TINY = np.float32(1e-7)
# The Wiener filter learns directions from masks that divide sharply, where one source is almost alone, and takes the
# powers in a bin from softer ones, because a bin that is divided too sharply hides what the sources have in common.
_SHARP_EXPONENT = 2.0
_SOFT_EXPONENT = 0.625
# Share of the total power that the Wiener filter takes for noise without direction: bounds the inverse.
_REGULARISATION = np.float32(1e-3)
# Whether somebody sings is judged over 3 s around a frame.
_PRESENCE_FRAMES = 129
# Frames at a time, so that a block's numbers stay in the processor's cache.
_BLOCK_FRAMES = 16


def _power(values: NDArray[np.float32], exponent: float) -> NDArray[np.float32]:
    if exponent == 1:
        return values
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


def power(spectra: Spectra) -> NDArray[np.float32]:
    """Squared magnitudes."""
    squares = np.square(spectra.real)
    squares += np.square(spectra.imag)
    return squares


class WienerFilter:
    """One step of expectation-maximisation of the multichannel Wiener filter, for two sources in stereo.

    First ``learn`` from all frames of a patch, then ``apply``. Each source has a power in every bin (mean of the two
    channels) and for every frequency a covariance between left and right over all the frames. The filter
    ``v_i R_i (sum_j v_j R_j)^-1`` then uses where a source stands in the panorama, of which the networks know nothing.
    N. Duong, E. Vincent, R. Gribonval, "Under-determined reverberant audio source separation using a full-rank spatial
    covariance model", IEEE TASLP 18(7), 2010.
    """

    def __init__(self, bins: int) -> None:
        # Of the vocals and of the rest: left, right, real and imaginary part of left times right.
        self._sums = np.zeros((2, 4, bins), np.float64)

    def learn(self, spectra: Spectra, powers: NDArray[np.float32], mask: Masks) -> None:
        """``spectra``, ``powers`` (its squared magnitudes), ``mask`` of the vocals: ``(frames, 2, bins)``."""
        cross = spectra[:, 0] * spectra[:, 1].conj()
        for sums, gains in zip(self._sums, (mask, 1 - mask), strict=True):
            sums[:2] += (gains * gains * powers).sum(axis=0)
            both = gains[:, 0] * gains[:, 1]
            sums[2] += (both * cross.real).sum(axis=0)
            sums[3] += (both * cross.imag).sum(axis=0)

    def apply(self, spectra: Spectra, powers: NDArray[np.float32], mask: Masks) -> Spectra:
        """The vocals of the same spectra, or a part of their frames."""
        total = (self._sums[:, 0] + self._sums[:, 1]) / 2 + 1e-9
        covariance = (self._sums / total[:, None]).astype(np.float32)
        left_left, right_right = covariance[:, 0], covariance[:, 1]
        left_right = (covariance[:, 2] + 1j * covariance[:, 3]).astype(np.complex64)

        own, rest = ((gains * gains * powers).sum(axis=1) * np.float32(0.5) for gains in (mask, 1 - mask))
        noise = _REGULARISATION * (own + rest) + _TINY
        a = own * left_left[0] + rest * left_left[1] + noise
        d = own * right_right[0] + rest * right_right[1] + noise
        b = own * left_right[0] + rest * left_right[1]
        scale = own / (a * d - power(b))
        left, right = spectra[:, 0], spectra[:, 1]
        u = (d * left - b * right) * scale
        v = (a * right - b.conj() * left) * scale
        vocals = np.empty_like(spectra)
        vocals[:, 0] = left_left[0] * u + left_right[0] * v
        vocals[:, 1] = left_right[0].conj() * u + right_right[0] * v
        return vocals


def presence(vocals: NDArray[np.float64], mixture: NDArray[np.float64], floor_db: float) -> NDArray[np.float32]:
    """A gain per frame: 1 while somebody sings, falling to 0 where nobody does; one half at ``floor_db``.

    ``vocals``, ``mixture``: power per frame. ``a^2 / (a^2 + floor^2)``, where ``a`` is the share of the vocals in the
    mixture's power over 3 s around the frame. What masks let through of a band that plays alone is mostly 26 dB and
    more below it; a voice is far above.
    """
    frames = np.arange(len(vocals))
    begin = np.maximum(frames - _PRESENCE_FRAMES // 2, 0)
    end = np.minimum(frames + _PRESENCE_FRAMES // 2 + 1, len(frames))
    around = [
        (sums[end] - sums[begin]) for sums in (np.concatenate([[0.0], np.cumsum(part)]) for part in (vocals, mixture))
    ]
    share = around[0] / np.maximum(around[1], 1e-6)
    gain: NDArray[np.float32] = (share**2 / (share**2 + 10 ** (floor_db / 5))).astype(np.float32)
    return gain


def estimated_vocals(
    spectra: Spectra, fractions: Fractions, stem: int, routing: NDArray[np.float32], settings: SeparationSettings
) -> Spectra:
    """The vocals of a patch's ``spectra``, ``(frames, channels, bins of the transform)``, which are overwritten.

    ``fractions``: ``(stems, 2, frames, bins of the network)``. ``routing``: ``(channels, 2)``, which mixture of the
    left and the right mask each channel takes; row sums are 1, or 0 for a channel that holds no voice. The Wiener
    filter takes part for stereo, where both channels are heard as they are.
    """
    bins = fractions.shape[-1]
    gain: NDArray[np.float32] = np.ones(len(spectra), np.float32)
    wiener = WienerFilter(bins) if settings.wiener_share and np.array_equal(routing, np.eye(2)) else None
    if wiener or settings.presence_floor_db is not None:
        powers = np.zeros((2, len(spectra)))
        for block in _blocks(len(spectra)):
            band = spectra[block, :, :bins]
            sharp = mixed(routing, ratio_mask(fractions[:, :, block].swapaxes(1, 2), stem, _SHARP_EXPONENT))
            band_power = power(band)
            powers[:, block] = (sharp * sharp * band_power).sum(axis=(1, 2)), band_power.sum(axis=(1, 2))
            if wiener:
                wiener.learn(band, band_power, sharp)
        if settings.presence_floor_db is not None:
            gain = presence(powers[0], powers[1], settings.presence_floor_db)

    for block in _blocks(len(spectra)):
        answers = fractions[:, :, block].swapaxes(1, 2)
        band, above = spectra[block, :, :bins], spectra[block, :, bins:]
        if settings.mask == "ratio":
            mask = ratio_mask(answers, stem, settings.mask_exponent)
        else:
            mask = projection_mask(answers, stem)
        mask = mixed(routing, mask) * gain[block, None, None]
        above *= mask[..., -_TOP_BINS:].mean(axis=-1, keepdims=True) * np.float32(settings.extension_gain)
        if wiener:
            share = np.float32(settings.wiener_share)
            filtered = wiener.apply(band, power(band), ratio_mask(answers, stem, _SOFT_EXPONENT))
            filtered *= share * gain[block, None, None]
            band *= mask * (1 - share)
            band += filtered
        else:
            band *= mask
    return spectra


def _blocks(frames: int) -> Iterator[slice]:
    return (slice(begin, min(begin + _BLOCK_FRAMES, frames)) for begin in range(0, frames, _BLOCK_FRAMES))
