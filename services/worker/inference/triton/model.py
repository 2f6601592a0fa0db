"""One model at a Triton server as the engine sees it."""

import logging
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import model_config_pb2, service_pb2

from separation.errors import Cancelled, ModelAnswerInvalid
from separation.models.runtimes.answers import checked
from separation.models.spec import ModelManifest
from services.worker.errors import AttemptFailed, InferenceUnavailable, ModelUnavailable
from services.worker.inference.triton.buffers import DATA_TYPES, BufferPool
from services.worker.inference.triton.client import TritonClient
from services.worker.inference.triton.server.config import SONG_PRIORITY, served_name
from services.worker.metrics import INFERENCE_CALLS, INFERENCE_SECONDS

_log = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 2.0
"""Upper bounds of the pauses between two tries; the pause is drawn between 0 and the bound, which doubles."""

WORTH_ANOTHER_TRY = frozenset(
    {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED}
)
"""The server is away, stopping, busy or slow: that passes. Whatever else it says, it would say again."""

_NO_SUCH_MEMORY = "Unable to find shared memory region"
_POLL_SECONDS = 0.1
_HALF_PRECISION_MAX = float(np.finfo(np.float16).max)


@dataclass(frozen=True)
class Served:
    """What the server says of a model: how to ask for it, and what computes it where."""

    name: str
    answer: str
    """Name of the output: `fractions` or `masks`."""
    data_type: str
    """What numbers travel in: `FP32` or `FP16`."""
    device: str
    runtime: str

    @classmethod
    def of(cls, manifest: ModelManifest, config: Any, server_version: str) -> "Served":
        """From the server's own `ModelConfig`. Raises `InferenceUnavailable` where that is another model."""
        name = served_name(manifest)
        digest = config.parameters["digest"].string_value
        shape = [len(manifest.stems), 2, manifest.frames, -1]
        outputs = [output for output in config.output if output.name in ("fractions", "masks")]
        if digest != manifest.digest or not outputs or list(outputs[0].dims) != shape or not config.input:
            raise InferenceUnavailable(f"What the server calls {name} is not the model of digest {manifest.digest}.")
        accelerators = config.optimization.execution_accelerators.gpu_execution_accelerator
        options = {key: value for one in accelerators for key, value in one.parameters.items()}
        precision = options.get("precision_mode", "FP32").lower()
        return cls(
            name,
            outputs[0].name,
            "FP16" if config.input[0].data_type == model_config_pb2.TYPE_FP16 else "FP32",
            _device(config),
            f"triton {server_version} {config.backend} {precision}",
        )


def _device(config: Any) -> str:
    """Where the server computes the model; `cpu` unless every instance of it is on a GPU."""
    groups = list(config.instance_group)
    if not groups or any(group.kind != model_config_pb2.ModelInstanceGroup.KIND_GPU for group in groups):
        return "cpu"
    numbers = sorted({number for group in groups for number in group.gpus})
    return "cuda:" + ",".join(map(str, numbers or [0]))


@dataclass(frozen=True)
class Timeouts:
    """How long to wait: `call_seconds` for one call, `answer_seconds` for an answer, tries and pauses included."""

    call_seconds: float
    answer_seconds: float


