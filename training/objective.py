"""What training minimises: the L1 distance of masked mixture and target, as magnitudes.

``|| mask(X) * X - Y ||_1`` with the magnitudes X of the mixture and Y of the stem (A. Jansson et al., ISMIR 2017,
section 3.2), as a mean over bins, frames, channels, patches and stems. The magnitudes are the engine's own: windows,
hop and frames as in ``separation.spectral.stft``, no scaling.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from separation.models.unet import FFT_SIZE, HOP


def samples_in(frames: int) -> int:
    """The samples that ``frames`` consecutive frames of the STFT cover."""
    return (frames - 1) * HOP + FFT_SIZE


class Spectrogram(nn.Module):
    """Complex STFT of the lowest ``bins`` bins: samples ``(..., n)`` to ``(..., frames, bins)``."""

    window: Tensor

    def __init__(self, bins: int) -> None:
        super().__init__()
        self.bins = bins
        self.register_buffer("window", torch.hann_window(FFT_SIZE, periodic=True), persistent=False)

    def forward(self, samples: Tensor) -> Tensor:
        flat = samples.reshape(-1, samples.shape[-1])
        spectra = torch.stft(flat, FFT_SIZE, HOP, window=self.window, center=False, return_complex=True)
        spectra = spectra[:, : self.bins].transpose(1, 2)
        return spectra.reshape(*samples.shape[:-1], *spectra.shape[1:])


@dataclass(frozen=True)
class Patches:
    """Magnitudes: ``mixture`` is ``(batch, 2, frames, bins)``, ``stems`` ``(batch, stems, 2, frames, bins)``."""

    mixture: Tensor
    stems: Tensor


@torch.no_grad()
def magnitudes(spectrogram: Spectrogram, stems: Tensor) -> Patches:
    """From the samples of the stems, ``(batch, stems, 2, samples)``, whose sum is the mixture."""
    spectra = spectrogram(stems)
    return Patches(spectra.sum(dim=1).abs(), spectra.abs())


def l1_by_stem(masks: Tensor, patches: Patches) -> Tensor:
    """``(stems,)``: the mean distance for each. Their mean is the loss."""
    distance = (masks.float() * patches.mixture.unsqueeze(1) - patches.stems).abs()
    return distance.mean(dim=(0, 2, 3, 4))
