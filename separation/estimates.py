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
_DIRECTION_EXPONENT = 2.0
_POWER_EXPONENT = 0.625
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


def residual_mask(fractions: Fractions, stem: int) -> Masks:
    """``f_i + (1 - sum_j f_j) / n``: the network's own estimate, and an equal share of what is left over or missing.

    The ratio scales every estimate until they sum to the mixture. Sharing the residual in equal parts is the
    least-squares answer where all estimates are equally uncertain, and leaves a good estimate of one stem less touched
    by a bad one of another. Between 0 and 1 for two stems, clipped for more.
    """
    residual = 1 - fractions.sum(axis=0)
    mask: Masks = fractions[stem] + residual / np.float32(len(fractions))
    return mask if len(fractions) == 2 else mask.clip(0, 1)


def _squared(values: Spectra) -> NDArray[np.float32]:
    return np.square(values.real) + np.square(values.imag)


def _blocks(frames: int) -> Iterator[slice]:
    return (slice(begin, min(begin + _BLOCK_FRAMES, frames)) for begin in range(0, frames, _BLOCK_FRAMES))


def wiener_vocals(spectra: Spectra, sharp: Masks, soft: Masks) -> Spectra:
    """One step of expectation-maximisation of the multichannel Wiener filter, for two sources in stereo.

    ``spectra``: ``(frames, 2, bins)``; ``sharp``, ``soft``: masks of the vocals, same shape; the other source is the
    rest. Each source has a power in every bin (from ``soft``, mean of the two channels) and for every frequency a
    covariance between left and right over all the frames (from ``sharp``). The filter ``v_i R_i (sum_j v_j R_j)^-1``
    then uses where a source stands in the panorama, of which the networks know nothing. N. Duong, E. Vincent,
    R. Gribonval, "Under-determined reverberant audio source separation using a full-rank spatial covariance model",
    IEEE TASLP 18(7), 2010.
    """
    left_left, right_right, left_right = _covariances(spectra, sharp)
    vocals = np.empty_like(spectra)
    for block in _blocks(len(spectra)):
        x, y = spectra[block, 0], spectra[block, 1]
        left_power, right_power = _squared(x), _squared(y)
        own, other = (
            (gain_left * gain_left * left_power + gain_right * gain_right * right_power) * np.float32(0.5)
            for gain_left, gain_right in _gains(soft[block])
        )
        noise = _REGULARISATION * (own + other) + _TINY
        a = own * left_left[0] + other * left_left[1] + noise
        d = own * right_right[0] + other * right_right[1] + noise
        b = own * left_right[0] + other * left_right[1]
        scale = own / (a * d - _squared(b))
        u = d * x - b * y
        v = a * y - b.conj() * x
        vocals[block, 0] = scale * (left_left[0] * u + left_right[0] * v)
        vocals[block, 1] = scale * (left_right[0].conj() * u + right_right[0] * v)
    return vocals


def _covariances(
    spectra: Spectra, mask: Masks
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.complex64]]:
    """Left-left, right-right and left-right of the vocals and of the rest, ``(2, bins)``; the two powers' mean is 1."""
    sums = np.zeros((2, 4, spectra.shape[-1]), np.float64)
    for block in _blocks(len(spectra)):
        x, y = spectra[block, 0], spectra[block, 1]
        cross = x * y.conj()
        left_power, right_power = _squared(x), _squared(y)
        for source, (gain_left, gain_right) in enumerate(_gains(mask[block])):
            both = gain_left * gain_right
            sums[source, 0] += (gain_left * gain_left * left_power).sum(axis=0)
            sums[source, 1] += (gain_right * gain_right * right_power).sum(axis=0)
            sums[source, 2] += (both * cross.real).sum(axis=0)
            sums[source, 3] += (both * cross.imag).sum(axis=0)
    power = (sums[:, 0] + sums[:, 1]) / 2 + 1e-9
    covariance = (sums / power[:, None]).astype(np.float32)
    left_right = (covariance[:, 2] + 1j * covariance[:, 3]).astype(np.complex64)
    return covariance[:, 0], covariance[:, 1], left_right


def presence(spectra: Spectra, mask: Masks, floor_db: float) -> NDArray[np.float32]:
    """A gain per frame: 1 while somebody sings, falling to 0 where nobody does; one half at ``floor_db``.

    ``a^2 / (a^2 + floor^2)``, where ``a`` is the share of the masked power in that of the mixture over 3 s around the
    frame. What soft masks let through of a band that plays alone is 26 dB and more below it; a voice is far above.
    """
    powers = np.zeros((2, len(spectra)))
    for block in _blocks(len(spectra)):
        power = _squared(spectra[block])
        gain = mask[block]
        powers[0, block] = (gain * gain * power).sum(axis=(1, 2))
        powers[1, block] = power.sum(axis=(1, 2))
    sums = np.concatenate([np.zeros((2, 1)), np.cumsum(powers, axis=1)], axis=1)
    frames = np.arange(len(spectra))
    begin, end = (
        np.maximum(frames - _PRESENCE_FRAMES // 2, 0),
        np.minimum(frames + _PRESENCE_FRAMES // 2 + 1, len(frames)),
    )
    vocals, mixture = sums[:, end] - sums[:, begin]
    share = vocals / np.maximum(mixture, 1e-6)
    gain_: NDArray[np.float64] = share**2 / (share**2 + 10 ** (floor_db / 5))
    return gain_.astype(np.float32)


def _gains(mask: Masks) -> tuple[tuple[Masks, Masks], tuple[Masks, Masks]]:
    """Left and right gain of the vocals and of the rest."""
    left, right = mask[:, 0], mask[:, 1]
    return (left, right), (1 - left, 1 - right)


def estimated_vocals(
    spectra: Spectra, fractions: Fractions, stem: int, routing: NDArray[np.float32], settings: SeparationSettings
) -> Spectra:
    """The vocals of ``spectra``, ``(frames, channels, bins of the transform)``.

    ``fractions``: ``(stems, 2, frames, bins of the network)``. ``routing``: ``(channels, 2)``, which mixture of the
    left and the right mask each channel takes; row sums are 1, or 0 for a channel that holds no voice. The Wiener
    filter takes part for stereo, where both channels are heard as they are.
    """
    fractions = fractions.swapaxes(1, 2)
    if settings.mask == "ratio":
        masks = ratio_mask(fractions, stem, settings.mask_exponent)
    else:
        masks = residual_mask(fractions, stem)
    bins = masks.shape[-1]
    routed = mixed(routing, masks)
    result = np.empty_like(spectra)
    band, result_band = spectra[..., :bins], result[..., :bins]
    np.multiply(band, routed, out=result_band)
    sharp = ratio_mask(fractions, stem, _DIRECTION_EXPONENT)
    if settings.wiener_share and np.array_equal(routing, np.eye(2)):
        share = np.float32(settings.wiener_share)
        filtered = wiener_vocals(band, sharp, ratio_mask(fractions, stem, _POWER_EXPONENT))
        result_band *= 1 - share
        filtered *= share
        result_band += filtered
    above = routed[..., -_TOP_BINS:].mean(axis=-1, keepdims=True) * np.float32(settings.extension_gain)
    np.multiply(spectra[..., bins:], above, out=result[..., bins:])
    if settings.presence_floor_db is not None:
        result *= presence(band, mixed(routing, sharp), settings.presence_floor_db)[:, None, None]
    return result