class TritonModel:
    """`MaskModel` by a Triton server. Blocks like one in this process; several patches of one call go at once.

    Besides what `MaskModel` raises: `Cancelled` soon after `should_cancel` says so, the server being told;
    `InferenceUnavailable` when no answer came in time, `ModelUnavailable` where the server has no such model.
    `on_failure` is told of every failed try.
    """

    def __init__(
        self,
        manifest: ModelManifest,
        served: Served,
        client: TritonClient,
        buffers: BufferPool,
        timeouts: Timeouts,
        *,
        priority: int = SONG_PRIORITY,
        should_cancel: Callable[[], bool] = lambda: False,
        on_failure: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._manifest = manifest
        self._served = served
        self._client = client
        self._buffers = buffers
        self._timeouts = timeouts
        self._priority = priority
        self._should_cancel = should_cancel
        self._on_failure = on_failure

    @property
    def manifest(self) -> ModelManifest:
        return self._manifest

    @property
    def device(self) -> str:
        return self._served.device

    @property
    def runtime(self) -> str:
        return self._served.runtime

    def fractions(self, magnitudes: NDArray[np.float32]) -> NDArray[np.float32]:
        if len(magnitudes) == 1:
            return self._answer(magnitudes)
        return np.stack(self.fractions_of_each(list(magnitudes)))

    def fractions_of_each(self, images: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """`fractions` of several images `(2, frames, bins)`, of different widths too; all are in flight at once."""
        with ThreadPoolExecutor(min(len(images), self._buffers.count), "patch") as pool:
            return [answer[0] for answer in pool.map(self._answer, (image[None] for image in images))]

    def rest(self) -> None:
        """What a song needs is at the server."""

    def _answer(self, patch: NDArray[np.float32]) -> NDArray[np.float32]:
        """The checked answer to one patch `(1, 2, frames, bins)`, however many tries it takes."""
        give_up_at = time.monotonic() + self._timeouts.answer_seconds
        bound = FIRST_PAUSE_SECONDS
        while True:
            left = give_up_at - time.monotonic()
            try:
                answer = self._asked_once(patch, min(self._timeouts.call_seconds, left))
            except Cancelled:
                INFERENCE_CALLS.labels("abandoned").inc()
                raise
            except ModelAnswerInvalid as error:
                self._note_failure("invalid_answer", str(error))
                raise
            except grpc.RpcError as error:
                self._note_failure(error.code().name.lower(), reason_of(error))
                if not worth_another_try(error):
                    raise _refusal(self._served.name, error) from error
                pause = random.uniform(0, bound)  # noqa: S311 - spreads load, keeps no secret
                if time.monotonic() + pause >= give_up_at:
                    raise InferenceUnavailable("The server that computes the separation did not answer.") from error
                self._wait(pause)
                bound = min(2 * bound, LONGEST_PAUSE_SECONDS)
            else:
                INFERENCE_CALLS.labels("answered").inc()
                return answer

    def _asked_once(self, patch: NDArray[np.float32], call_seconds: float) -> NDArray[np.float32]:
        served, data_type = self._served, DATA_TYPES[self._served.data_type]
        shape = (len(patch), len(self._manifest.stems), *patch.shape[1:])
        if data_type == np.float16:
            numbers = np.minimum(patch, _HALF_PRECISION_MAX).astype(np.float16)
        else:
            numbers = np.ascontiguousarray(patch, np.float32)
        request = service_pb2.ModelInferRequest(model_name=served.name)
        request.inputs.add(name="magnitudes", datatype=served.data_type, shape=patch.shape)
        request.outputs.add(name=served.answer)
        request.parameters["priority"].uint64_param = self._priority
        # What nobody waits for any more is not computed.
        request.parameters["timeout"].int64_param = int(call_seconds * 1_000_000)
        with self._buffers.acquire(self._should_cancel) as buffer:
            begun = time.perf_counter()
            buffer.write(request, numbers, int(np.prod(shape)) * data_type.itemsize)
            response = self._client.infer(request, timeout_seconds=call_seconds, should_cancel=self._should_cancel)
            output = response.outputs[0] if response.outputs else None
            if output is None or (output.datatype, tuple(output.shape)) != (served.data_type, shape):
                said = f"{output.datatype}{tuple(output.shape)}" if output else "nothing"
                raise ModelAnswerInvalid(f"The model answered {said} where {served.data_type}{shape} was expected.")
            answer = np.frombuffer(buffer.read(response), data_type).reshape(shape).astype(np.float32)
        INFERENCE_SECONDS.observe(time.perf_counter() - begun)
        return checked(answer, patch, self._manifest)

    def _note_failure(self, outcome: str, reason: str) -> None:
        INFERENCE_CALLS.labels(outcome).inc()
        _log.warning("inference failed: %s", reason)
        self._on_failure(reason)

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self._should_cancel():
                raise Cancelled
            time.sleep(min(left, _POLL_SECONDS))


def reason_of(error: grpc.RpcError) -> str:
    """The status of a failed call and what it says, on one line."""
    return f"{error.code().name}: {' '.join((error.details() or 'no details').split())}"


def worth_another_try(error: grpc.RpcError) -> bool:
    """Whether the same call may succeed a little later."""
    # A server that started anew knows nothing of the memory that the one before had mapped.
    forgotten = _NO_SUCH_MEMORY in (error.details() or "")
    return error.code() in WORTH_ANOTHER_TRY or forgotten


def _refusal(name: str, error: grpc.RpcError) -> AttemptFailed:
    if error.code() is grpc.StatusCode.NOT_FOUND:
        return ModelUnavailable(f"The server that computes separations has no model {name}.")
    return InferenceUnavailable("The server that computes the separation refused a part of this song.")
