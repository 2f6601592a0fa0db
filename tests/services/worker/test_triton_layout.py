"""What Triton is given: configurations that its own message parses, and a folder that holds the verified network."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from click.testing import CliRunner
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig, ModelInstanceGroup, ModelQueuePolicy

from separation.errors import ModelDigestMismatch
from separation.models.canary import canary_patch
from separation.models.importers.onnx_file import import_onnx
from separation.models.repository import ModelRepository
from separation.models.spec import ModelManifest
from separation.models.versions import Versions
from services.cli import main
from services.worker.inference.triton.server.config import (
    CHECK_PRIORITY,
    SONG_PRIORITY,
    CpuTarget,
    GpuTarget,
    Target,
    served_name,
    triton_config,
)
from services.worker.inference.triton.server.layout import lay_out
from tests.separation.models.toy_network import STEMS, write_toy_network

TARGETS: list[Target] = [
    CpuTarget(),
    CpuTarget(threads=3, transport="fp16"),
    GpuTarget(),
    GpuTarget(transport="fp16", instances=2, batch=4),
    GpuTarget(accelerator="tensorrt"),
    GpuTarget(accelerator="tensorrt", precision="fp16", engine_cache="/var/cache/tensorrt"),
]


@pytest.fixture
def manifest(model_repository: ModelRepository) -> ModelManifest:
    return model_repository.manifest()


def parsed(manifest: ModelManifest, target: Target) -> ModelConfig:
    """As Triton reads it: an unknown field, a wrong type or a missing brace is an error."""
    return text_format.Parse(triton_config(manifest, "fractions", target), ModelConfig())


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_triton_understands_every_configuration(manifest: ModelManifest, target: Target) -> None:
    config = parsed(manifest, target)
    numbers = "TYPE_FP16" if target.transport == "fp16" else "TYPE_FP32"
    assert config.name == served_name(manifest) == f"{manifest.name}-{manifest.digest[7:19]}"
    assert [(one.name, list(one.dims)) for one in config.input] == [("magnitudes", [2, 512, -1])]
    assert [(one.name, list(one.dims)) for one in config.output] == [("fractions", [2, 2, 512, -1])]
    types = {config.input[0].data_type, config.output[0].data_type}
    assert types == {ModelConfig.DESCRIPTOR.file.enum_types_by_name["DataType"].values_by_name[numbers].number}
    assert config.parameters["digest"].string_value == manifest.digest


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_what_cannot_be_computed_in_time_is_refused_and_checks_go_first(
    manifest: ModelManifest, target: Target
) -> None:
    batching = parsed(manifest, target).dynamic_batching
    assert (batching.priority_levels, batching.default_priority_level) == (SONG_PRIORITY, SONG_PRIORITY)
    assert CHECK_PRIORITY < SONG_PRIORITY
    policies = [batching.default_queue_policy, batching.priority_queue_policy[CHECK_PRIORITY]]
    for policy in policies:
        assert policy.timeout_action == ModelQueuePolicy.TimeoutAction.Value("REJECT")
        assert policy.default_timeout_microseconds > 0
        assert policy.allow_timeout_override
        assert policy.max_queue_size > 0


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_ready_means_warm_for_both_sizes_of_a_patch(manifest: ModelManifest, target: Target) -> None:
    warmed = [list(one.inputs["magnitudes"].dims) for one in parsed(manifest, target).model_warmup]
    assert warmed == [[2, 512, 1024], [2, 512, 256]]


def test_production_runs_onnx_runtime_on_every_gpu(manifest: ModelManifest) -> None:
    config = parsed(manifest, GpuTarget(transport="fp16", instances=2, batch=4))
    assert (config.backend, config.max_batch_size) == ("onnxruntime", 4)
    (group,) = config.instance_group
    assert (group.kind, group.count, list(group.gpus)) == (ModelInstanceGroup.Kind.Value("KIND_GPU"), 2, [])
    (accelerator,) = config.optimization.execution_accelerators.gpu_execution_accelerator
    assert (accelerator.name, accelerator.parameters["use_tf32"]) == ("cuda", "0")


def test_tensorrt_computes_in_half_precision_only_when_told(manifest: ModelManifest) -> None:
    configs = [parsed(manifest, target).optimization.execution_accelerators for target in TARGETS[-2:]]
    (whole,), (half,) = (config.gpu_execution_accelerator for config in configs)
    assert (whole.name, whole.parameters["precision_mode"]) == ("tensorrt", "FP32")
    assert (half.name, half.parameters["precision_mode"]) == ("tensorrt", "FP16")
    assert half.parameters["trt_engine_cache_path"] == "/var/cache/tensorrt"
    with pytest.raises(ValueError, match="TensorRT only"):
        GpuTarget(precision="fp16")


def test_one_machine_runs_the_python_backend_on_the_cpu(manifest: ModelManifest) -> None:
    config = parsed(manifest, CpuTarget(threads=3))
    assert (config.backend, config.max_batch_size) == ("python", 1)
    assert [group.kind for group in config.instance_group] == [ModelInstanceGroup.Kind.Value("KIND_CPU")]
    assert config.parameters["threads"].string_value == "3"


def test_the_folder_holds_the_verified_network(model_repository: ModelRepository, tmp_path: Path) -> None:
    manifest = model_repository.manifest()
    for _ in range(2):  # again replaces
        assert lay_out(model_repository, [manifest.name], tmp_path, CpuTarget()) == [manifest]
    folder = tmp_path / served_name(manifest)
    assert sorted(path.name for path in tmp_path.iterdir()) == [folder.name]
    assert {path.name for path in folder.iterdir()} == {"1", "config.pbtxt"}
    assert {path.name for path in (folder / "1").iterdir()} == {
        *("model.onnx", "model.py", "manifest.json", "canary.json", "cpu", "separation"),
    }
    assert (folder / "1" / "separation" / "models" / "runtimes" / "choice.py").exists()
    assert not list(folder.rglob("__pycache__"))
    assert (folder / "1/model.onnx").read_bytes() == model_repository.model_file(manifest.name).read_bytes()
    lay_out(model_repository, [manifest.name], tmp_path, GpuTarget())
    assert not (folder / "1/model.py").exists()


def test_a_damaged_network_is_not_laid_out(manifest: ModelManifest, tmp_path: Path) -> None:
    damaged = ModelRepository(tmp_path / "registry")
    damaged.model_file(manifest.name).parent.mkdir(parents=True)
    damaged.model_file(manifest.name).write_bytes(b"other bytes")
    (damaged.folder(manifest.name) / "manifest.json").write_text(manifest.to_json())
    with pytest.raises(ModelDigestMismatch):
        lay_out(damaged, [manifest.name], tmp_path / "served", CpuTarget())
    assert not (tmp_path / "served").exists()


def test_half_precision_ends_change_what_travels_and_nothing_between(
    model_repository: ModelRepository, tmp_path: Path
) -> None:
    manifest = model_repository.manifest()
    lay_out(model_repository, [manifest.name], tmp_path, GpuTarget(transport="fp16"))
    path = tmp_path / served_name(manifest) / "1" / "model.onnx"
    onnx.checker.check_model(str(path))
    sessions = [
        onnxruntime.InferenceSession(str(one), providers=["CPUExecutionProvider"])
        for one in (path, model_repository.model_file(manifest.name))
    ]
    patch = canary_patch(manifest)[..., :256].astype(np.float16)
    half = sessions[0].run(None, {"magnitudes": patch})[0]
    whole = sessions[1].run(None, {"magnitudes": patch.astype(np.float32)})[0]
    assert half.dtype == np.float16
    np.testing.assert_allclose(half.astype(np.float32), whole, atol=1e-3)


def test_the_command_writes_the_folder(model_repository: ModelRepository, tmp_path: Path) -> None:
    runner = CliRunner()
    place = ["--repository", str(model_repository.path)]
    done = runner.invoke(
        main, ["models", "triton", str(tmp_path), *place, "--accelerator", "tensorrt", "--precision", "fp16"]
    )
    assert done.exit_code == 0, done.output
    (config,) = tmp_path.glob("*/config.pbtxt")
    assert 'value: "FP16"' in config.read_text()
    refused = runner.invoke(main, ["models", "triton", str(tmp_path), *place, "--precision", "fp16"])
    assert (refused.exit_code, "TensorRT only" in refused.output) == (1, True)


def test_versions_are_served_under_names_of_their_own(tmp_path: Path) -> None:
    repository, manifests = ModelRepository(tmp_path / "models"), []
    for seed in (1, 2):
        file = write_toy_network(tmp_path / f"{seed}.onnx", seed=seed, frames=128)
        manifests.append(import_onnx(repository, "toy", file, STEMS, licence="CC0-1.0"))
    lay_out(repository, ["toy"], tmp_path / "served", CpuTarget())
    Versions(repository, "toy").promote(manifests[1].digest)
    lay_out(repository, ["toy"], tmp_path / "served", CpuTarget())
    assert {path.name for path in (tmp_path / "served").iterdir()} == set(map(served_name, manifests))
