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
from separation.spectra import add_covariances, add_filtered, divided_powers

Fractions = NDArray[np.float32]
Masks = NDArray[np.float32]
Spectra = NDArray[np.complex64]
Powers = NDArray[np.float32]

# The mask above the network's band follows the mean of the bins just below its edge (345 Hz of them at 44.1 kHz).
_TOP_BINS = 32
# Keeps 0/0 out of silent bins; small against the square of one step of 16-bit audio in an unscaled spectrum.
_TINY = 1e-7
# The Wiener filter learns directions from masks that divide sharply, where one source is almost alone, and takes the
# powers in a bin from softer ones, because a bin that is divided too sharply hides what the sources have in common.
_SHARP_EXPONENT = 2.0
_SOFT_EXPONENT = 0.625
# Of the powers, not the magnitudes, of an estimate that is refined.
_REFINED_EXPONENT = 0.75
# Share of the total power that the Wiener filter takes for noise without direction: bounds the inverse.
_REGULARISATION = 1e-3
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
    if exponent == 0.75:
        root = np.sqrt(values)
        return root * np.sqrt(root)
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

    First ``learn`` from all frames of a patch, then ``add_to``. Each source has a power in every bin (mean of the two
    channels) and for every frequency a covariance between left and right over all the frames. The filter
    ``v_i R_i (sum_j v_j R_j)^-1`` then uses where a source stands in the panorama, of which the networks know nothing.
    N. Duong, E. Vincent, R. Gribonval, "Under-determined reverberant audio source separation using a full-rank spatial
    covariance model", IEEE TASLP 18(7), 2010.
    """

    def __init__(self, bins: int) -> None:
        # Of the vocals and of the rest: left, right, real and imaginary part of left times right.
        self._sums = np.zeros((2, 4, bins), np.float64)
        self._covariances: NDArray[np.float32] | None = None

    def learn(self, spectra: Spectra, mask: Masks) -> None:
        """``spectra``: ``(frames, 2, bins)``; ``mask`` of the vocals: the same, or ``(frames, 1, bins)`` for both
        channels."""
        self._learn_both((spectra, mask), (spectra, 1 - mask))

    def learn_from(self, vocals: Spectra, rest: Spectra) -> None:
        """From estimates of both sources, ``(frames, 2, bins)``."""
        whole = np.ones((len(vocals), 1, vocals.shape[-1]), np.float32)
        self._learn_both((vocals, whole), (rest, whole))

    def _learn_both(self, *sources: tuple[Spectra, Masks]) -> None:
        self._covariances = None
        for sums, (spectra, gains) in zip(self._sums, sources, strict=True):
            add_covariances(spectra, gains, sums)

    def add_to(
        self, answer: Spectra, gains: Masks, spectra: Spectra, powers: tuple[Powers, Powers], share: float
    ) -> None:
        """``answer`` becomes ``gains`` times itself plus ``share`` times the vocals of ``spectra``.

        ``spectra``: those that the filter has learnt from, or a part of their frames; ``answer``, of the same strides,
        may be the same array. ``gains``: as a mask. ``powers`` of the vocals and of the rest, summed over both
        channels: ``(frames, bins)``.
        """
        if self._covariances is None:
            total = (self._sums[:, 0] + self._sums[:, 1]) / 2 + 1e-9
            self._covariances = (self._sums / total[:, None]).astype(np.float32)
        add_filtered(
            *(answer, gains, spectra, powers, self._covariances),
            regularisation=_REGULARISATION,
            least=_TINY,
            share=share,
        )


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
    refined = bool(settings.refined_share) and stereo
    mixture = spectra.copy() if refined else spectra
    if wiener:
        for block in _blocks(len(spectra)):
            answers = fractions[:, :, block].swapaxes(1, 2)
            wiener.learn(spectra[block, :, :bins], ratio_mask(answers, stem, _SHARP_EXPONENT))

    for block in _blocks(len(spectra)):
        answers = fractions[:, :, block].swapaxes(1, 2)
        band, above = spectra[block, :, :bins], spectra[block, :, bins:]
        if settings.mask == "ratio":
            mask = ratio_mask(answers, stem, settings.mask_exponent)
        else:
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
    if refined:
        _refine(spectra[..., :bins], mixture[..., :bins], settings.refined_share)
    return spectra


def _refine(vocals: Spectra, mixture: Spectra, share: float) -> None:
    """A second step of expectation-maximisation, from the estimate itself; ``share`` of the answer comes from it.

    ``vocals``, overwritten, and ``mixture``: ``(frames, 2, bins)``. The estimate's shares of the power are softened,
    for the first filter has sharpened them already.
    """
    wiener = WienerFilter(vocals.shape[-1])
    for block in _blocks(len(vocals)):
        wiener.learn_from(vocals[block], mixture[block] - vocals[block])
    for block in _blocks(len(vocals)):
        estimate, whole = vocals[block], mixture[block]
        own = _power(power(estimate), _REFINED_EXPONENT)
        rest = _power(power(whole - estimate), _REFINED_EXPONENT)
        band_power = power(whole)
        own *= band_power / (own + rest + _TINY)
        gains = np.full((len(whole), 1, whole.shape[-1]), 1 - share, np.float32)
        wiener.add_to(estimate, gains, whole, (own.sum(axis=1), (band_power - own).sum(axis=1)), share)


def _blocks(frames: int) -> Iterator[slice]:
    return (slice(begin, min(begin + _BLOCK_FRAMES, frames)) for begin in range(0, frames, _BLOCK_FRAMES))
