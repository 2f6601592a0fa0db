"""A second Wiener filter, made of the first one's answer: a little better and much slower, and so not in the engine.

As in record 0017, but on the finished vocals of a whole song, in stretches as long as a patch.
"""

import numpy as np
from numpy.typing import NDArray

from separation.models.spec import ModelManifest
from separation.spectral.loops import add_covariances, add_filtered
from separation.spectral.stft import StreamingIstft, StreamingStft, frame_count

Samples = NDArray[np.float32]
Spectra = NDArray[np.complex64]

# Of the powers of an estimate: the first filter has sharpened them already.
_EXPONENT = 0.75
_LEAST, _REGULARISATION = 1e-7, 1e-3


def filtered_again(mixture: Samples, vocals: Samples, spec: ModelManifest, share: float) -> Samples:
    """``vocals`` and ``mixture``: ``(samples, 2)`` at the model's rate. ``share`` of the answer is the filter's."""
    whole, estimate = (_spectra(samples, spec) for samples in (mixture, vocals))
    for begin in range(0, len(whole), spec.frames):
        _filter(estimate[begin : begin + spec.frames], whole[begin : begin + spec.frames], spec.bins, share)
    lead = spec.fft_size - spec.hop
    return StreamingIstft(2, spec.fft_size, spec.hop).push(estimate)[lead : lead + len(mixture)]


def _spectra(samples: Samples, spec: ModelManifest) -> Spectra:
    stft = StreamingStft(2, spec.fft_size, spec.hop)
    whole = stft.push(samples)
    return np.concatenate([whole, stft.finish(frame_count(len(samples), spec.fft_size, spec.hop) - len(whole))])


def _filter(vocals: Spectra, mixture: Spectra, bins: int, share: float) -> None:
    """``(frames, 2, bins of the transform)``; ``vocals`` are overwritten in the lowest ``bins``."""
    band, heard = (np.ascontiguousarray(spectra[..., :bins]) for spectra in (vocals, mixture))
    everything = np.ones((len(band), 1, bins), np.float32)
    sums = np.zeros((2, 4, bins), np.float64)
    for source, place in zip((band, heard - band), sums, strict=True):
        add_covariances(source, everything, place)
    total = (sums[:, 0] + sums[:, 1]) / 2 + 1e-9
    own, rest = (np.square(np.abs(source)) ** np.float32(_EXPONENT) for source in (band, heard - band))
    power = np.square(np.abs(heard))
    own *= power / (own + rest + np.float32(_LEAST))
    add_filtered(
        *(band, (1 - share) * everything, heard, (own.sum(axis=1), (power - own).sum(axis=1))),
        (sums / total[:, None]).astype(np.float32),
        regularisation=_REGULARISATION,
        least=_LEAST,
        share=share,
    )
    vocals[..., :bins] = band
