"""Calls to one Triton server, by the messages of its gRPC protocol (KServe v2 and Triton's extensions).

The stubs are `tritonclient`'s. Its `InferenceServerClient` is left aside: it is for one thread, and all slots ask here.
"""

from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol, TypeVar

import grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc

from separation.errors import Cancelled

KEEPALIVE_SECONDS, KEEPALIVE_TIMEOUT_SECONDS = 10.0, 5.0
"""While a call waits, a server that answers no ping within the timeout is given up, and with it the connection: its
machine is gone or its process stands still."""

RESTRICTED_HEADER = "triton-grpc-protocol-stemwright"
"""Carries the key to the APIs that the server keeps for itself: `--grpc-restricted-protocol=...:stemwright=KEY`."""

_POLL_SECONDS = 0.1

_OPTIONS: list[tuple[str, int]] = [
    ("grpc.keepalive_time_ms", int(KEEPALIVE_SECONDS * 1000)),
    ("grpc.keepalive_timeout_ms", int(KEEPALIVE_TIMEOUT_SECONDS * 1000)),
    ("grpc.keepalive_permit_without_calls", 0),
    ("grpc.http2.max_pings_without_data", 0),
    # A patch is 4 MB, its answer 4 MB for each stem.
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # A server that restarts is back in seconds.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", 2000),
    ("grpc.enable_http_proxy", 0),
]

_Answer_co = TypeVar("_Answer_co", covariant=True)


class Unary(Protocol[_Answer_co]):
    """A method of the stub that can be called without waiting."""

    def future(self, request: Any, *, timeout: float, metadata: Any) -> "Call[_Answer_co]":
        """Starts a call."""


class Call(Protocol[_Answer_co]):
    """A call under way."""

    def result(self, timeout: float | None = None) -> _Answer_co:
        """Waits. Raises `grpc.FutureTimeoutError` after `timeout` seconds, `grpc.RpcError` where the call failed."""

    def cancel(self) -> bool:
        """Tells the server that nobody waits any more."""


class TritonClient:
    """One connection, shared by all threads; made with the first call and again whenever it breaks.

    `address`: `host:port` of the server's gRPC endpoint. `key`: of its restricted APIs, empty where it has none.
    """

    def __init__(self, address: str, key: str = "") -> None:
        self._channel = grpc.insecure_channel(address, options=_OPTIONS)
        self._stub: Any = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)
        self._metadata = ((RESTRICTED_HEADER, key),) if key else ()

    def close(self) -> None:
        """Ends every call under way."""
        self._channel.close()

    def __enter__(self) -> "TritonClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def infer(
        self,
        request: service_pb2.ModelInferRequest,
        *,
        timeout_seconds: float,
        should_cancel: Callable[[], bool] = lambda: False,
    ) -> service_pb2.ModelInferResponse:
        """The answer. Raises `grpc.RpcError`; `Cancelled` soon after `should_cancel` says so: the server is told."""
        return self._awaited(self._stub.ModelInfer, request, timeout_seconds, should_cancel)

    def server_version(self, timeout_seconds: float) -> str:
        """Such as `2.51.0`. Raises `grpc.RpcError`."""
        answer = self._awaited(self._stub.ServerMetadata, service_pb2.ServerMetadataRequest(), timeout_seconds)
        return str(answer.version)

    def model_ready(self, name: str, timeout_seconds: float) -> bool:
        """Whether the server would answer for that model. Raises `grpc.RpcError`."""
        request = service_pb2.ModelReadyRequest(name=name)
        return bool(self._awaited(self._stub.ModelReady, request, timeout_seconds).ready)

    def model_config(self, name: str, timeout_seconds: float) -> Any:
        """Triton's `ModelConfig`, as the server completed it. Raises `grpc.RpcError`."""
        request = service_pb2.ModelConfigRequest(name=name)
        return self._awaited(self._stub.ModelConfig, request, timeout_seconds).config

    def register_memory(self, name: str, key: str, size_bytes: int, timeout_seconds: float) -> None:
        """Lets the server map the shared memory `key`. Raises `grpc.RpcError`."""
        request = service_pb2.SystemSharedMemoryRegisterRequest(name=name, key=key, offset=0, byte_size=size_bytes)
        self._awaited(self._stub.SystemSharedMemoryRegister, request, timeout_seconds)

    def unregister_memory(self, name: str, timeout_seconds: float) -> None:
        """Lets the server forget it. Raises `grpc.RpcError`."""
        request = service_pb2.SystemSharedMemoryUnregisterRequest(name=name)
        self._awaited(self._stub.SystemSharedMemoryUnregister, request, timeout_seconds)

    def _awaited(
        self,
        method: Unary[_Answer_co],
        request: Any,
        timeout_seconds: float,
        should_cancel: Callable[[], bool] = lambda: False,
    ) -> _Answer_co:
        call = method.future(request, timeout=timeout_seconds, metadata=self._metadata)
        while True:
            try:
                return call.result(timeout=_POLL_SECONDS)
            except grpc.FutureTimeoutError:
                if should_cancel():
                    call.cancel()
                    raise Cancelled from None
            except grpc.FutureCancelledError:  # the channel was closed
                raise Cancelled from None
            except BaseException:
                call.cancel()
                raise
