"""The network in OpenVINO, on the CPU: in float32, or in bfloat16 where the processor computes in it."""

from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from separation.backends import answer_name, default_threads, one_by_one, patch_by_patch, ratio_of_squares
from separation.errors import ModelError
from separation.memory import return_large_blocks
from separation.phases import split_into_phases, widened
from separation.registry import ModelManifest
from separation.settings import Precision

if TYPE_CHECKING:
    from openvino import Model, Node


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

    def fractions_of_each(self, images: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        return one_by_one(self.fractions, images)

    def _run(self, patch: NDArray[np.float32]) -> NDArray[np.float32]:
        with self._lock:
            answers = self._request.infer({"magnitudes": patch}, share_inputs=True, share_outputs=True)
            answer: NDArray[np.float32] = answers[self._output].copy()  # the next call overwrites it
        return answer

    def rest(self) -> None:
        with self._lock:
            self._compiled.release_memory()


def widen_transposed_convolutions(model: "Model") -> None:
    """Computes every transposed convolution of stride 2 as one 3x3 convolution of four times the channels; exact.

    In the network's file most are written as four convolutions whose answers are laid between each other. OpenVINO is
    faster with one and a shuffle (W. Shi et al., "Real-time single image and video super-resolution using an efficient
    sub-pixel convolutional neural network", CVPR 2016): a third more multiplications, but no transposition.
    """
    from openvino import opset13 as ops
    from openvino.utils import replace_node

    for node in model.get_ops():
        phases = _phases(node)
        if phases:
            kernels = [phase.input_value(0).get_node().input_value(1).get_node().get_data() for phase in phases]
            source = phases[0].input_value(0).get_node().input_value(0)
            wide = ops.convolution(source, ops.constant(widened(kernels)), [1, 1], [1, 1], [1, 1], [1, 1])
            shuffled = ops.depth_to_space(wide, "depth_first", 2)
            replace_node(node, ops.add(shuffled, phases[0].input_value(1)))
        elif _is_transposed_convolution(node):
            kernels = split_into_phases(node.input_value(1).get_node().get_data())
            wide = ops.convolution(node.input_value(0), ops.constant(widened(kernels)), [1, 1], [1, 1], [1, 1], [1, 1])
            replace_node(node, ops.depth_to_space(wide, "depth_first", 2))


def _phases(node: "Node") -> "list[Node]":
    """The four sums of a convolution and a bias that ``node`` lays between each other; none if it does not."""
    pairs = _source(node, "Reshape", "Concat")
    rows = [_source(pair, "Reshape", "Transpose", "Concat") for pair in _inputs(pairs)] if pairs else []
    sums = [_source(column, "Unsqueeze", "Add") for row in rows if row for column in _inputs(row)]
    found = [one for one in sums if one and one.input_value(0).get_node().get_type_name() == "Convolution"]
    return found if len(found) == 4 else []


def _inputs(node: "Node") -> "list[Node]":
    return [node.input_value(number).get_node() for number in range(node.get_input_size())]


def _source(node: "Node", *kinds: str) -> "Node | None":
    """The last of a chain of nodes of these kinds, each the first input of the one before."""
    for number, kind in enumerate(kinds):
        if number:
            node = node.input_value(0).get_node()
        if node.get_type_name() != kind:
            return None
    return node


def _is_transposed_convolution(node: "Node") -> bool:
    if node.get_type_name() != "ConvolutionBackpropData":
        return False
    attributes = node.get_attributes()
    kernel = tuple(node.input_value(1).get_shape())
    return kernel[2:] == (5, 5) and [*attributes["strides"], *attributes["pads_begin"]] == [2, 2, 1, 1]
