"""A small server of Triton's gRPC protocol, in this process, that answers what a test wants."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import model_config_pb2, service_pb2, service_pb2_grpc

from separation.models.spec import ModelManifest
from services.worker.inference.triton.server.config import served_name

Answer = Callable[[NDArray[np.float32], grpc.ServicerContext], NDArray[np.generic]]


def halves(patch: NDArray[np.float32], _context: grpc.ServicerContext) -> NDArray[np.float32]:
    """Masks that give each of two stems one half."""
    return np.full((len(patch), 2, *patch.shape[1:]), 0.5, np.float32)


class FakeTriton(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]
    """Serves one model. `answer` is what its network does; it may refuse by `context.abort`."""

    def __init__(self, manifest: ModelManifest) -> None:
        self.manifest = manifest
        self.answer: Answer = halves
        self.digest = manifest.digest
        self.kind = "KIND_CPU"
        self.requests: list[Any] = []
        self.at_once = 0
        self.most_at_once = 0
        self._lock = threading.Lock()
        self.port = 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def ServerMetadata(self, request: Any, context: grpc.ServicerContext) -> Any:
        return service_pb2.ServerMetadataResponse(version="0.0")

    def ModelReady(self, request: Any, context: grpc.ServicerContext) -> Any:
        return service_pb2.ModelReadyResponse(ready=request.name == served_name(self.manifest))

    def ModelConfig(self, request: Any, context: grpc.ServicerContext) -> Any:
        config = model_config_pb2.ModelConfig(name=request.name, backend="fake")
        config.input.add(name="magnitudes", data_type="TYPE_FP32", dims=[2, 512, -1])
        config.output.add(name="masks", data_type="TYPE_FP32", dims=[2, 2, 512, -1])
        config.instance_group.add(count=1, kind=self.kind)
        config.parameters["digest"].string_value = self.digest
        return service_pb2.ModelConfigResponse(config=config)

    def ModelInfer(self, request: Any, context: grpc.ServicerContext) -> Any:
        with self._lock:
            self.requests.append(request)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            patch = np.frombuffer(request.raw_input_contents[0], np.float32).reshape(request.inputs[0].shape)
            answer = self.answer(patch, context)
        finally:
            with self._lock:
                self.at_once -= 1
        response = service_pb2.ModelInferResponse(model_name=request.model_name, model_version="1")
        response.outputs.add(name="masks", datatype="FP32", shape=answer.shape)
        response.raw_output_contents.append(answer.tobytes())
        return response


@contextmanager
def serving(fake: FakeTriton) -> Iterator[FakeTriton]:
    """Listens on a free port."""
    with ThreadPoolExecutor(16) as pool:
        server = grpc.server(pool, options=[("grpc.max_receive_message_length", -1)])
        service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(fake, server)
        fake.port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield fake
        finally:
            server.stop(0).wait()
