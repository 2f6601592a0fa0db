"""Writes Spleeter's U-Net as an ONNX graph from its weights; no training framework takes part.

The network: R. Hennequin, A. Khlif, F. Voituret, M. Moussallam, "Spleeter: a fast and efficient music source
separation tool with pre-trained models", JOSS 5(50), 2020; after A. Jansson et al., "Singing voice separation with deep
U-Net convolutional networks", ISMIR 2017. One such network per stem, all fed with the same magnitudes:

* six times: convolution 5x5, stride 2, then batch norm and leaky ReLU (0.2) on the way down. The skip connection
  leaves *before* the batch norm, so the norm cannot be folded into that convolution and stays a node.
* six times: transposed convolution 5x5, stride 2, then ReLU, then batch norm on the way up.
* convolution 4x4, dilation 2, sigmoid: an estimate of the stem as a fraction of the mixture's magnitude.

A transposed convolution is written as four plain ones, a phase each (``phases.py``), whose answers are laid
between each other: the same multiplications take two thirds of the time in ONNX Runtime on a CPU (record 0019).

Batch norm after ReLU is ``s * max(z, 0) + t``; for ``s > 0`` that equals ``max(s*z + t, t)``, so scale and shift go
into the transposed convolution before it and one ``Max`` is all that remains. The identity is exact in real numbers.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from separation.errors import ModelError
from separation.models.importers.checkpoint import Weights
from separation.models.importers.phases import split_into_phases
from separation.models.unet import BATCH_NORM_EPSILON, DEPTH, LEAKY_RELU_SLOPE, PAD_AFTER, PAD_BEFORE

# Plain operators that every runtime and every Triton release in use knows; nothing newer is needed.
OPSET = 17
IR_VERSION = 8

_PADS = [PAD_BEFORE, PAD_BEFORE, PAD_AFTER, PAD_AFTER]


class _Graph:
    """Nodes and weights in the order in which they were added."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def weight(self, name: str, value: NDArray[Any]) -> str:
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(value, np.float32), name))
        return name

    def integers(self, name: str, values: Sequence[int]) -> str:
        """A constant that several nodes may share."""
        if all(known.name != name for known in self.weights):
            self.weights.append(numpy_helper.from_array(np.array(values, np.int64), name))
        return name

    def add(self, operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(operator, list(inputs), [output], name=output, **attributes))
        return output


