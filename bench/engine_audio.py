"""Music with known stems to measure the engine on, and Spleeter itself as the rival.

The music lies outside the project (``STEMWRIGHT_AUDIO``, by default ``../shared/audio``), as does the rival's
environment (``STEMWRIGHT_PEER``, by default a folder of the cache, which ``make bench-engine`` fills). What the rival
answers is kept in the cache folder, because it takes minutes and never changes.
"""

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from separation.machine.cache import cache_directory

Samples = NDArray[np.float32]

RATE = 44100
SETS = ("nc_clips", "cc0_songs", "ccby_remix", "instrumental")
_SHARED = Path(__file__).resolve().parents[2] / "shared"
# MUSDB18's own container: the mixture, drums, bass, the rest, the vocals.
_MUSDB_MIXTURE, _MUSDB_VOCALS = 0, 4


@dataclass(frozen=True)
class Track:
    """A song whose parts are known; float32 ``(samples, 2)`` at 44.1 kHz. ``vocals`` is ``None`` without a singer."""

    group: str
    name: str
    mixture: Samples
    vocals: Samples | None
    accompaniment: Samples


def audio_folder() -> Path:
    """Where the music is; ``FileNotFoundError`` with the variable to set when it is not there."""
    folder = Path(os.environ.get("STEMWRIGHT_AUDIO") or _SHARED / "audio")
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no music in {folder}; set STEMWRIGHT_AUDIO.")
    return folder


def decoded(path: Path, stream: int = 0) -> Samples:
    """One audio stream of a file at its own rate, which must be 44.1 kHz stereo."""
    with av.open(str(path)) as container:
        chosen = container.streams.audio[stream]
        resampler = av.AudioResampler(format="fltp", layout="stereo", rate=RATE)
        frames = [out.to_ndarray() for frame in container.decode(chosen) for out in resampler.resample(frame)]
    return np.ascontiguousarray(np.concatenate(frames, axis=1).T)


def tracks(groups: Sequence[str] = SETS) -> Iterator[Track]:
    """Every track of the sets, decoded when its turn comes."""
    folder = audio_folder()
    for group in groups:
        match group:
            case "nc_clips":
                for path in sorted((folder / group).glob("*.mp4")):
                    parts = [decoded(path, number) for number in range(5)]
                    backing = parts[1] + parts[2] + parts[3]
                    name = path.name.removesuffix(".stem.mp4")
                    yield Track(group, name, parts[_MUSDB_MIXTURE], parts[_MUSDB_VOCALS], backing)
            case "instrumental":
                for path in sorted((folder / group).glob("*.ogg")):
                    music = decoded(path)
                    yield Track(group, path.stem, music, None, music)
            case _:
                for path in sorted(path for path in (folder / group).iterdir() if path.is_dir()):
                    vocals, backing = decoded(path / "vocals.ogg"), decoded(path / "accompaniment.ogg")
                    length = min(len(vocals), len(backing))
                    vocals, backing = vocals[:length], backing[:length]
                    yield Track(group, path.name, vocals + backing, vocals, backing)


def write_float_wav(path: Path, samples: Samples) -> None:
    """Float32 WAV; appears whole or not at all."""
    unfinished = path.with_suffix(".partial")
    with av.open(str(unfinished), "w", format="wav") as container:
        stream: Any = container.add_stream("pcm_f32le", rate=RATE, layout="stereo")
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples, np.float32).reshape(1, -1), format="flt", layout="stereo"
        )
        frame.sample_rate = RATE
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    unfinished.replace(path)


class Rival:
    """Deezer's Spleeter in TensorFlow: the same network and weights."""

    def __init__(self, cache: Path | None = None) -> None:
        self.python = Path(os.environ.get("STEMWRIGHT_PEER") or cache_directory() / "spleeter") / "bin" / "python"
        self.script = _SHARED / "peers" / "spleeter_reference.py"
        self._cache = (cache or cache_directory()) / "bench" / "spleeter"

    @property
    def installed(self) -> bool:
        return self.python.is_file() and self.script.is_file()

    def run(self, songs: Sequence[Path], out: Path) -> list[dict[str, Any]]:
        """Separates the songs in a new process; the script's own line per song."""
        answer = subprocess.run(
            [self.python, self.script, *songs, "--out", out], check=True, capture_output=True, text=True
        ).stdout
        return [json.loads(line) for line in answer.splitlines() if line.startswith("{")]

    def prepare(self, wanted: Sequence[Track]) -> None:
        """Separates those of the tracks that are not in the cache yet."""
        missing = [track for track in wanted if not self._folder(track).is_dir()]
        if not missing:
            return
        songs = self._cache / "songs"
        songs.mkdir(parents=True, exist_ok=True)
        paths = [songs / f"{track.group}--{track.name}.wav" for track in missing]
        for track, path in zip(missing, paths, strict=True):
            write_float_wav(path, track.mixture)
        self.run(paths, self._cache)
        for path in paths:
            path.unlink()

    def stems(self, track: Track) -> tuple[Samples, Samples] | None:
        """Its vocals and its accompaniment; ``None`` while there is no answer."""
        folder = self._folder(track)
        if not folder.is_dir():
            return None
        return decoded(folder / "vocals.wav"), decoded(folder / "accompaniment.wav")

    def _folder(self, track: Track) -> Path:
        return self._cache / f"{track.group}--{track.name}"
