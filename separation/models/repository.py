"""The model repository: a folder per model. A worker's Triton server mounts another one, which is made of it.

::

    models/repository/
      spleeter-2stems/
        manifest.json       what the engine needs to know; names the digest of the network's file
        canary.json         a patch's answer, by which runtimes and servers are checked (``canary.py``)
        README.md           the model's card
        1/model.onnx        the network
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from separation.errors import ModelDigestMismatch, ModelNotFound, did_you_mean
from separation.machine.cache import data_directory
from separation.machine.hashing import sha256_of
from separation.models.spec import ModelManifest
from separation.settings import Device

if TYPE_CHECKING:
    from separation.models.canary import Canary
    from separation.models.runtimes.choice import PassedOver
    from separation.models.separator import MaskModel

DEFAULT_MODEL = "spleeter-2stems"


def default_repository(installed_in: Path | None = None) -> Path:
    """``STEMWRIGHT_MODEL_REPOSITORY``, else ``models/repository`` of the checkout, else in the user's data folder.

    A checkout keeps its models to itself; nothing is written among installed packages. ``installed_in`` is the folder
    of this package, unless said otherwise.
    """
    if configured := os.environ.get("STEMWRIGHT_MODEL_REPOSITORY"):
        return Path(configured)
    checkout = installed_in or Path(__file__).resolve().parents[2]
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
        return [self.manifest(name) for name in self.names()]

    def manifest(self, name: str = DEFAULT_MODEL) -> ModelManifest:
        """Raises ``ModelNotFound`` with the models there are, or the command that would make it."""
        try:
            text = (self.folder(name) / "manifest.json").read_text(encoding="utf-8")
        except FileNotFoundError:
            raise ModelNotFound(f"There is no model {name} in {self.path}.{self._instead_of(name)}") from None
        return ModelManifest.from_json(text)

    def names(self) -> list[str]:
        """Of all models, in order; of damaged ones too."""
        return sorted(path.parent.name for path in self.path.glob("*/manifest.json") if path.parent.name[0] != ".")

    def _instead_of(self, name: str) -> str:
        names = self.names()
        if name == DEFAULT_MODEL or not names:
            return f" Run: stemwright models import {DEFAULT_MODEL}"
        return f"{did_you_mean(name, names)} There are: {', '.join(names)}."

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

    def canary(self, name: str = DEFAULT_MODEL) -> "Canary | None":
        """What the model answers to the canary's patch; ``None`` for a model from before canaries were kept.

        Raises ``ModelError`` for that of another model.
        """
        from separation.models.canary import read_canary

        return read_canary(self.folder(name), self.manifest(name))

    def make_canary(self, name: str = DEFAULT_MODEL) -> "Canary":
        """Asks the model for it, on the CPU, and keeps the answer beside the manifest."""
        from separation.models.canary import CANARY_FILE, Canary
        from separation.models.runtimes.choice import reference_model

        canary = Canary.of(reference_model(self.model_file(name), self.verify(name)))
        (self.folder(name) / CANARY_FILE).write_text(canary.to_json(), encoding="utf-8")
        return canary

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
        ``separation.models.runtimes.choice.open_model``, which says what else is raised.
        """
        from separation.models.runtimes.choice import open_model

        manifest = self.verify(name)
        return open_model(
            self.model_file(name),
            manifest,
            self.canary(name),
            threads=threads,
            device=device,
            remember=remember,
            on_passed_over=on_passed_over,
        )