def _scale_and_shift(weights: Weights, layer: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Inference-time batch norm as ``scale * x + shift``, per channel."""
    variance = weights[f"{layer}.running_var"].astype(np.float64)
    scale = weights[f"{layer}.weight"].astype(np.float64) / np.sqrt(variance + BATCH_NORM_EPSILON)
    shift = weights[f"{layer}.bias"] - scale * weights[f"{layer}.running_mean"]
    return scale, shift


def _add_transposed_convolution(
    graph: _Graph, source: str, kernel: NDArray[np.float64], bias: NDArray[np.float64], name: str, lines: int
) -> str:
    """``kernel``: ``(inputs, outputs, 5, 5)``; ``lines`` of the answer. Returns twice as many lines and columns."""
    phases = split_into_phases(kernel)
    pairs = []
    for row in (0, 1):
        columns = []
        for column in (0, 1):
            place = f"{name}/{row}{column}"
            phase = graph.weight(f"{place}.weight", phases[2 * row + column])
            inputs = [source, phase, graph.weight(f"{place}.bias", bias)]
            answer = graph.add("Conv", inputs, place, pads=[1, 1, row, column])
            columns.append(graph.add("Unsqueeze", [answer, graph.integers("first", [0])], f"{place}/stacked"))
        # Even columns, odd columns: side by side, then one after the other within each line.
        both = graph.add("Concat", columns, f"{name}/{row}/both", axis=0)
        turned = graph.add("Transpose", [both], f"{name}/{row}/turned", perm=[1, 2, 3, 4, 0])
        pairs.append(graph.add("Reshape", [turned, graph.integers("lines", [0, 0, 0, -1])], f"{name}/{row}"))
    # An even and an odd line in one of twice the length, which is then cut in two.
    twice = graph.add("Concat", pairs, f"{name}/pairs", axis=3)
    return graph.add("Reshape", [twice, graph.integers(f"{lines}_lines", [0, 0, lines, -1])], name)


def _add_network(graph: _Graph, stem: str, weights: Weights, frames: int) -> str:
    """Adds one U-Net; returns the tensor of its estimate as a fraction of the mixture, of the input's shape."""

    def name(part: str) -> str:
        return f"{stem}/{part}"

    skips: list[str] = []
    current = "magnitudes"
    for level in range(1, DEPTH + 1):
        layer = f"down{level}_conv.1"
        current = graph.add(
            "Conv",
            [
                current,
                graph.weight(name(f"{layer}.weight"), weights[f"{layer}.weight"]),
                graph.weight(name(f"{layer}.bias"), weights[f"{layer}.bias"]),
            ],
            name(f"down{level}"),
            strides=[2, 2],
            pads=_PADS,
        )
        skips.append(current)
        if level < DEPTH:  # the deepest level's norm and activation lead nowhere in the published network
            norm = f"down{level}_act.0"
            parameters = [
                graph.weight(name(f"{norm}.{part}"), weights[f"{norm}.{part}"])
                for part in ("weight", "bias", "running_mean", "running_var")
            ]
            current = graph.add(
                "BatchNormalization", [current, *parameters], name(f"norm{level}"), epsilon=BATCH_NORM_EPSILON
            )
            current = graph.add("LeakyRelu", [current], name(f"act{level}"), alpha=LEAKY_RELU_SLOPE)

    current = skips.pop()
    for level in range(1, DEPTH + 1):
        if level > 1:
            current = graph.add("Concat", [skips.pop(), current], name(f"concat{level}"), axis=1)
        scale, shift = _scale_and_shift(weights, f"up{level}.3")
        if not (scale > 0).all():
            raise ModelError("A batch norm has a scale that is not positive: it cannot be folded behind its ReLU.")
        kernel = weights[f"up{level}.0.weight"] * scale[None, :, None, None]
        bias = weights[f"up{level}.0.bias"] * scale + shift
        if level < DEPTH:
            lines = frames >> (DEPTH - level)
            current = _add_transposed_convolution(graph, current, kernel, bias, name(f"up{level}"), lines)
        else:  # one channel alone is no faster in phases
            inputs = [
                current,
                graph.weight(name(f"up{level}.weight"), kernel),
                graph.weight(name(f"up{level}.bias"), bias),
            ]
            current = graph.add("ConvTranspose", inputs, name(f"up{level}"), strides=[2, 2], pads=_PADS)
        floor = graph.weight(name(f"up{level}.floor"), shift.astype(np.float32)[None, :, None, None])
        current = graph.add("Max", [current, floor], name(f"floor{level}"))

    current = graph.add(
        "Conv",
        [
            current,
            graph.weight(name("up7.weight"), weights["up7.0.weight"]),
            graph.weight(name("up7.bias"), weights["up7.0.bias"]),
        ],
        name("up7"),
        dilations=[2, 2],
        pads=[3, 3, 3, 3],
    )
    return graph.add("Sigmoid", [current], name("fraction"))


def build_model(stems: Mapping[str, Weights], *, frames: int) -> onnx.ModelProto:
    """One graph with a network per stem, in the mapping's order.

    Input ``magnitudes``: float32 ``(batch, 2, frames, bins)``, of an STFT without any scaling; ``bins`` any multiple of
    64, lowest first. Output ``fractions``: float32 ``(batch, stems, 2, frames, bins)``, each network's estimate of its
    stem's magnitude over the mixture's, between 0 and 1. How estimates become masks is not the graph's business (record
    0010).
    """
    graph = _Graph()
    stem_axis = numpy_helper.from_array(np.array([1], np.int64), "stem_axis")
    graph.weights.append(stem_axis)
    stacked = [
        graph.add("Unsqueeze", [_add_network(graph, stem, weights, frames), stem_axis.name], f"{stem}/stacked")
        for stem, weights in stems.items()
    ]
    graph.add("Concat", stacked, "fractions", axis=1)

    patch: list[int | str | None] = [2, frames, "bins"]
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "unet",
            [helper.make_tensor_value_info("magnitudes", TensorProto.FLOAT, ["batch", *patch])],
            [helper.make_tensor_value_info("fractions", TensorProto.FLOAT, ["batch", len(stems), *patch])],
            initializer=graph.weights,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        producer_name="stemwright",
    )
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model, full_check=True)
    return model
