"""The multichannel Wiener filter: where a source stands in the panorama, and what of a mixture comes from there."""

import numpy as np
from numpy.typing import NDArray

from separation.spectral.loops import add_covariances, add_filtered

Masks = NDArray[np.float32]
Spectra = NDArray[np.complex64]
Powers = NDArray[np.float32]

# Keeps 0/0 out of silent bins; small against the square of one step of 16-bit audio in an unscaled spectrum.
_TINY = 1e-7
# Share of the total power that is taken for noise without direction: bounds the inverse.
_REGULARISATION = 1e-3


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
        self._covariances = None
        for sums, gains in zip(self._sums, (mask, 1 - mask), strict=True):
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
