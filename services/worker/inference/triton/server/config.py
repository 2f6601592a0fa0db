"""Triton's `config.pbtxt`, generated from a model's manifest.

The fields are those of Triton's `model_config.proto` (https://github.com/triton-inference-server/common) and of the
README of its ONNX Runtime backend; a test parses what is written here with the published message `ModelConfig`.
"""

from dataclasses import dataclass
from typing import Literal

from separation.models.spec import ModelManifest
from separation.settings import SeparationSettings

Transport = Literal["fp32", "fp16"]

CHECK_PRIORITY, SONG_PRIORITY = 1, 2
"""Priority levels of a request, 1 first: a worker's canary patch does not wait behind the songs of others."""

_DATA_TYPES = {"fp32": "TYPE_FP32", "fp16": "TYPE_FP16"}
# What waits at the server has a slot thread waiting for it in some worker: many more than these are a mistake.
_LONGEST_QUEUE = 64
# A request says itself how long it may wait; this is for one that does not.
_QUEUE_SECONDS = 20
_CHECKS_AT_ONCE = 8
# Of one instance with queue policies Triton 2.51 does not hear that it is free again: what waits then, waits for half a
# second (triton-inference-server/server issue 8870 is about the same count). With two there was no such gap.
_INSTANCES = 2


@dataclass(frozen=True)
class GpuTarget:
    """NVIDIA's image with its ONNX Runtime backend: every GPU of the machine, `instances` of the network on each.

    `accelerator`: CUDA as it is, or TensorRT, which builds its engines at the first start (minutes) and keeps them
    in `engine_cache` where that is given, a folder inside the server's container. `precision` `fp16` lets
    TensorRT compute in half precision. `transport`: what numbers travel in; `fp16` halves the bytes.
    `batch`: patches of different songs that are computed together at most.
    """

    accelerator: Literal["cuda", "tensorrt"] = "cuda"
    precision: Literal["fp32", "fp16"] = "fp32"
    transport: Transport = "fp32"
    instances: int = _INSTANCES
    batch: int = 8
    engine_cache: str | None = None

    def __post_init__(self) -> None:
        if self.precision == "fp16" and self.accelerator != "tensorrt":
            raise ValueError("Half precision is computed by TensorRT only.")


@dataclass(frozen=True)
class CpuTarget:
    """One machine without GPU: Triton's Python backend runs the network on `threads` processors; 0: on all.

    By what `separation.models.separator` chooses there, as a process of ours would.
    """

    threads: int = 0
    transport: Transport = "fp32"


Target = GpuTarget | CpuTarget


def served_name(manifest: ModelManifest) -> str:
    """The model's name at the server. It holds the digest, so that no request is ever answered by another version."""
    return f"{manifest.name}-{manifest.digest.removeprefix('sha256:')[:12]}"


def triton_config(manifest: ModelManifest, answer: str, target: Target) -> str:
    """The text of `config.pbtxt`. `answer`: name of the network's output, `fractions` or `masks`.

    The number of bins is free: patches are asked for whole, and their lowest bins alone.
    """
    if isinstance(target, GpuTarget):
        backend, kind, batch, instances, delay_microseconds = "onnxruntime", "GPU", target.batch, target.instances, 2000
        parameters = {"digest": manifest.digest}
        optimization = _optimization(target)
    else:
        backend, kind, batch, instances, delay_microseconds = "python", "CPU", 1, _INSTANCES, 0
        parameters = {"digest": manifest.digest, "threads": str(target.threads)}
        optimization = ""
    numbers, patch = _DATA_TYPES[target.transport], f"2, {manifest.frames}, -1"
    head = f"""\
name: "{served_name(manifest)}"
backend: "{backend}"
max_batch_size: {batch}
input [ {{ name: "magnitudes" data_type: {numbers} dims: [ {patch} ] }} ]
output [ {{ name: "{answer}" data_type: {numbers} dims: [ {len(manifest.stems)}, {patch} ] }} ]
instance_group [ {{ count: {instances} kind: KIND_{kind} }} ]
"""
    rest = (_dynamic_batching(delay_microseconds), optimization, _warmup(manifest, numbers), _parameters(parameters))
    return head + "".join(rest)


def _dynamic_batching(delay_microseconds: int) -> str:
    """Patches of one size that arrive together are computed together; what waits too long is refused, not forgotten."""
    policy = (
        f"timeout_action: REJECT default_timeout_microseconds: {_QUEUE_SECONDS * 1_000_000} "
        "allow_timeout_override: true max_queue_size: "
    )
    return f"""\
dynamic_batching {{
  max_queue_delay_microseconds: {delay_microseconds}
  priority_levels: {SONG_PRIORITY}
  default_priority_level: {SONG_PRIORITY}
  default_queue_policy {{ {policy}{_LONGEST_QUEUE} }}
  priority_queue_policy {{ key: {CHECK_PRIORITY} value {{ {policy}{_CHECKS_AT_ONCE} }} }}
}}
"""


def _optimization(target: GpuTarget) -> str:
    options: dict[str, str] = {}
    if target.accelerator == "tensorrt":
        options["precision_mode"] = target.precision.upper()
        if target.engine_cache:
            options |= {"trt_engine_cache_enable": "true", "trt_engine_cache_path": target.engine_cache}
    else:
        # Trying every algorithm for each new size of batch takes seconds in the middle of a song.
        options |= {"cudnn_conv_algo_search": "1", "use_tf32": "0"}
    parameters = " ".join(f'parameters {{ key: "{key}" value: "{value}" }}' for key, value in options.items())
    return f"""\
optimization {{
  execution_accelerators {{
    gpu_execution_accelerator [ {{ name: "{target.accelerator}" {parameters} }} ]
  }}
}}
"""


def _warmup(manifest: ModelManifest, data_type: str) -> str:
    """Both sizes that a song asks for, before the server calls itself ready."""
    samples = ",\n".join(
        f"""\
  {{
    name: "{bins} bins"
    batch_size: 1
    inputs {{
      key: "magnitudes"
      value {{ data_type: {data_type} dims: [ 2, {manifest.frames}, {bins} ] zero_data: true }}
    }}
  }}"""
        for bins in (manifest.bins, min(SeparationSettings.transposed_bins, manifest.bins))
    )
    return f"model_warmup [\n{samples}\n]\n"


def _parameters(parameters: dict[str, str]) -> str:
    return "".join(
        f'parameters {{ key: "{key}" value: {{ string_value: "{value}" }} }}\n' for key, value in parameters.items()
    )
