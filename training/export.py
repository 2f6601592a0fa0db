"""From a checkpoint to a model that the engine loads: ONNX file, manifest and card.

The graph is written by the importer's ``build_model``, so trained and imported networks are one and the same graph to
every backend. What was written is run by ONNX Runtime and compared with the network before anybody sees the folder.
"""

import copy
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper

from separation.machine.drafts import draft
from separation.machine.hashing import sha256_of
from separation.machine.telemetry import forbid_telemetry
from separation.models.importers.unet import build_model
from separation.models.repository import ModelRepository
from separation.models.spec import ModelManifest
from separation.models.unet import ARCHITECTURE, CHANNELS, FFT_SIZE, HOP, SAMPLE_RATE_HZ
from training import checkpoint as checkpoints
from training.config import RunConfig
from training.errors import ParityFailed
from training.network import SeparationNetwork

Doubles = NDArray[np.float64]

PARITY = 1e-5
"""What the file's masks may differ by from the network's (record 0133)."""

# The narrowest patch in which every weight of the deepest level meets a number that is not padding.
_EXACT_BINS = 128

_SEPARATOR = "; "

PUBLISHED_LICENCE = "MIT (Spleeter's weights, trained on Deezer's own catalogue)"

_CARD = """\
# {name}

A U-Net per stem ({stems}), {parameters:,} parameters in all, trained by `python -m training` for {steps:,} steps.
Input: magnitudes of a {fft_size}-point STFT (periodic Hann, hop {hop}) of {rate} Hz stereo, patches of {frames} frames
and {bins} bins. Output: for each stem its estimated magnitude over the mixture's, between 0 and 1.

- Licence: {licence}
- Began with: {start}
- Trained on: {data}
- Validation loss (L1 of magnitudes): {loss:.4f}
- Difference of this file's masks from the network's: at most {difference.exact:.1e} in float64; computed by ONNX
  Runtime in float32, RMS {difference.rms:.1e}, at most {difference.worst:.1e}
- Digest: `{digest}`

Measured quality stands in `evaluation.json` beside this card once `python -m training register` has accepted the model.

The configuration of the run:

```json
{config}
```
"""


def patch_of_music(frames: int, bins: int) -> NDArray[np.float32]:
    """Magnitudes like music's: falling with frequency, with silent and loud frames; ``(1, 2, frames, bins)``."""
    random = np.random.default_rng(0)
    spectrum = 300 / (1 + np.arange(bins) / 20)
    loudness = np.clip(np.sin(np.arange(frames) / 30), 0, 1)[:, None]
    return np.asarray(random.gamma(1.0, 1.0, (1, 2, frames, bins)) * spectrum * loudness, np.float32)


@dataclass(frozen=True)
class Difference:
    """Of the masks of an ONNX file from those of the network that it was written from."""

    exact: float
    """The largest one where the file, like the network, is computed in float64: what is wrong with the file itself."""
    rms: float
    """Of ONNX Runtime's answer in float32, rounding and all."""
    worst: float
    """The largest one of that."""

    @property
    def is_parity(self) -> bool:
        return self.exact <= PARITY and self.rms <= PARITY


def difference_of(network: SeparationNetwork, onnx_file: Path, frames: int, bins: int) -> Difference:
    """Compares the file's answers with the network's in float64, on a patch like music."""
    forbid_telemetry()
    import onnxruntime
    from onnx.reference import ReferenceEvaluator

    exact_network = copy.deepcopy(network).cpu().double().eval()

    def error(answer: NDArray[Any], patch: NDArray[np.float32]) -> NDArray[np.float64]:
        with torch.no_grad():
            expected = exact_network(torch.from_numpy(patch).double()).numpy()
        return np.asarray(np.abs(answer - expected), np.float64)

    narrow, patch = patch_of_music(frames, min(bins, _EXACT_BINS)), patch_of_music(frames, bins)
    evaluator: Any = ReferenceEvaluator(in_float64(onnx.load(onnx_file)), new_ops=[_transposed_convolution()])
    (in_doubles,) = evaluator.run(None, {"magnitudes": narrow.astype(np.float64)})
    session = onnxruntime.InferenceSession(str(onnx_file), providers=["CPUExecutionProvider"])
    (in_floats,) = session.run(None, {"magnitudes": patch})
    rounded = error(in_floats, patch)
    return Difference(
        exact=float(error(in_doubles, narrow).max()),
        rms=float(np.sqrt(np.mean(rounded**2))),
        worst=float(rounded.max()),
    )


