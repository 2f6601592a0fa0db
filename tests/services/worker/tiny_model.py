"""A model repository whose network gives the same share of everything to each stem: real ONNX, loaded in no time."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from separation.machine.hashing import sha256_of
from separation.models.repository import ModelRepository
from separation.models.spec import ModelManifest

NAME = "tiny-2stems"
VOCALS_SHARE = 0.75


def make_tiny_model(
    path: Path, *, vocals_share: float = VOCALS_SHARE, total: float = 1.0, architecture: str | None = None
) -> ModelManifest:
    """Lays the model out below `path`. With a `total` of 2 and more one of its masks is larger than 1.

    With an `architecture` it claims to be a network that it is not.
    """
    shares = np.array([vocals_share, total - vocals_share], np.float32).reshape(1, 2, 1, 1, 1)
    shape: list[str | int | None] = ["patches", 2, 512, "bins"]
    graph = helper.make_graph(
        [
            helper.make_node("Unsqueeze", ["magnitudes", "axis"], ["wide"]),
            helper.make_node("Mul", ["wide", "zero"], ["nothing"]),
            helper.make_node("Add", ["nothing", "shares"], ["masks"]),
        ],
        "tiny",
        [helper.make_tensor_value_info("magnitudes", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("masks", TensorProto.FLOAT, ["patches", 2, 2, 512, "bins"])],
        [
            numpy_helper.from_array(np.array([1], np.int64), "axis"),
            numpy_helper.from_array(np.zeros(1, np.float32), "zero"),
            numpy_helper.from_array(shares, "shares"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    repository = ModelRepository(path)
    file = repository.model_file(NAME)
    file.parent.mkdir(parents=True)
    onnx.save(model, str(file))
    manifest = ModelManifest(
        name=NAME,
        digest=f"sha256:{sha256_of(file)}",
        licence="Apache-2.0",
        source={},
        sample_rate_hz=44100,
        fft_size=4096,
        hop=1024,
        frames=512,
        bins=1024,
        stems=("vocals", "accompaniment"),
        architecture=architecture,
    )
    (repository.folder(NAME) / "manifest.json").write_text(manifest.to_json(), encoding="utf-8")
    return manifest
