"""Music source separation: a song in, its vocals and the song without them out.

One file to a folder of stems, with the default model (``stemwright models import spleeter-2stems`` fetches it once):

>>> from separation import separate
>>> manifest = separate("song.mp3", "stems")
>>> [stem.file for stem in manifest.stems]
['vocals.flac', 'instrumental.flac']

The stems have the song's own rate, channels and number of samples, and they sum to it. ``manifest`` says what went in,
which model made what, how loud each stem is and how exact the sum: ``manifest.quality.null_residual_dbfs``.

Many songs share one model, and every wish has a default:

>>> from separation import OutputFormat, SeparationSettings, Window, load_model
>>> model = load_model(threads=2)
>>> manifest = separate(
...     "song.mp3",
...     "karaoke",
...     model=model,
...     stems=["instrumental"],
...     window=Window(0.5, 2.0),                   # seconds
...     output=OutputFormat("mp3", bitrate_kbps=192),
...     settings=SeparationSettings(wiener_share=0.3),
... )
>>> manifest.stems[0].duration_seconds
1.5

Audio in memory, ``(samples, channels)`` or ``(samples,)``, full scale at 1.0:

>>> import numpy as np
>>> from separation import separate_array
>>> noise = np.float32(0.1) * np.random.default_rng(0).standard_normal((48000, 2), np.float32)
>>> stems = separate_array(noise, 48000, model=model)
>>> stems["vocals"].shape
(48000, 2)
>>> np.allclose(stems["vocals"] + stems["instrumental"], noise, atol=1e-7)
True

Every refusal is a ``SeparationError`` with a stable ``code`` and a sentence for a person:

>>> from separation import SeparationError
>>> try:
...     separate("letter.mp3", "stems", model=model)
... except SeparationError as error:
...     print(error.code)
audio_unsupported_format

======================  ===========================================================================================
``separate``            file to files
``separate_array``      array to arrays
``separate_file``       ``separate`` for services: with ``Progress``, ``Cancelled`` on demand, and ``AudioLimits``
``load_model``          a ``MaskModel`` of the repository, verified; shared between threads
``MaskModel``           the protocol that a network of your own has to follow; ``ModelManifest`` describes it
``ModelRepository``     the models: list, verify, load
``probe``               what a file holds, by decoding it: ``AudioInfo``
``Window``              a part of a song in seconds
``OutputFormat``        format, bit depth, bit rate of the files
``SeparationSettings``  how masks are made and used
``Manifest``            the proof of a separation
``SeparationError``     the root of the errors; the tree is drawn in ``separation.errors``
======================  ===========================================================================================

All calls block and may be made from several threads at once. Nothing heavy is imported before it is used:
``separation.errors`` and ``separation.audio.decode`` load neither ONNX Runtime nor SciPy.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from separation.api import load_model as load_model
    from separation.api import separate as separate
    from separation.api import separate_array as separate_array
    from separation.audio.decode import AudioInfo as AudioInfo
    from separation.audio.decode import AudioLimits as AudioLimits
    from separation.audio.decode import probe as probe
    from separation.errors import Cancelled as Cancelled
    from separation.errors import SeparationError as SeparationError
    from separation.manifest import Manifest as Manifest
    from separation.models.repository import ModelRepository as ModelRepository
    from separation.models.separator import MaskModel as MaskModel
    from separation.models.spec import ModelManifest as ModelManifest
    from separation.settings import OutputFormat as OutputFormat
    from separation.settings import SeparationSettings as SeparationSettings
    from separation.settings import Window as Window
    from separation.stream.job import Progress as Progress
    from separation.stream.job import separate_file as separate_file

_HOME_OF = {
    "AudioInfo": "audio.decode",
    "AudioLimits": "audio.decode",
    "Cancelled": "errors",
    "Manifest": "manifest",
    "MaskModel": "models.separator",
    "ModelManifest": "models.spec",
    "ModelRepository": "models.repository",
    "OutputFormat": "settings",
    "Progress": "stream.job",
    "SeparationError": "errors",
    "SeparationSettings": "settings",
    "Window": "settings",
    "load_model": "api",
    "probe": "audio.decode",
    "separate": "api",
    "separate_array": "api",
    "separate_file": "stream.job",
}
__all__ = list(_HOME_OF)


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
