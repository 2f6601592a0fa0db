"""The U-Net on a CPU by kernels of our own: half the time of ONNX Runtime in float32 with AVX2."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from separation.errors import ModelError, RuntimeMissing
from separation.machine.cache import cache_directory
from separation.machine.hashing import sha256_of
from separation.machine.memory import return_large_blocks
from separation.machine.quota import default_threads
from separation.models.runtimes.answers import checked
from separation.models.runtimes.unet import library
from separation.models.runtimes.unet.network import Network
from separation.models.runtimes.unet.weights import hash_of, kernel_weights, weights_file
from separation.models.spec import ModelManifest
from separation.models.unet import ARCHITECTURE


def kernels_for(manifest: ModelManifest, flags: frozenset[str] | None = None) -> list[Path]:
    """The kernels that compute this model and run on a processor with these instruction sets, or on this one.

    Best first.
    """
    return library.files(flags) if manifest.architecture == ARCHITECTURE and manifest.frames % 128 == 0 else []


def weights_folder(cache: Path) -> Path:
    """Where in the cache folder the weights of all models lie in the kernels' order."""
    return cache / "cpu"


class UnetModel:
    """``MaskModel`` by our own kernels. One call at a time runs, on ``threads`` processors; others wait for it.

    A model's first start on a machine takes two seconds longer: its weights are turned into the kernels' order and
    kept in the cache folder. Loading a model changes how the process allocates (``machine/memory.py``). ``kernels``:
    their library, by default the best for this processor. Raises ``ModelError``.
    """

    def __init__(
        self, path: Path, manifest: ModelManifest, *, threads: int | None = None, kernels: Path | None = None
    ) -> None:
        return_large_blocks()
        kernels = kernels or next(iter(kernels_for(manifest)), None)
        if kernels is None:
            raise RuntimeMissing(f"The kernels are not there for this processor, or do not compute {manifest.name}.")
        compiled = library.kernels(kernels)
        try:
            weights, weights_hash = _weights(path, manifest, weights_folder(cache_directory()))
        except OSError:  # a cache that cannot be written is done without
            try:
                with tempfile.TemporaryDirectory(prefix="stemwright-") as folder:
                    weights, weights_hash = _weights(path, manifest, Path(folder))
            except OSError as error:
                raise ModelError(f"The model's weights find no place on the disk: {error}") from error
        self._network = Network(
            compiled, weights, manifest.stems, manifest.frames, threads=threads or default_threads()
        )
        self._build = f"{sha256_of(kernels)} {weights_hash}"
        self._manifest = manifest
        self._runtime = f"winograd {library.VERSION} fp32"

    @property
    def manifest(self) -> ModelManifest:
        return self._manifest

    @property
    def device(self) -> str:
        return "cpu"

    @property
    def runtime(self) -> str:
        return self._runtime

    @property
    def build(self) -> str:
        return self._build

    def fractions(self, magnitudes: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.stack([self.fractions_of_each([patch])[0] for patch in magnitudes])

    def fractions_of_each(self, images: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        answers = self._network.fractions(images)
        return [
            checked(answer[None], image[None], self._manifest)[0] for answer, image in zip(answers, images, strict=True)
        ]

    def rest(self) -> None:
        self._network.forget()


def _weights(path: Path, manifest: ModelManifest, folder: Path) -> tuple[dict[str, NDArray[np.float32]], str]:
    """In the kernels' order, and their hash."""
    file = weights_file(path, manifest.digest, manifest.stems, folder)
    return kernel_weights(file, manifest.stems), hash_of(file)
