"""The network behind Triton's Python backend, on the CPU: what the ONNX Runtime backend does where there is one.

Triton imports this file, in the server's own environment, as `<model>/1/model.py` and makes a `TritonPythonModel`
(https://github.com/triton-inference-server/python_backend). Nothing of Stemwright is installed there: the package lies
beside it, and of that only what NumPy and ONNX Runtime suffice for is used.
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
import triton_python_backend_utils as triton


class TritonPythonModel:
    """One model; requests are computed one after the other, as a larger batch is not faster on a CPU."""

    def initialize(self, args: dict[str, str]) -> None:
        """Loads the network. Raises where the file is not that of the digest in `config.pbtxt`."""
        config: dict[str, Any] = json.loads(args["model_config"])
        folder = Path(args["model_repository"], args["model_version"])
        path = folder / "model.onnx"
        with path.open("rb") as file:
            digest = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
        if digest != _parameter(config, "digest"):
            raise triton.TritonModelException(f"{path} has the digest {digest}, not that of its configuration")
        sys.path.insert(0, str(folder))
        os.environ["STEMWRIGHT_CACHE"] = str(folder)  # the weights for the kernels lie there
        from separation.errors import ModelError
        from separation.models.canary import read_canary
        from separation.models.runtimes.choice import open_model
        from separation.models.spec import ModelManifest

        manifest = ModelManifest.from_json((folder / "manifest.json").read_text(encoding="utf-8"))
        threads = int(_parameter(config, "threads")) or None
        self._model = open_model(path, manifest, read_canary(folder, manifest), threads=threads, device="cpu")
        self._refusal = ModelError
        self._answer = config["output"][0]["name"]
        self._type = triton.triton_string_to_numpy(config["output"][0]["data_type"])

    def execute(self, requests: list[Any]) -> list[Any]:
        """A response for each request, in their order."""
        return [self._response(request) for request in requests]

    def _response(self, request: Any) -> Any:
        if request.is_cancelled():  # nobody waits for it any more
            return triton.InferenceResponse(error=triton.TritonError("cancelled", triton.TritonError.CANCELLED))
        magnitudes = triton.get_input_tensor_by_name(request, "magnitudes").as_numpy()
        try:
            answer = self._model.fractions(magnitudes.astype(np.float32, copy=False))
        except self._refusal as error:
            return triton.InferenceResponse(error=triton.TritonError(str(error)))
        return triton.InferenceResponse([triton.Tensor(self._answer, answer.astype(self._type, copy=False))])


def _parameter(config: dict[str, Any], name: str) -> str:
    value: str = config["parameters"][name]["string_value"]
    return value
