"""The two calls that most programs need."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from separation.backends import MaskModel, OnnxMaskModel
from separation.engine import separate_file
from separation.manifest import Manifest
from separation.registry import DEFAULT_MODEL, ModelRepository
from separation.settings import OutputFormat, Window


def load_model(
    name: str = DEFAULT_MODEL, *, repository: Path | None = None, threads: int | None = None
) -> OnnxMaskModel:
    """The model from ``repository`` (default: ``STEMWRIGHT_MODEL_REPOSITORY`` or the checkout's), its digest verified.

    Takes a third of a second and about 160 MB; load once and share between threads. ``threads`` bounds the processors
    that one call of the network uses, by default all that this process may use. Raises ``ModelError``.
    """
    return ModelRepository(repository).load(name, threads=threads)


def separate(
    song: str | PathLike[str],
    out_dir: str | PathLike[str],
    *,
    model: MaskModel | None = None,
    stems: Sequence[str] = ("vocals", "instrumental"),
    window: Window | None = None,
    output: OutputFormat | None = None,
) -> Manifest:
    """Separates one song with the default settings; ``separate_file`` says what is written and what is raised.

    Without ``model`` the default one is loaded for this call; for several songs load it once with ``load_model``.
    """
    return separate_file(
        Path(song), Path(out_dir), model=model or load_model(), stems=stems, window=window, output=output
    )
