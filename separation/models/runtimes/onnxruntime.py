"""The network in ONNX Runtime: on a GPU by CUDA or TensorRT, or on the CPU."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from separation.errors import ModelError
from separation.machine.memory import return_large_blocks
from separation.machine.quota import default_threads
from separation.machine.telemetry import forbid_telemetry
from separation.models.runtimes.answers import answer_name, one_by_one, patch_by_patch
from separation.models.spec import ModelManifest
from separation.models.unet import BINS_STEP

# Kept from patch to patch: the system takes a fifth of the time to hand the memory out anew.
_CPU = ("CPUExecutionProvider", {"arena_extend_strategy": "kSameAsRequested"})


def built_for_gpus() -> bool:
    """Whether the installed runtime can use a GPU, by what lies in its folder: loading it costs 20 MB and 40 ms."""
    found = find_spec("onnxruntime")
    return bool(found and found.origin and any(Path(found.origin).parent.glob("capi/*providers_cuda*")))


def gpu_providers() -> list[Any]:
    """The runtime's ways to a GPU, best first; empty where it was built without or no driver answers."""
    if not built_for_gpus():
        return []
    forbid_telemetry()
    import onnxruntime

    available = onnxruntime.get_available_providers()
    if "CUDAExecutionProvider" not in available:
        return []
    # TensorRT would build its engines for minutes at the first patch of each width, in every process: it needs a cache
    # and profiles, which a server has and a process of its own has not.
    return [("CUDAExecutionProvider", {"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": 0}), _CPU]


class OnnxRuntimeModel:
    """``MaskModel`` by ONNX Runtime. ``providers`` as the runtime names them, in order of preference.

    ``threads`` bounds the processors used by one call; several models in one process do not share them. Loading a
    model changes how the process allocates (``separation.machine.memory``).
    """

    def __init__(
        self,
        path: Path,
        manifest: ModelManifest,
        *,
        threads: int | None = None,
        providers: Sequence[Any] = (_CPU,),
    ) -> None:
        forbid_telemetry()
        import onnxruntime

        return_large_blocks()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or default_threads()
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Left to itself the arena takes each tensor as it comes, 61 MB for two networks that run one after the other;
        # with the runtime's own plans of what lies where it takes 177 to 350 MB.
        options.enable_mem_pattern = options.enable_mem_reuse = False
        # Threads that spin while they wait take the processors from decoding and from the neighbours.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=list(providers))
        except Exception as error:  # the runtime raises its own types, all direct children of Exception
            raise ModelError(f"The model {manifest.name} cannot be loaded: {error}") from error
        self._output = answer_name([output.name for output in self._session.get_outputs()], manifest)
        if isinstance(self._session.get_inputs()[0].shape[-1], int):
            raise ModelError(f"The model {manifest.name} takes whole patches only; import it again.")
        self._manifest = manifest
        # A GPU that was asked for and did not come up leaves the session on the CPU.
        self._on_gpu = self._session.get_providers()[0] != _CPU[0]
        self._runtime = f"onnxruntime {onnxruntime.__version__} fp32"
        self._shrink = onnxruntime.RunOptions()
        self._shrink.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")

    @property
    def manifest(self) -> ModelManifest:
        return self._manifest

    @property
    def device(self) -> str:
        return "cuda:0" if self._on_gpu else "cpu"

    @property
    def runtime(self) -> str:
        return self._runtime

    @property
    def build(self) -> str | None:
        return None if self._on_gpu else self._runtime  # a driver changes without a word

    def fractions(self, magnitudes: NDArray[np.float32]) -> NDArray[np.float32]:
        return patch_by_patch(self._run, magnitudes, self._manifest)

    def fractions_of_each(self, images: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        return one_by_one(self.fractions, images)

    def _run(self, patch: NDArray[np.float32]) -> NDArray[np.float32]:
        try:
            answer: NDArray[np.float32] = self._session.run([self._output], {"magnitudes": patch})[0]
        except Exception as error:  # as when it is loaded; such as a GPU without memory
            raise ModelError(f"The model {self._manifest.name} could not be computed: {error}") from error
        return answer

    def rest(self) -> None:
        # The runtime gives memory back at the end of a run only, so this is a run of the smallest patch there is.
        patch = np.zeros((1, 2, self._manifest.frames, BINS_STEP), np.float32)
        self._session.run([self._output], {"magnitudes": patch}, self._shrink)
