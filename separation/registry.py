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
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from separation.errors import ModelDigestMismatch, ModelError, ModelNotFound
from separation.hashing import sha256_of
from separation.settings import Device

if TYPE_CHECKING:
    from separation.backends import MaskModel
    from separation.backends.choice import PassedOver

DEFAULT_MODEL = "spleeter-2stems"
UNET = "unet"
"""The architecture of every network that ``importers/unet.py`` writes."""


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

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Raises ``ModelError`` when a field is missing or of the wrong type."""
        try:
            fields: dict[str, Any] = json.loads(text)
            if fields["schema_version"] != 1:
                raise ModelError(f"The model's manifest has the unknown schema version {fields['schema_version']}.")
            return cls(**{**fields, "stems": tuple(fields["stems"])})
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(f"The model's manifest cannot be read: {error}.") from error


def default_repository() -> Path:
    """``STEMWRIGHT_MODEL_REPOSITORY``, else ``models/repository`` in the checkout."""
    if configured := os.environ.get("STEMWRIGHT_MODEL_REPOSITORY"):
        return Path(configured)
    return Path(__file__).resolve().parent.parent / "models" / "repository"


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
