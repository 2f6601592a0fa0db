"""Music source separation: a song in, its vocals and the song without them out.

A library that knows no service. The shortest way, with the default model::

    from separation import separate

    manifest = separate("song.mp3", "stems/")       # stems/vocals.flac, stems/instrumental.flac, ...
    print(manifest.quality.null_residual_dbfs)

What a service or a program with wishes of its own uses (everything below is importable from here)::

    load_model(name: str = "spleeter-2stems", *, repository: Path | None = None, threads: int | None = None)
        -> OnnxMaskModel                  # verified by its digest; keep it and share it between threads
    separate_file(source: Path, out_dir: Path, *, model: MaskModel,
        stems: Sequence[str] = ("vocals", "instrumental"),             # and/or "mixture"
        window: Window | None = None,                                  # Window(start_seconds, end_seconds)
        output: OutputFormat | None = None,                            # OutputFormat(name, bit_depth, bitrate_kbps)
        settings: SeparationSettings | None = None,
        limits: AudioLimits | None = None,                             # AudioLimits(max_duration_seconds, ...)
        on_progress: Callable[[Progress], None] | None = None,         # Progress(stage, fraction)
        should_cancel: Callable[[], bool] | None = None) -> Manifest
    probe(path: Path, limits: AudioLimits | None = None) -> AudioInfo  # by decoding all of it
    ModelRepository(path: Path | None = None)                          # manifests, manifest, verify, load

``separate_file`` blocks, is thread-safe, writes ``<stem>.<format>``, ``waveforms.json`` and, last, ``manifest.json``
into ``out_dir``, and leaves nothing there when it fails. All errors are ``SeparationError`` with a ``code``; the tree
is drawn in ``separation.errors``. Nothing heavy is imported before it is used: ``separation.errors`` and
``separation.decode`` load neither ONNX Runtime nor SciPy.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from separation.api import load_model as load_model
    from separation.api import separate as separate
    from separation.backends import MaskModel as MaskModel
    from separation.backends import OnnxMaskModel as OnnxMaskModel
    from separation.decode import AudioInfo as AudioInfo
    from separation.decode import AudioLimits as AudioLimits
    from separation.decode import probe as probe
    from separation.engine import Progress as Progress
    from separation.engine import separate_file as separate_file
    from separation.errors import Cancelled as Cancelled
    from separation.errors import SeparationError as SeparationError
    from separation.manifest import Manifest as Manifest
    from separation.registry import ModelManifest as ModelManifest
    from separation.registry import ModelRepository as ModelRepository
    from separation.settings import OutputFormat as OutputFormat
    from separation.settings import SeparationSettings as SeparationSettings
    from separation.settings import Window as Window

_HOME_OF = {
    "AudioInfo": "decode",
    "AudioLimits": "decode",
    "Cancelled": "errors",
    "Manifest": "manifest",
    "MaskModel": "backends",
    "ModelManifest": "registry",
    "ModelRepository": "registry",
    "OnnxMaskModel": "backends",
    "OutputFormat": "settings",
    "Progress": "engine",
    "SeparationError": "errors",
    "SeparationSettings": "settings",
    "Window": "settings",
    "load_model": "api",
    "probe": "decode",
    "separate": "api",
    "separate_file": "engine",
}
__all__ = list(_HOME_OF)


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
