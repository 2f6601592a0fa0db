"""Versions of a model side by side: which is current, how another one becomes so, and the way back.

::

    models/repository/
      spleeter-2stems -> .versions/spleeter-2stems/7788ebc932c8
      .versions/spleeter-2stems/
        7788ebc932c8/       a version, named by the beginning of its digest, as ``repository.py`` describes
        1f2e3d4c5b6a/
        promoted            digests that were current, one a line, the present one last

Whoever reads ``models/repository/<name>`` sees one version whole: the link is replaced in one step. A model that was
imported and never promoted is a plain folder, and becomes a version when the first other one comes.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

from separation.errors import ModelError, ModelNotFound
from separation.machine.drafts import draft
from separation.models.repository import ModelRepository
from separation.models.spec import ModelManifest

_FOLDER, _HISTORY = ".versions", "promoted"
_DIGITS = 12


class Versions:
    """Those of the model ``name``. One process at a time may change them."""

    def __init__(self, repository: ModelRepository, name: str) -> None:
        self._repository = repository
        self._current = repository.folder(name)
        self._folder = repository.path / _FOLDER / name
        self._name = name

    def all(self) -> list[ModelManifest]:
        """The current one first, the others by digest. Empty where there is no such model."""
        current = self.current()
        others = [ModelRepository(self._folder).manifest(path.parent.name) for path in self._manifests()]
        return [*([current] if current else []), *(one for one in others if one != current)]

    def current(self) -> ModelManifest | None:
        """What is served and loaded under the name; ``None`` before a version was promoted."""
        return self._repository.manifest(self._name) if self._current.exists() else None

    def verified(self) -> list[ModelManifest]:
        """Those of ``all``, each with its file hashed. Raises ``ModelDigestMismatch``, ``ModelNotFound``."""
        current = self._repository.verify(self._name)
        others = [ModelRepository(self._folder).verify(path.parent.name) for path in self._manifests()]
        return [current, *(one for one in others if one != current)]

    def add(self, write: Callable[[Path], ModelManifest]) -> ModelManifest:
        """``write`` fills the folder that it is given; that becomes a version, current if it is the first.

        A version of the same digest is replaced. Nothing is left where ``write`` raises.
        """
        self._settle()
        with draft(self._folder) as scratch:
            made = scratch / "made"
            made.mkdir()
            manifest = write(made)
            there = self._path(manifest.digest)
            if there.exists():
                there.rename(scratch / "replaced")
            made.rename(there)
        if self.current() is None:
            self._point_at(manifest)
        return manifest

    def promote(self, digest: str) -> ModelManifest:
        """Makes the version whose digest begins with ``digest`` current, its file verified.

        Raises ``ModelNotFound`` for none or several, ``ModelDigestMismatch`` for a damaged one.
        """
        self._settle()
        wanted = digest.removeprefix("sha256:")
        there = [path.parent.name for path in self._manifests()]
        if not there:
            self._repository.manifest(self._name)  # says which models there are
        found = [name for name in there if wanted and name.startswith(wanted[:_DIGITS])]
        if len(found) != 1:
            fault = "Several digests begin" if len(found) > 1 else "No digest begins"
            raise ModelNotFound(f"{fault} with {digest!r}. Those of {self._name} begin with: {', '.join(there)}.")
        manifest = ModelRepository(self._folder).verify(found[0])
        self._point_at(manifest)
        return manifest

    def rollback(self) -> ModelManifest:
        """Makes the version current that was so before the present one.

        Raises ``ModelNotFound`` where none was, or there is no such model.
        """
        history = self._history()
        if len(history) < 2:
            self._repository.manifest(self._name)  # says which models there are
            raise ModelNotFound(
                f"No version of {self._name} was current before the present one. Promote one of: stemwright models list"
            )
        manifest = self.promote(history[-2])
        self._write_history(history[:-1])
        return manifest

    def _point_at(self, manifest: ModelManifest) -> None:
        draft = self._folder / ".link"
        draft.unlink(missing_ok=True)
        draft.symlink_to(Path(_FOLDER, self._name, self._path(manifest.digest).name))
        draft.replace(self._current)
        history = self._history()
        if history[-1:] != [manifest.digest]:
            self._write_history([*history, manifest.digest])

    def _settle(self) -> None:
        """A plain folder, as an import writes it, becomes a version."""
        if not self._current.is_dir() or self._current.is_symlink():
            return
        manifest = self._repository.verify(self._name)
        self._folder.mkdir(parents=True, exist_ok=True)
        there = self._path(manifest.digest)
        if there.exists():
            shutil.rmtree(there)
        self._current.rename(there)
        self._point_at(manifest)

    def _manifests(self) -> list[Path]:
        return sorted(path for path in self._folder.glob("*/manifest.json") if path.parent.name[0] != ".")

    def _path(self, digest: str) -> Path:
        hexadecimal = digest.removeprefix("sha256:")
        if len(hexadecimal) != 64 or not set(hexadecimal) <= set("0123456789abcdef"):
            raise ModelError(f"{digest!r} is no SHA-256 digest.")
        return self._folder / hexadecimal[:_DIGITS]

    def _history(self) -> list[str]:
        path = self._folder / _HISTORY
        return path.read_text(encoding="utf-8").split() if path.exists() else []

    def _write_history(self, digests: list[str]) -> None:
        draft = self._folder / f".{_HISTORY}"
        draft.write_text("".join(f"{digest}\n" for digest in digests), encoding="utf-8")
        draft.replace(self._folder / _HISTORY)
