"""The U-Net on a CPU by the kernels of ``separation.unet``: half the time of ONNX Runtime in float32 with AVX2."""

import platform
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from separation.backends import checked_masks, default_threads, ratio_of_squares
from separation.cache import cache_directory
from separation.errors import ModelError
from separation.memory import return_large_blocks
from separation.processor import has_avx2
from separation.registry import UNET, ModelManifest
from separation.unet import library
from separation.unet.network import Network
from separation.unet.weights import kernel_weights


def computes(manifest: ModelManifest, flags: frozenset[str]) -> bool:
    """Whether the kernels are there, compute this model and run on a processor with these instruction sets."""
    if manifest.architecture != UNET or manifest.frames % 128 or not library.FILE.exists():
        return False
    return platform.machine() != "x86_64" or has_avx2(flags)


def weights_folder(cache: Path) -> Path:
    """Where in the cache folder the weights of all models lie in the kernels' order."""
    return cache / "cpu"


class WinogradModel:
    """``MaskModel`` by our own kernels. One call at a time runs, on ``threads`` processors; others wait for it.

    A model's first start on a machine takes two seconds longer: its weights are turned into the kernels' order and
    kept in the cache folder. Loading a model changes how the process allocates (``separation.memory``).
    """

    def __init__(self, path: Path, manifest: ModelManifest, *, threads: int | None = None) -> None:
        return_large_blocks()
        try:
            weights = kernel_weights(path, manifest.digest, manifest.stems, weights_folder(cache_directory()))
        except OSError:  # a cache that cannot be written is done without
            try:
                with tempfile.TemporaryDirectory(prefix="stemwright-") as folder:
                    weights = kernel_weights(path, manifest.digest, manifest.stems, Path(folder))
            except OSError as error:
                raise ModelError(f"The model's weights find no place on the disk: {error}") from error
        self._network = Network(weights, manifest.stems, manifest.frames, threads=threads or default_threads())
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

    def masks(self, magnitudes: NDArray[np.float32]) -> NDArray[np.float32]:
        return ratio_of_squares(self.fractions(magnitudes))

    def fractions(self, magnitudes: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.stack([self.fractions_of_each([patch])[0] for patch in magnitudes])

    def fractions_of_each(self, images: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        answers = self._network.fractions(images)
        return [
            checked_masks(answer[None], image[None], self._manifest)[0]
            for answer, image in zip(answers, images, strict=True)
        ]

    def rest(self) -> None:
        self._network.forget()
