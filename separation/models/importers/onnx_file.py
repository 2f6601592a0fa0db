"""A model of one's own from an ONNX file. The contract, which is checked:

- One input, ``magnitudes``: float32 ``(batch, 2, frames, bins)``, the absolute values of an unscaled STFT, left and
  right. The batch is free, ``frames`` is fixed, the number of bins is free: patches come whole and as their lowest 256.
- One output of interest: ``fractions``, each stem's own estimate of its magnitude over the mixture's, or ``masks``,
  which sum to 1 over the stems; float32 ``(batch, stems, 2, frames, bins)`` between 0 and 1, for silence too.
- ``vocals`` is among the stems; the engine makes vocals and the song without them. Further stems help it to know what
  is not a voice. No patch's answer depends on the others of its batch.
- Everything is in the one file, in operators of the ONNX standard.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from separation.errors import ModelAnswerInvalid, ModelError
from separation.machine.hashing import sha256_of
from separation.machine.telemetry import forbid_telemetry
from separation.machine.timing import StageClock
from separation.models import unet
from separation.models.canary import canary_patch
from separation.models.mask.analysis import Analysis
from separation.models.mask.looks import joint_fractions
from separation.models.mask.plan import PatchPlan
from separation.models.mask.synthesis import Synthesis
from separation.models.repository import ModelRepository
from separation.models.separator import MaskModel
from separation.models.spec import ModelManifest
from separation.models.versions import Versions
from separation.settings import SeparationSettings

if TYPE_CHECKING:
    from onnx import ValueInfoProto

_CARD = """\
# {name}

Stems: {stems}. Patches of {frames} frames and the lowest {bins} bins of a {fft_size}-point STFT (hop {hop}) at
{sample_rate_hz} Hz.

