"""A network of four stems that an operator might bring: small, real ONNX, and no stem is like another one."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

STEMS = ("vocals", "drums", "bass", "other")


def write_toy_network(
    path: Path,
    *,
    seed: int = 0,
    name: str = "magnitudes",
    stems: int = 4,
    gain: float = 1.0,
    bins: str | int = "bins",
    frames: int = 512,
    looks_at_batch: bool = False,
) -> Path:
    """An ONNX file whose stems are squashed lines of the logarithm of the magnitude. The rest makes it break a rule."""
    random = np.random.default_rng(seed)
    slopes = random.uniform(-1, 0, (1, stems, 1, 1, 1))
    slopes[:, 0] += 1  # the louder, the more it is a voice
    constants: dict[str, NDArray[Any]] = {
        "one": np.ones(1, np.float32),
        "axis": np.ones(1, np.int64),
        "slopes": slopes.astype(np.float32),
        "offsets": random.uniform(-2, 2, (1, stems, 1, 1, 1)).astype(np.float32),
        "gain": np.full(1, gain, np.float32),
    }
    nodes = [
        helper.make_node("ReduceMean", [name], ["mean"], axes=[0], keepdims=1),
        helper.make_node(
            "Sub" if looks_at_batch else "Identity", [name, "mean"] if looks_at_batch else [name], ["own"]
        ),
        helper.make_node("Abs", ["own"], ["size"]),
        helper.make_node("Add", ["size", "one"], ["above one"]),
        helper.make_node("Log", ["above one"], ["logarithm"]),
        helper.make_node("Unsqueeze", ["logarithm", "axis"], ["wide"]),
        helper.make_node("Mul", ["wide", "slopes"], ["sloped"]),
        helper.make_node("Add", ["sloped", "offsets"], ["lines"]),
        helper.make_node("Sigmoid", ["lines"], ["squashed"]),
        helper.make_node("Mul", ["squashed", "gain"], ["fractions"]),
    ]
    graph = helper.make_graph(
        nodes if looks_at_batch else nodes[1:],
        "toy",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 2, frames, bins])],
        [helper.make_tensor_value_info("fractions", TensorProto.FLOAT, ["batch", stems, 2, frames, bins])],
        [numpy_helper.from_array(value, key) for key, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path))
    return path
