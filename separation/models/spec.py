"""What a model is and what it expects: its manifest."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from separation.errors import ModelError
from separation.models.unet import BINS_STEP

_LARGEST_FFT = 1 << 16
_FEWEST_OVERLAPS = 3
"""Of squared Hann windows, for their sum to be a constant."""


@dataclass(frozen=True)
class ModelManifest:
    """What a model is and what it expects.

    ``digest`` is ``sha256:`` and the SHA-256 of ``1/model.onnx``. ``fft_size`` and ``hop`` are in samples at
    ``sample_rate_hz``; a patch is ``frames`` by ``bins``, the lowest bins first. ``stems`` is the order of the masks.
    ``architecture``: that of ``models/unet.py`` where the graph is that of ``importers/unet.py``, whatever its weights,
    which kernels of our own can then compute.
    """

    name: str
    digest: str
    licence: str
    source: Mapping[str, str]
    sample_rate_hz: int
    fft_size: int
    hop: int
    frames: int
    bins: int
    stems: tuple[str, ...]
    architecture: str | None = None
    schema_version: int = 1

    def __post_init__(self) -> None:
        """Raises ``ModelError`` for what the engine cannot compute with."""
        if not self.name or not self.stems or len(set(self.stems)) != len(self.stems):
            raise ModelError("A model needs a name, and a name for each of its stems.")
        size, hop = self.fft_size, self.hop
        if not (8000 <= self.sample_rate_hz <= 192_000 and 0 < size <= _LARGEST_FFT and size % 2 == 0):
            raise ModelError(f"The model {self.name} has an FFT of {size} samples at {self.sample_rate_hz} Hz.")
        if hop <= 0 or size % hop or size // hop < _FEWEST_OVERLAPS:
            raise ModelError(
                f"The model {self.name} has a hop of {hop} samples; it must be the FFT's {size} divided by a whole "
                f"number, {_FEWEST_OVERLAPS} or more, or the windows do not overlap-add evenly."
            )
        if self.bins <= 0 or self.bins % BINS_STEP or self.bins > size // 2 + 1:
            raise ModelError(
                f"The model {self.name} sees {self.bins} bins; it must be a multiple of {BINS_STEP} and no more than "
                f"the {size // 2 + 1} that an FFT of {size} samples has."
            )
        if self.frames <= 0:
            raise ModelError(f"The model {self.name} takes {self.frames} frames.")

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Fields that a newer version added are ignored.

        Raises ``ModelError`` when a field is missing, of the wrong type, or cannot be computed with.
        """
        try:
            given: Any = json.loads(text)
            version = given["schema_version"]
            known = {field.name: given[field.name] for field in fields(cls) if field.name in given}
            wrong = [name for name, value in known.items() if not _IS_OF_ITS_TYPE[name](value)]
            if version != 1 or wrong:
                what = f"{wrong[0]} {known[wrong[0]]!r}" if wrong else f"the unknown schema version {version}"
                raise ModelError(f"The model's manifest has {what}.")
            return cls(**{**known, "stems": tuple(known["stems"])})
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(f"The model's manifest cannot be read: {error}.") from error


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_IS_OF_ITS_TYPE: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("name", "digest", "licence"), _is_text),
    **dict.fromkeys(("sample_rate_hz", "fft_size", "hop", "frames", "bins", "schema_version"), _is_whole),
    "source": lambda value: isinstance(value, dict) and all(map(_is_text, value.values())),
    "stems": lambda value: isinstance(value, list) and all(map(_is_text, value)),
    "architecture": lambda value: value is None or _is_text(value),
}
