"""Which runtime computes a model: the best that is here and answers the canary rightly.

Figures and reasons behind the order stand in records 0019 and 0113.
"""

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from separation.errors import ModelAnswerInvalid, ModelError, RuntimeMissing
from separation.machine.cache import cache_directory
from separation.machine.notes import is_noted, write_note
from separation.machine.processor import processor_flags
from separation.models.canary import Canary, ask
from separation.models.separator import MaskModel
from separation.models.spec import ModelManifest
from separation.settings import Device

_log = logging.getLogger(__name__)


class LocalModel(MaskModel, Protocol):
    """A model that is computed in this process."""

    @property
    def build(self) -> str | None:
        """What its answers depend on besides the model and the processor; ``None``: on something that nobody knows."""


@dataclass(frozen=True)
class Candidate:
    """A runtime that may compute a model here. ``load`` raises ``ModelError``, ``OSError`` and ``ImportError``."""

    runtime: str
    load: Callable[[], LocalModel]


@dataclass(frozen=True)
class PassedOver:
    """A runtime that was not taken for a model although it is here, and why."""

    model: str
    runtime: str
    reason: str


def candidates(
    path: Path,
    manifest: ModelManifest,
    *,
    threads: int | None = None,
    device: Device = "auto",
    flags: frozenset[str] | None = None,
) -> list[Candidate]:
    """The runtimes for the network in ``path`` that are installed and have the hardware they need, best first.

    ``flags``: the processor's instruction sets, by default this one's. With the device ``gpu`` those on a GPU alone.
    """
    from separation.models.runtimes.onnxruntime import OnnxRuntimeModel, gpu_providers
    from separation.models.runtimes.unet.model import UnetModel, kernels_for

    by_onnxruntime = partial(OnnxRuntimeModel, path, manifest, threads=threads)
    found = []
    if device != "cpu" and (providers := gpu_providers()):
        found.append(
            Candidate("onnxruntime on a GPU", partial(_on_a_gpu, partial(by_onnxruntime, providers=providers)))
        )
    if device == "gpu":
        return found
    for kernels in kernels_for(manifest, processor_flags() if flags is None else flags):
        name = f"winograd {kernels.stem.removeprefix('kernels-')}"
        found.append(Candidate(name, partial(UnetModel, path, manifest, threads=threads, kernels=kernels)))
    if find_spec("onnxruntime"):
        found.append(Candidate("onnxruntime", by_onnxruntime))
    return found


def open_model(
    path: Path,
    manifest: ModelManifest,
    canary: Canary | None,
    *,
    threads: int | None = None,
    device: Device = "auto",
    remember: bool = True,
    on_passed_over: Callable[[PassedOver], None] = lambda _: None,
) -> MaskModel:
    """The network in ``path`` on the best runtime that can be had here and answers the canary rightly.

    ``threads`` bounds the processors of one call. ``remember``, ``on_passed_over``: as for ``first_right``. Every
    runtime computes in float32: all machines of a fleet answer the same to about 1e-5.

    Raises ``RuntimeMissing`` where there is no runtime, ``ModelAnswerInvalid`` where none answers rightly,
    ``ModelError`` where none can load the file.
    """
    found = candidates(path, manifest, threads=threads, device=device)
    if not found and device == "gpu":
        raise RuntimeMissing("No GPU can be used: it needs an NVIDIA driver and `pip install stemwright[gpu]`.")
    return first_right(found, manifest, canary, remember=remember, on_passed_over=on_passed_over)


def reference_model(path: Path, manifest: ModelManifest) -> MaskModel:
    """The network in ``path`` as others are to answer it: by what computes the file as it is, where that is installed.

    Raises as ``open_model``.
    """
    return first_right(candidates(path, manifest, device="cpu")[::-1], manifest, None, remember=False)


def first_right(
    found: Sequence[Candidate],
    manifest: ModelManifest,
    canary: Canary | None,
    *,
    remember: bool = True,
    on_passed_over: Callable[[PassedOver], None] = lambda _: None,
) -> MaskModel:
    """The first of ``found`` that can be loaded and answers rightly; the others are logged and told.

    With ``remember`` a runtime is not asked that answered rightly before, as it is, on this processor. Raises as
    ``open_model``.
    """
    failures: list[ModelError | OSError | ImportError] = []
    for candidate in found:
        try:
            model = candidate.load()
            _ask(model, candidate.runtime, canary, remember)
        except (ModelError, OSError, ImportError) as error:
            failures.append(error)
            _log.warning("the runtime %s is passed over for %s: %s", candidate.runtime, manifest.name, error)
            on_passed_over(PassedOver(manifest.name, candidate.runtime, str(error)))
        else:
            return model
    if not failures:
        raise RuntimeMissing("No runtime for the network is installed; run: pip install stemwright[cpu]")
    wrong = any(isinstance(error, ModelAnswerInvalid) for error in failures)
    if len(failures) == 1 and not wrong and isinstance(failures[0], ModelError):
        raise failures[0]
    broken = all(isinstance(error, RuntimeMissing | OSError | ImportError) for error in failures)
    reasons = " ".join(f"{one.runtime}: {error}" for one, error in zip(found, failures, strict=True))
    raise (ModelAnswerInvalid if wrong else RuntimeMissing if broken else ModelError)(
        f"No runtime computes the model {manifest.name} here; import it again or install Stemwright again. {reasons}"
    )


def _on_a_gpu(load: Callable[[], LocalModel]) -> LocalModel:
    """A session for a GPU that did not come up computes on the CPU, where others are faster."""
    model = load()
    if model.device == "cpu":
        raise RuntimeMissing(f"The GPU cannot be used: {model.runtime} computes on {model.device}.")
    return model


def _ask(model: LocalModel, runtime: str, canary: Canary | None, remember: bool) -> None:
    manifest = model.manifest
    note = (
        cache_directory() / "canaries" / f"{manifest.digest.removeprefix('sha256:')[:32]}-{runtime.replace(' ', '-')}"
    )
    facts = json.dumps(
        {
            "model": manifest.digest,
            "runtime": model.runtime,
            "build": model.build,
            "processor": sorted(processor_flags()),
            "canary": sha256(canary.to_json().encode()).hexdigest() if canary else None,
        }
    )
    if remember and model.build is not None and is_noted(note, facts):
        return
    ask(model, canary)
    model.rest()
    if model.build is not None:
        write_note(note, facts)
