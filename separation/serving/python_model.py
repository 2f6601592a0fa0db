"""The network behind Triton's Python backend, on the CPU: what the ONNX Runtime backend does where there is one.

Triton imports this file, in the server's own environment, as ``<model>/1/model.py`` and makes a ``TritonPythonModel``
(https://github.com/triton-inference-server/python_backend). It stands alone: nothing of Stemwright is installed there.
"""

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

# The backend's interpreter is isolated and passes this over.
sys.path[:0] = os.environ.get("PYTHONPATH", "").split(os.pathsep)

import numpy as np
import onnxruntime
import triton_python_backend_utils as triton


class TritonPythonModel:
    """One session; requests are computed one after the other, as a larger batch is not faster on a CPU."""

    def initialize(self, args: dict[str, str]) -> None:
        """Loads the network. Raises where the file is not that of the digest in ``config.pbtxt``."""
        config: dict[str, Any] = json.loads(args["model_config"])
        path = Path(args["model_repository"], args["model_version"], "model.onnx")
        with path.open("rb") as file:
            digest = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
        if digest != _parameter(config, "digest"):
            raise triton.TritonModelException(f"{path} has the digest {digest}, not that of its configuration")
        self._answer = config["output"][0]["name"]
        self._type = triton.triton_string_to_numpy(config["output"][0]["data_type"])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(_parameter(config, "threads")) or len(os.sched_getaffinity(0))
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # As separation/backends/onnxruntime.py: less memory, and no thread that spins while it waits.
        options.enable_mem_pattern = options.enable_mem_reuse = False
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        cpu = ("CPUExecutionProvider", {"arena_extend_strategy": "kSameAsRequested"})
        self._session = onnxruntime.InferenceSession(str(path), options, providers=[cpu])

    def execute(self, requests: list[Any]) -> list[Any]:
        """A response for each request, in their order."""
        return [self._response(request) for request in requests]

    def _response(self, request: Any) -> Any:
        if request.is_cancelled():  # nobody waits for it any more
            return triton.InferenceResponse(error=triton.TritonError("cancelled", triton.TritonError.CANCELLED))
        magnitudes = triton.get_input_tensor_by_name(request, "magnitudes").as_numpy()
        answer = self._session.run([self._answer], {"magnitudes": magnitudes.astype(np.float32, copy=False)})[0]
        return triton.InferenceResponse([triton.Tensor(self._answer, answer.astype(self._type, copy=False))])


def _parameter(config: dict[str, Any], name: str) -> str:
    value: str = config["parameters"][name]["string_value"]
    return value