def _transposed_convolution() -> type[Any]:
    """ConvTranspose as the networks have it: two axes, one group, no dilation.

    ONNX's own reference adds up the output number by number in Python, which took half of a comparison.
    """
    from onnx.reference.op_run import OpRun

    class ConvTranspose(OpRun):
        op_domain = ""

        def _run(
            self, x: Doubles, weights: Doubles, bias: Doubles, *, pads: list[int], strides: list[int], **_: object
        ) -> tuple[Doubles]:
            (rows, columns), (down, across), (top, left, bottom, right) = x.shape[2:], strides, pads
            high, wide = weights.shape[2:]
            whole = np.zeros(
                (len(x), weights.shape[1], (rows - 1) * down + high, (columns - 1) * across + wide), x.dtype
            )
            for row in range(high):
                for column in range(wide):
                    share = np.einsum("nihw,io->nohw", x, weights[:, :, row, column], optimize=True)
                    whole[:, :, row : row + rows * down : down, column : column + columns * across : across] += share
            kept = whole[:, :, top : whole.shape[2] - bottom, left : whole.shape[3] - right]
            return (kept + bias[:, None, None],)

    return ConvTranspose


def in_float64(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph with the same weights, to be computed in twice the precision."""
    wide = onnx.ModelProto()
    wide.CopyFrom(model)
    for weight in wide.graph.initializer:
        if weight.data_type == onnx.TensorProto.FLOAT:
            values = numpy_helper.to_array(weight).astype(np.float64)
            weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    for tensor in (*wide.graph.input, *wide.graph.output):
        tensor.type.tensor_type.elem_type = onnx.TensorProto.DOUBLE
    return wide


def training_data(config: RunConfig) -> list[str]:
    """The data sets of a run with their licences, for manifest and card."""
    sources: Sequence[str] = [f"{source.kind} {source.path} ({source.licence})" for source in config.data.training]
    return list(dict.fromkeys(sources))


def export(checkpoint: Path, repository: ModelRepository, *, name: str, licence: str) -> ModelManifest:
    """Writes the model ``name`` into ``repository``, in place of one of that name.

    ``licence``: of the weights. Raises ``CheckpointInvalid``, and ``ParityFailed`` where file and network differ by
    more than rounding; then nothing is written.
    """
    found = checkpoints.read(checkpoint)
    config, network = found.config, found.network()
    target = repository.folder(name)
    repository.path.mkdir(parents=True, exist_ok=True)
    with draft(repository.path) as scratch:
        made = scratch / name
        file = made / "1" / "model.onnx"
        file.parent.mkdir(parents=True)
        model = build_model(network.weights(), frames=config.patch.frames)
        file.write_bytes(model.SerializeToString(deterministic=True))
        difference = difference_of(network, file, config.patch.frames, config.patch.bins)
        if not difference.is_parity:
            raise ParityFailed(
                f"The file's masks differ from the network's by up to {difference.exact:.1e}, as ONNX Runtime computes "
                f"them by {difference.rms:.1e} (RMS); {PARITY:.0e} is permitted."
            )
        data = training_data(config)
        start = PUBLISHED_LICENCE if config.network.start == "published" else config.network.start
        manifest = ModelManifest(
            name=name,
            digest=f"sha256:{sha256_of(file)}",
            licence=licence,
            source={
                "checkpoint_sha256": sha256_of(checkpoint),
                "steps": str(found.reached.steps),
                "start": start,
                "training_data": _SEPARATOR.join(data),
                "training_licences": _SEPARATOR.join(found.licences),
            },
            sample_rate_hz=SAMPLE_RATE_HZ,
            fft_size=FFT_SIZE,
            hop=HOP,
            frames=config.patch.frames,
            bins=config.patch.bins,
            stems=config.network.stems,
            # The kernels of the processor know the width of the published networks.
            architecture=ARCHITECTURE if config.network.channels == CHANNELS[1] else None,
        )
        card = _CARD.format(
            name=name,
            stems=", ".join(config.network.stems),
            parameters=sum(parameter.numel() for parameter in network.parameters()),
            steps=found.reached.steps,
            fft_size=FFT_SIZE,
            hop=HOP,
            rate=SAMPLE_RATE_HZ,
            frames=config.patch.frames,
            bins=config.patch.bins,
            licence=licence,
            start=start,
            data=_SEPARATOR.join(data),
            loss=found.reached.best_loss,
            difference=difference,
            digest=manifest.digest,
            config=json.dumps(config.model_dump(mode="json"), indent=2),
        )
        (made / "manifest.json").write_text(manifest.to_json(), encoding="utf-8")
        (made / "README.md").write_text(card, encoding="utf-8")
        if target.exists():
            shutil.move(target, scratch / "replaced")
        made.rename(target)
    return manifest