- Licence: {licence}
- Imported from the file `{file}`.
- Digest: `{digest}`
"""


@dataclass(frozen=True)
class Transform:
    """The magnitudes that the network was trained on: FFT and hop in samples, the lowest ``bins`` of the spectrum."""

    sample_rate_hz: int = unet.SAMPLE_RATE_HZ
    fft_size: int = unet.FFT_SIZE
    hop: int = unet.HOP
    bins: int = unet.BINS


def import_onnx(
    repository: ModelRepository,
    name: str,
    file: Path,
    stems: Sequence[str],
    *,
    licence: str,
    transform: Transform | None = None,
) -> ModelManifest:
    """Checks the network in ``file`` and enters it as a version of ``name``, current if it is the first.

    ``stems`` in the order of the network's output. Raises ``ModelError`` where the contract is not kept.
    """
    transform = transform or Transform()
    frames = _checked(file, stems)

    def write(folder: Path) -> ModelManifest:
        network = folder / "1" / "model.onnx"
        network.parent.mkdir()
        network.write_bytes(file.read_bytes())
        manifest = ModelManifest(
            name=name,
            digest=f"sha256:{sha256_of(network)}",
            licence=licence,
            source={"file": file.name},
            sample_rate_hz=transform.sample_rate_hz,
            fft_size=transform.fft_size,
            hop=transform.hop,
            frames=frames,
            bins=transform.bins,
            stems=tuple(stems),
        )
        (folder / "manifest.json").write_text(manifest.to_json(), encoding="utf-8")
        card = {**vars(manifest), "stems": ", ".join(stems), "file": file.name}
        (folder / "README.md").write_text(_CARD.format(**card), encoding="utf-8")
        _check_answers(ModelRepository(folder.parent), folder.name)
        return manifest

    return Versions(repository, name).add(write)


def _checked(file: Path, stems: Sequence[str]) -> int:
    """The frames of a patch, where input and output are as the contract has them."""
    import onnx
    from onnx.external_data_helper import uses_external_data

    if "vocals" not in stems or len(set(stems)) != len(stems):
        raise ModelError("The stems must be named once each, and vocals be among them.")
    try:
        onnx.checker.check_model(str(file))
        model = onnx.load(file, load_external_data=False)
    except Exception as error:  # onnx and protobuf raise types of their own
        raise ModelError(f"{file.name} is no valid ONNX file: {' '.join(str(error).split())[:200]}") from error
    if any(uses_external_data(tensor) for tensor in model.graph.initializer):
        raise ModelError(f"{file.name} keeps weights in other files; save it as one.")
    inputs = {value.name: value for value in model.graph.input}
    outputs = {value.name: value for value in model.graph.output}
    if set(inputs) != {"magnitudes"}:
        raise ModelError(f"The network takes {', '.join(inputs) or 'nothing'}, not magnitudes alone.")
    if not {"fractions", "masks"} & set(outputs):
        raise ModelError("The network answers neither fractions nor masks.")
    answer = outputs["fractions" if "fractions" in outputs else "masks"]
    shape, answered = _shape(inputs["magnitudes"]), _shape(answer)
    frames = shape[2] if len(shape) == 4 else ""
    free = [axis for axis, size in enumerate(shape) if not isinstance(size, int)]
    if not isinstance(frames, int) or frames % 8 or shape[1] != 2 or free != [0, 3]:
        raise ModelError(f"magnitudes must be (batch, 2, frames, bins) with batch and bins free, not {shape}.")
    if len(answered) != 5 or [answered[1], answered[2]] != [len(stems), 2]:
        raise ModelError(f"{answer.name} must be (batch, {len(stems)}, 2, frames, bins), not {answered}.")
    return frames


def _shape(value: "ValueInfoProto") -> list[int | str]:
    """Numbers where they are fixed, names (or nothing) where they are free."""
    return [dim.dim_value or dim.dim_param for dim in value.type.tensor_type.shape.dim]


def _check_answers(models: ModelRepository, name: str) -> None:
    """Asks for noise, for its lowest bins alone and for silence, and keeps the answer to the first as the canary."""
    forbid_telemetry()
    import onnxruntime

    models.make_canary(name)
    model = models.load(name, device="cpu")
    noise = canary_patch(model.manifest)
    lowest = np.ascontiguousarray(noise[..., : min(SeparationSettings.transposed_bins, model.manifest.bins)])
    for patch in (noise, lowest, np.zeros_like(noise)):
        fractions = model.fractions(patch)
        if fractions.min() < 0 or fractions.max() > 1:
            raise ModelAnswerInvalid("The network answers with numbers outside 0 to 1.")
    # Models here run patch by patch; a server does not.
    session = onnxruntime.InferenceSession(str(models.model_file(name)), providers=["CPUExecutionProvider"])
    answer = "fractions" if "fractions" in {output.name for output in session.get_outputs()} else "masks"
    together = session.run([answer], {"magnitudes": np.concatenate([noise, noise[:, ::-1, ::-1]])})[0]
    if not np.allclose(together[:1], model.fractions(noise), atol=1e-4):
        raise ModelAnswerInvalid("The network's answer to a patch depends on the other patches of its batch.")
    try:
        _separate_noise(model)
    except ValueError as error:
        raise ModelError(f"The engine cannot separate with this network: {error}") from error


def _separate_noise(model: MaskModel) -> None:
    """What no check of numbers foresees shows in a song: a second and a half of noise."""
    length = model.manifest.sample_rate_hz * 3 // 2
    song = np.random.default_rng(0).uniform(-0.5, 0.5, (length, 2)).astype(np.float32)
    plan, clock = PatchPlan(model.manifest, SeparationSettings(), channel_names=("FL", "FR")), StageClock()
    analysis, synthesis = Analysis(plan, clock), Synthesis(plan, clock)
    for patch in analysis.finish(song, length):
        for vocals in synthesis.push(patch, joint_fractions(model, patch.magnitudes, plan.settings)):
            if not np.isfinite(vocals).all():
                raise ModelAnswerInvalid("With this network the stems hold numbers that are not finite.")
