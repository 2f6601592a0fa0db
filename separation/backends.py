"""Where masks come from: one ``Protocol``, and the adapter that runs the network in this process on the CPU."""

import os
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from separation.errors import ModelAnswerInvalid, ModelError
from separation.memory import return_large_blocks
from separation.registry import ModelManifest

# Keeps 0/0 out of masks where no network finds anything.
_RATIO_EPSILON = np.float32(1e-10)


class MaskModel(Protocol):
    """Turns magnitude patches into soft masks. Thread-safe; blocks until the answer is there."""

    @property
    def manifest(self) -> ModelManifest:
        """What the model is: rate, transform, patch, stems, digest, licence."""

    def masks(self, magnitudes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Masks between 0 and 1 for each stem, summing to 1 over the stems.

        ``magnitudes``: ``(patches, 2, frames, bins)``, absolute values of an unscaled STFT. The answer has the shape
        ``(patches, stems, 2, frames, bins)``, stems in the manifest's order. One patch's masks do not depend on
        the other patches of the call.

        Raises ``ModelAnswerInvalid`` for a wrong shape or numbers that are not finite.
        """

    def fractions(self, magnitudes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Each network's own estimate of its stem's magnitude over that of the mixture, between 0 and 1.

        Shapes, errors and independence as for ``masks``, but the stems are estimated one by one and need not sum to
        1. The masks are the ratio of their squares. A model that knows only masks answers those.
        """

    def rest(self) -> None:
        """Called after each song: gives back memory that only a running song needs. Harmless while another runs."""


def default_threads() -> int:
    """The processors that this process may use, which in a container is fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def checked_masks(
    masks: NDArray[np.float32], magnitudes: NDArray[np.float32], manifest: ModelManifest
) -> NDArray[np.float32]:
    """``masks`` if they are an answer to ``magnitudes``, else ``ModelAnswerInvalid``. For every adapter."""
    expected = (len(magnitudes), len(manifest.stems), *magnitudes.shape[1:])
    if masks.shape != expected or masks.dtype != np.float32:
        raise ModelAnswerInvalid(f"The model answered {masks.dtype}{masks.shape} where float32{expected} was expected.")
    # One NaN or infinity makes the sum one; cheaper than looking at every number twice.
    if not np.isfinite(masks.sum(dtype=np.float64)):
        raise ModelAnswerInvalid("The model answered with numbers that are not finite.")
    return masks


class OnnxMaskModel:
    """The network in ONNX Runtime on the CPU, in this process.

    ``threads`` bounds the processors used by one call; several models in one process do not share them. Working memory
    is kept from patch to patch, for the kernel takes a fifth of the time to hand it out anew; ``rest`` gives it back.
    For that, loading a model changes how the process allocates (``separation.memory``).
    """

    def __init__(self, path: Path, manifest: ModelManifest, *, threads: int | None = None) -> None:
        import onnxruntime  # type: ignore[import-untyped]

        return_large_blocks()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or default_threads()
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Threads that spin while they wait take the processors from decoding and from the neighbours.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            provider = ("CPUExecutionProvider", {"arena_extend_strategy": "kSameAsRequested"})
            self._session = onnxruntime.InferenceSession(str(path), options, providers=[provider])
        except Exception as error:  # the runtime raises its own types, all direct children of Exception
            raise ModelError(f"The model {manifest.name} cannot be loaded: {error}") from error
        # Some networks know only how stems share the mixture.
        outputs = [output.name for output in self._session.get_outputs()]
        self._output = "fractions" if "fractions" in outputs else "masks"
        self._manifest = manifest
        self._shrink = onnxruntime.RunOptions()
        self._shrink.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")

    @property
    def manifest(self) -> ModelManifest:
        return self._manifest

    def masks(self, magnitudes: NDArray[np.float32]) -> NDArray[np.float32]:
        answer = self.fractions(magnitudes)
        if self._output == "fractions":
            np.square(answer, out=answer)
            answer += _RATIO_EPSILON
            answer /= answer.sum(axis=1, keepdims=True)
        return answer

    def fractions(self, magnitudes: NDArray[np.float32]) -> NDArray[np.float32]:
        # Patch by patch: a larger batch is not faster on a CPU, needs more memory, and would let rounding depend on how
        # the patches were grouped.
        answers = [self._session.run([self._output], {"magnitudes": patch[None]})[0] for patch in magnitudes]
        answer = answers[0] if len(answers) == 1 else np.concatenate(answers)
        return checked_masks(answer, magnitudes, self._manifest)

    def rest(self) -> None:
        # The runtime gives memory back at the end of a run only, so this is a run of no patches.
        patch = (2, self._manifest.frames, self._manifest.bins)
        self._session.run([self._output], {"magnitudes": np.empty((0, *patch), np.float32)}, self._shrink)
