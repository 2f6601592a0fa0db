"""The bounded number of patches in flight, and how their numbers travel: inside messages, or in memory that both map.

A buffer carries one patch at a time. In shared memory it has a region of `/dev/shm` for the patch and its answer. The
region's name is removed as soon as the server has mapped it, so nothing is left behind however either process ends.
"""

import mmap
import os
import queue
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import grpc
import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import service_pb2

from separation.errors import Cancelled, ModelAnswerInvalid
from services.worker.inference.triton.client import TritonClient

DATA_TYPES: dict[str, np.dtype[Any]] = {"FP32": np.dtype(np.float32), "FP16": np.dtype(np.float16)}
"""What numbers may travel in, by the names of the protocol."""

_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where shm_open(3) of the C library makes what Triton opens
_REGISTER_SECONDS = 5.0
_POLL_SECONDS = 0.1

Patch = NDArray[np.float32]


class Buffer(Protocol):
    """Carries one patch there and its answer back."""

    def write(self, request: service_pb2.ModelInferRequest, patch: NDArray[np.generic], answer_bytes: int, /) -> None:
        """Puts the numbers of `patch` where `request` says. Raises `grpc.RpcError`."""

    def read(self, response: service_pb2.ModelInferResponse, /) -> bytes | memoryview:
        """The bytes of the answer, good until the buffer is used again or discarded."""

    def discard(self) -> None:
        """The server may still write into what it was given: nothing of it is used again."""


class MessageBuffer:
    """Numbers inside the messages."""

    def write(self, request: service_pb2.ModelInferRequest, patch: NDArray[np.generic], _answer_bytes: int) -> None:
        request.raw_input_contents.append(patch.tobytes())

    def read(self, response: service_pb2.ModelInferResponse) -> bytes | memoryview:
        if len(response.raw_output_contents) != 1:
            raise ModelAnswerInvalid(f"The model gave {len(response.raw_output_contents)} answers in place of one.")
        content: bytes = response.raw_output_contents[0]
        return content

    def discard(self) -> None:
        """Each message has its own memory."""


class SharedMemoryBuffer:
    """Numbers in a region that the server, on the same machine, maps as well."""

    def __init__(self, client: TritonClient) -> None:
        self._client = client
        self._name = ""
        self._memory: mmap.mmap | None = None
        self._answer = slice(0, 0)

    def write(self, request: service_pb2.ModelInferRequest, patch: NDArray[np.generic], answer_bytes: int) -> None:
        size = patch.nbytes + answer_bytes
        if self._memory is None or len(self._memory) < size:
            self.discard()
            self._memory = self._registered(size)
        self._answer = slice(patch.nbytes, size)
        np.frombuffer(self._memory, patch.dtype, patch.size).reshape(patch.shape)[:] = patch
        self._refer(request.inputs[0].parameters, 0, patch.nbytes)
        self._refer(request.outputs[0].parameters, patch.nbytes, answer_bytes)

    def read(self, _response: service_pb2.ModelInferResponse) -> memoryview:
        assert self._memory is not None  # noqa: S101 - loaded before
        return memoryview(self._memory)[self._answer]

    def discard(self) -> None:
        if self._memory is None:
            return
        self._memory = None  # unmapped with the last array that looks at it
        with suppress(grpc.RpcError, Cancelled):
            self._client.unregister_memory(self._name, _REGISTER_SECONDS)

    def _registered(self, size: int) -> mmap.mmap:
        self._name = f"stemwright-{os.getpid()}-{secrets.token_hex(8)}"
        path = _SHARED_MEMORY / self._name
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, size)  # says now that there is no room; a write into a hole would kill
            memory = mmap.mmap(descriptor, size)
            self._client.register_memory(self._name, f"/{self._name}", size, _REGISTER_SECONDS)
        finally:
            os.close(descriptor)
            path.unlink(missing_ok=True)
        return memory

    def _refer(self, parameters: Any, offset: int, size: int) -> None:
        parameters["shared_memory_region"].string_param = self._name
        parameters["shared_memory_offset"].int64_param = offset
        parameters["shared_memory_byte_size"].int64_param = size


class BufferPool:
    """As many buffers as patches may be in flight. Whoever has none waits: here, not in the queue of the server."""

    def __init__(self, count: int, make: Callable[[], Buffer]) -> None:
        self.count = count
        self._free: queue.LifoQueue[Buffer] = queue.LifoQueue()
        for _ in range(count):
            self._free.put(make())

    @property
    def in_flight(self) -> int:
        return self.count - self._free.qsize()

    @contextmanager
    def acquire(self, should_cancel: Callable[[], bool]) -> Iterator[Buffer]:
        """A buffer for the length of the block, discarded where the block raises. Raises `Cancelled` while it waits."""
        buffer = self._next(should_cancel)
        try:
            yield buffer
        except BaseException:
            buffer.discard()
            raise
        finally:
            self._free.put(buffer)

    def _next(self, should_cancel: Callable[[], bool]) -> Buffer:
        while True:
            try:
                return self._free.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                if should_cancel():
                    raise Cancelled from None

    def discard(self) -> None:
        """Every buffer that is free gives its memory back."""
        buffers = []
        with suppress(queue.Empty):
            while True:
                buffers.append(self._free.get_nowait())
        for buffer in buffers:
            buffer.discard()
            self._free.put(buffer)
