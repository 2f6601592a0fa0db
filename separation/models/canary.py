"""The canary: a patch whose answer is known, asked before a model is trusted with a song, wherever it computes.

``canary.json`` beside a model's manifest holds the answer of the network in float32, as means over blocks. A server
with the wrong weights, a broken engine or a damaged file answers something else; other arithmetic does not.
"""

import json
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from separation.errors import ModelAnswerInvalid, ModelError
from separation.models.separator import MaskModel
from separation.models.spec import ModelManifest

TOLERANCE = 0.005
"""Between block means of fractions. Float16 stays a tenth of it; another network is far beyond it."""

_BLOCKS = (8, 16)  # of frames and of bins
_DIGITS = 5
CANARY_FILE = "canary.json"


def canary_patch(manifest: ModelManifest) -> NDArray[np.float32]:
    """Magnitudes ``(1, 2, frames, bins)`` as loud as music: noise that falls towards high bins. To be read only.

    The same each time, on every machine: a bit generator's own numbers are, what NumPy draws from them may change.
    """
    return _noise(manifest.frames, manifest.bins)


@lru_cache(maxsize=1)
def _noise(frames: int, bins: int) -> NDArray[np.float32]:
    """A worker asks its models again and again, and they have patches of one size: 4 MB instead of 25 ms each time."""
    uniform = (np.random.PCG64(20).random_raw((1, 2, frames, bins)) >> np.uint64(11)) * 2.0**-53
    patch: NDArray[np.float32] = (-np.log1p(-uniform) * 200 / (1 + np.arange(bins) / 32)).astype(np.float32)
    patch.flags.writeable = False
    return patch


@dataclass(frozen=True)
class Canary:
    """What the network of ``digest`` answers to ``canary_patch``: means of ``fractions``, ``(stems, 2, 8, 16)``."""

    digest: str
    means: NDArray[np.float64]

    @classmethod
    def of(cls, model: MaskModel) -> Self:
        """Asks ``model``, which should compute in float32."""
        return cls(model.manifest.digest, block_means(model.fractions(canary_patch(model.manifest))[0]))

    def check(self, fractions: NDArray[np.float32], manifest: ModelManifest) -> None:
        """Raises ``ModelAnswerInvalid`` unless ``fractions``, ``(stems, 2, frames, bins)``, are that answer."""
        error = float(np.abs(block_means(fractions) - self.means).max())
        if not error <= TOLERANCE:
            raise ModelAnswerInvalid(f"The model {manifest.name} answered the canary wrongly, by up to {error:.3f}.")

    def to_json(self) -> str:
        return (
            json.dumps({"schema_version": 1, "digest": self.digest, "means": self.means.round(_DIGITS).tolist()}) + "\n"
        )

    @classmethod
    def from_json(cls, text: str, manifest: ModelManifest) -> Self:
        """Raises ``ModelError`` where it is not that of this model."""
        try:
            fields = json.loads(text)
            if fields["schema_version"] != 1:
                raise ModelError(f"The canary of {manifest.name} has an unknown schema version.")
            canary = cls(fields["digest"], np.array(fields["means"], np.float64))
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(f"The canary of {manifest.name} cannot be read: {error}.") from error
        if canary.digest != manifest.digest or canary.means.shape != (len(manifest.stems), 2, *_BLOCKS):
            raise ModelError(f"The canary of {manifest.name} is that of another model; lay the model out again.")
        return canary


def ask(model: MaskModel, expected: Canary | None) -> float:
    """Asks the model for its canary patch and checks the answer; the seconds that it took.

    Where no answer is known, it must at least lie between 0 and 1. Raises ``ModelAnswerInvalid``.
    """
    manifest = model.manifest
    patch = canary_patch(manifest)
    begun = time.perf_counter()
    answer = model.fractions(patch)
    seconds = time.perf_counter() - begun
    if expected:
        expected.check(answer[0], manifest)
    elif answer.min() < 0 or answer.max() > 1:
        raise ModelAnswerInvalid(f"The model {manifest.name} answered with numbers outside 0 to 1.")
    return seconds


def read_canary(folder: Path, manifest: ModelManifest) -> Canary | None:
    """What the model answers to the canary's patch, from the folder of its manifest.

    ``None`` for a model from before canaries were kept. Raises ``ModelError`` for that of another model.
    """
    try:
        text = (folder / CANARY_FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    return Canary.from_json(text, manifest)


def block_means(fractions: NDArray[np.float32]) -> NDArray[np.float64]:
    """``(stems, 2, frames, bins)`` to ``(stems, 2, 8, 16)``."""
    stems, channels, frames, bins = fractions.shape
    rows, columns = _BLOCKS
    blocks = fractions.reshape(stems, channels, rows, frames // rows, columns, bins // columns)
    means: NDArray[np.float64] = blocks.mean(axis=(3, 5), dtype=np.float64)
    return means
