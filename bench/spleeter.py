"""Spleeter's own way from the networks' answers to the vocals, which the engine's is compared with.

One silent frame first, patches side by side, the last one completed with silence; for each channel its own ratio of
squares; nothing above the networks' band; the phase of the mixture.
"""

import numpy as np
from numpy.typing import NDArray

from separation.models.mask.estimate import ratio_mask
from separation.models.separator import MaskModel
from separation.spectral.stft import StreamingIstft, StreamingStft, frame_count

Samples = NDArray[np.float32]

_EXPONENT = 2.0


def vocals_by_spleeter(model: MaskModel, mixture: Samples) -> Samples:
    """``mixture``: ``(samples, 2)`` at the model's rate, as a whole, and so its vocals."""
    spec = model.manifest
    stem, lead = spec.stems.index("vocals"), spec.fft_size - spec.hop
    stft = StreamingStft(2, spec.fft_size, spec.hop)
    whole = stft.push(mixture)
    spectra = np.concatenate([whole, stft.finish(frame_count(len(mixture), spec.fft_size, spec.hop) - len(whole))])
    spectra[:, :, spec.bins :] = 0
    for begin in range(-1, len(spectra), spec.frames):
        part = spectra[max(0, begin) : begin + spec.frames, :, : spec.bins]
        silent = max(0, -begin)
        patch = np.zeros((2, spec.frames, spec.bins), np.float32)
        patch[:, silent : silent + len(part)] = np.abs(part).swapaxes(0, 1)
        mask = ratio_mask(model.fractions(patch[None])[0], stem, _EXPONENT)
        part *= mask[:, silent : silent + len(part)].swapaxes(0, 1)
    return StreamingIstft(2, spec.fft_size, spec.hop).push(spectra)[lead : lead + len(mixture)]
