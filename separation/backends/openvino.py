"""The network in OpenVINO, on the CPU: in float32, or in bfloat16 where the processor computes in it."""

from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from separation.backends import Precision, answer_name, default_threads, patch_by_patch, ratio_of_squares
from separation.errors import ModelError
from separation.memory import return_large_blocks
from separation.registry import ModelManifest

if TYPE_CHECKING:
    from openvino import Model


class OpenVinoModel:
    """``MaskModel`` by OpenVINO. One call at a time runs, on ``threads`` processors; others wait for it.

    Loading a model changes how the process allocates (``separation.memory``). Takes about 160 MB, 60 MB of it given
    back by ``rest``.
    """

    def __init__(
        self, path: Path, manifest: ModelManifest, *, threads: int | None = None, precision: Precision = "auto"
    ) -> None:
        import openvino

        threads = threads or default_threads()
        return_large_blocks()
        core = openvino.Core()
        half = precision == "auto" and "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        try:
            model = core.read_model(path)
            output = answer_name([port.get_any_name() for port in model.outputs], manifest)
            # Whole patches, and the lowest bins alone: a network for each would take its weights' memory twice, and one
            # of free size is as fast as one of fixed size.
            model.reshape({"magnitudes": [1, 2, manifest.frames, -1]})
            if half:
                widen_transposed_convolutions(model)
            compiled = core.compile_model(
                model,
                "CPU",
                {
                    "INFERENCE_PRECISION_HINT": "bf16" if half else "f32",
                    "INFERENCE_NUM_THREADS": threads,
                    "NUM_STREAMS": 1,
                    # Pinned threads of two workers would meet on the same processors.
                    "ENABLE_CPU_PINNING": False,
                },
            )
        except RuntimeError as error:  # the runtime's only kind; its texts run over many lines
            reason = str(error).strip().splitlines()[-1] if str(error).strip() else "unknown"
            raise ModelError(f"The model {manifest.name} cannot be loaded: {reason}") from error
        self.threads: int = compiled.get_property("INFERENCE_NUM_THREADS")
        """Processors that a call uses."""
        self._compiled = compiled
        self._output = compiled.output(output)
        self._is_fractions = output == "fractions"
        self._request = compiled.create_infer_request()
        self._lock = Lock()
        self._manifest = manifest
        self._runtime = f"openvino {openvino.__version__.split('-')[0]} {'bf16' if half else 'fp32'}"

    @property
    def manifest(self) -> ModelManifest:
        return self._manifest

    @property
    def device(self) -> str:
        return "cpu"

    @property
    def runtime(self) -> str:
        return self._runtime

    def masks(self, magnitudes: NDArray[np.float32]) -> NDArray[np.float32]:
        answer = self.fractions(magnitudes)
        return ratio_of_squares(answer) if self._is_fractions else answer

    def fractions(self, magnitudes: NDArray[np.float32]) -> NDArray[np.float32]:
        return patch_by_patch(self._run, magnitudes, self._manifest)

    def _run(self, patch: NDArray[np.float32]) -> NDArray[np.float32]:
        with self._lock:
            answers = self._request.infer({"magnitudes": patch}, share_inputs=True, share_outputs=True)
            answer: NDArray[np.float32] = answers[self._output].copy()  # the next call overwrites it
        return answer

    def rest(self) -> None:
        with self._lock:
            self._compiled.release_memory()


def widen_transposed_convolutions(model: "Model") -> None:
    """Replaces each transposed convolution of kernel 5 and stride 2 by a 3x3 convolution and a shuffle; exact.

    An output sample at an even place sees two rows of the kernel, one at an odd place three: four small kernels, one
    per place in a square of two by two, computed as four times the channels and then laid out (W. Shi et al.,
    "Real-time single image and video super-resolution using an efficient sub-pixel convolutional neural network",
    CVPR 2016). A third more multiplications, by kernels that exist in bfloat16.
    """
    from openvino import opset13 as ops
    from openvino.utils import replace_node

    for node in model.get_ops():
        if node.get_type_name() != "ConvolutionBackpropData":
            continue
        attributes = node.get_attributes()
        kernel = node.input_value(1).get_node().get_data()
        begin = list(attributes["pads_begin"])
        if kernel.shape[2:] != (5, 5) or list(attributes["strides"]) != [2, 2] or begin != [1, 1]:
            continue
        data = node.input_value(0)
        wide = ops.convolution(data, ops.constant(phases(kernel)), [1, 1], [1, 1], [1, 1], [1, 1])
        replace_node(node, ops.depth_to_space(wide, "depth_first", 2))


def phases(kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    """``(inputs, outputs, 5, 5)`` of stride 2, one sample cut before, to ``(4 * outputs, inputs, 3, 3)``.

    The output ``2 m + p`` is the sum over ``j`` in -1, 0, 1 of the input ``m + j`` times ``kernel[p + 1 - 2 j]``.
    """
    inputs, outputs = kernel.shape[:2]
    wide = np.zeros((outputs, 2, 2, inputs, 3, 3), np.float32)
    taps = [(place, j, place + 1 - 2 * j) for place in (0, 1) for j in (-1, 0, 1) if 0 <= place + 1 - 2 * j < 5]
    for row_place, row, row_tap in taps:
        for column_place, column, column_tap in taps:
            wide[:, row_place, column_place, :, row + 1, column + 1] = kernel[:, :, row_tap, column_tap].T
    return wide.reshape(4 * outputs, inputs, 3, 3)
