"""The model repository: a folder per model, of which ``separation.serving`` makes the one that Triton mounts.

::

    models/repository/
      spleeter-2stems/
        manifest.json       what the engine needs to know; names the digest of the network's file
        canary.json         a patch's answer, by which runtimes and servers are checked (``canary.py``)
        README.md           the model's card
        1/model.onnx        the network
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from separation.cache import data_directory
from separation.errors import ModelDigestMismatch, ModelError, ModelNotFound
from separation.hashing import sha256_of
from separation.settings import BINS_STEP, Device

if TYPE_CHECKING:
    from separation.backends import MaskModel
    from separation.backends.choice import PassedOver

DEFAULT_MODEL = "spleeter-2stems"
UNET = "unet"
"""The architecture of every network that ``importers/unet.py`` writes."""

_LARGEST_FFT = 1 << 16
_FEWEST_OVERLAPS = 3
"""Of squared Hann windows, for their sum to be a constant."""


@dataclass(frozen=True)
class ModelManifest:
    """What a model is and what it expects.

    ``digest`` is ``sha256:`` and the SHA-256 of ``1/model.onnx``. ``fft_size`` and ``hop`` are in samples at
    ``sample_rate_hz``; a patch is ``frames`` by ``bins``, the lowest bins first. ``stems`` is the order of the masks.
    ``architecture``: ``unet`` where the graph is that of ``importers/unet.py``, whatever its weights, which kernels of
    our own can then compute.
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


def default_repository(installed_in: Path | None = None) -> Path:
    """``STEMWRIGHT_MODEL_REPOSITORY``, else ``models/repository`` of the checkout, else in the user's data folder.

    A checkout keeps its models to itself; nothing is written among installed packages. ``installed_in`` is the folder
    of this package, unless said otherwise.
    """
    if configured := os.environ.get("STEMWRIGHT_MODEL_REPOSITORY"):
        return Path(configured)
    checkout = installed_in or Path(__file__).resolve().parent.parent
    if (checkout / "pyproject.toml").is_file() and (checkout / "models").is_dir():
        return checkout / "models" / "repository"
    return data_directory() / "models"


class ModelRepository:
    """Finds, checks and loads models. Holds no state but its path."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or default_repository()

    def folder(self, name: str) -> Path:
        """The model's folder, whether or not it exists. Refuses names that lead elsewhere."""
        if not name or name != Path(name).name or name.startswith("."):
            raise ModelNotFound(f"{name!r} is not a model's name.")
        return self.path / name

    def model_file(self, name: str) -> Path:
        return self.folder(name) / "1" / "model.onnx"

    def manifests(self) -> list[ModelManifest]:
        """All models, by name."""
        found = sorted(path.parent.name for path in self.path.glob("*/manifest.json") if path.parent.name[0] != ".")
        return [self.manifest(name) for name in found]

    def manifest(self, name: str = DEFAULT_MODEL) -> ModelManifest:
        """Raises ``ModelNotFound`` with the command that would make the model."""
        try:
            text = (self.folder(name) / "manifest.json").read_text(encoding="utf-8")
        except FileNotFoundError:
            hint = f" Run: stemwright models import {name}" if name == DEFAULT_MODEL else ""
            raise ModelNotFound(f"There is no model {name} in {self.path}.{hint}") from None
        return ModelManifest.from_json(text)

    def verify(self, name: str = DEFAULT_MODEL) -> ModelManifest:
        """Hashes the network's file; raises ``ModelDigestMismatch`` when it is not the one in the manifest."""
        manifest = self.manifest(name)
        try:
            digest = f"sha256:{sha256_of(self.model_file(name))}"
        except FileNotFoundError:
            raise ModelNotFound(f"The model {name} in {self.path} has lost its file 1/model.onnx.") from None
        if digest != manifest.digest:
            raise ModelDigestMismatch(f"The model {name} has the digest {digest}, its manifest says {manifest.digest}.")
        return manifest

    def load(
        self,
        name: str = DEFAULT_MODEL,
        *,
        threads: int | None = None,
        device: Device = "auto",
        remember: bool = True,
        on_passed_over: "Callable[[PassedOver], None]" = lambda _: None,
    ) -> "MaskModel":
        """The verified model on the best hardware and runtime that answers its canary rightly.

        ``threads`` defaults to the processors of this process. The rest is that of
        ``separation.backends.choice.open_model``, which says what else is raised.
        """
        from separation.backends.choice import open_model
        from separation.canary import read_canary

        manifest, canary = self.verify(name), read_canary(self, name)
        return open_model(
            self.model_file(name),
            manifest,
            canary,
            threads=threads,
            device=device,
            remember=remember,
            on_passed_over=on_passed_over,
        )
