"""The folder that Triton mounts, made from the repository.

::

    <folder>/
      spleeter-2stems-7788ebc932c8/   the model's name and the beginning of its digest
        config.pbtxt                  generated (config.py)
        1/model.onnx                  the network
      and where Triton's Python backend runs it
        1/model.py                    what the backend calls
        1/manifest.json               what the network expects
        1/canary.json                 what it answers to a known patch, by which it chooses its runtime
        1/separation/                 the engine
        1/cpu/                        the network's weights in the order of the CPU's kernels

Versions of a model stand side by side under names of their own, each with its own queue and instances: a fleet moves
from one to the next while both are served.
"""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import separation
from separation.errors import ModelError
from separation.machine.cache import cache_directory
from separation.machine.drafts import draft
from separation.models.canary import CANARY_FILE
from separation.models.repository import ModelRepository
from separation.models.runtimes.answers import answer_name
from separation.models.runtimes.unet.model import weights_folder
from separation.models.runtimes.unet.weights import weights_file
from separation.models.spec import ModelManifest
from separation.models.unet import ARCHITECTURE
from services.worker.inference.triton.server.config import CpuTarget, Target, served_name, triton_config

if TYPE_CHECKING:
    from onnx import ModelProto


def lay_out(models: ModelRepository, names: Iterable[str], folder: Path, target: Target) -> list[ModelManifest]:
    """Writes the models `names` of the repository into `folder`, each verified and in one step; their manifests.

    What else is in `folder` stays. A model without a canary gets one in the repository: workers ask the server for its
    answer. Raises `ModelError`.
    """
    manifests = [models.verify(name) for name in names]
    for manifest in manifests:
        if models.canary(manifest.name) is None:
            models.make_canary(manifest.name)
    folder.mkdir(parents=True, exist_ok=True)
    for manifest in manifests:
        # The name has a dot: Triton does not take a folder that is being made for a model.
        with draft(folder) as scratch:
            made = scratch / "made"
            _write(manifest, models.model_file(manifest.name), made, target)
            there = folder / served_name(manifest)
            if there.exists():
                there.rename(scratch / "replaced")
            made.rename(there)
    return manifests


def _write(manifest: ModelManifest, network: Path, folder: Path, target: Target) -> None:
    import onnx

    version = folder / "1"
    version.mkdir(parents=True)
    try:
        model = onnx.load(network)
    except Exception as error:  # protobuf's own, which differs between its implementations
        raise ModelError(f"The model {manifest.name} cannot be read: {error}") from error
    answer = answer_name([output.name for output in model.graph.output], manifest)
    (folder / "config.pbtxt").write_text(triton_config(manifest, answer, target), encoding="utf-8")
    if isinstance(target, CpuTarget):
        shutil.copy(Path(__file__).with_name("python_model.py"), version / "model.py")
        (version / "manifest.json").write_text(manifest.to_json(), encoding="utf-8")
        shutil.copy(network.parents[1] / CANARY_FILE, version)
        engine = Path(separation.__file__).parent
        shutil.copytree(engine, version / engine.name, ignore=shutil.ignore_patterns("__pycache__"))
        if manifest.architecture == ARCHITECTURE:
            kept = weights_file(network, manifest.digest, manifest.stems, weights_folder(cache_directory()))
            weights_folder(version).mkdir()
            shutil.copy(kept, weights_folder(version))
    if isinstance(target, CpuTarget) or target.transport == "fp32":
        shutil.copy(network, version / "model.onnx")
    else:
        onnx.save(with_half_precision_ends(model), version / "model.onnx")


def with_half_precision_ends(model: "ModelProto") -> "ModelProto":
    """The network with float16 input and output, which computes in float32 as before; `model` is changed.

    ONNX Runtime's backend converts nothing itself. The Python backend does.
    """
    from onnx import TensorProto, helper

    for value, inside in ((model.graph.input[0], "magnitudes_fp32"), (model.graph.output[0], "answer_fp32")):
        outside = value.name
        for node in model.graph.node:
            for names in (node.input, node.output):
                names[:] = [inside if name == outside else name for name in names]
        value.type.tensor_type.elem_type = TensorProto.FLOAT16
        if value is model.graph.input[0]:
            model.graph.node.insert(0, helper.make_node("Cast", [outside], [inside], to=TensorProto.FLOAT))
        else:
            model.graph.node.append(helper.make_node("Cast", [inside], [outside], to=TensorProto.FLOAT16))
    return model
