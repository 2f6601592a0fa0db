"""Training patches: stems of one song or of several, louder and softer, sides swapped, at another pitch and tempo.

Remixing follows S. Uhlich et al., "Improving music source separation based on deep neural networks through data
augmentation and network blending", ICASSP 2017; pitch and tempo A. Défossez et al., "Music source separation in the
waveform domain", 2019. Each patch has a number, and everything about it is drawn from the seed and that number: which
process or worker prepares it, and when, makes no difference.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import av
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from separation.models.unet import SAMPLE_RATE_HZ
from training.config import RemixConfig
from training.errors import DataInvalid
from training.recordings import Reader, Samples
from training.sources import Song

_STREAM_OF_TRAINING = 1  # beside the seed, so that other uses of the seed draw other numbers


@dataclass(frozen=True)
class Stretch:
    """Another pitch, as a ratio of frequencies, and another tempo, as a ratio of speeds."""

    pitch: float = 1.0
    tempo: float = 1.0

    def input_samples(self, samples: int) -> int:
        """How many samples of the song ``samples`` of the answer need, a little more than enough."""
        return samples if self == Stretch() else int(samples * self.tempo) + SAMPLE_RATE_HZ // 4


def stretched(audio: Samples, stretch: Stretch, samples: int) -> Samples:
    """``(2, n)`` as ``(2, samples)`` at another pitch and tempo: FFmpeg resamples, then overlaps and adds (WSOLA)."""
    if stretch == Stretch():
        return audio[:, :samples]
    graph = av.filter.Graph()
    graph.threads = 1
    steps = [
        graph.add_abuffer(format="fltp", sample_rate=SAMPLE_RATE_HZ, layout="stereo"),
        graph.add("asetrate", str(round(SAMPLE_RATE_HZ * stretch.pitch))),
        graph.add("aresample", str(SAMPLE_RATE_HZ)),
        graph.add("atempo", f"{stretch.tempo / stretch.pitch:.9f}"),
        graph.add("aformat", "sample_fmts=fltp"),
        graph.add("abuffersink"),
    ]
    graph.link_nodes(*steps).configure()
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(audio), format="fltp", layout="stereo")
    frame.sample_rate, frame.pts = SAMPLE_RATE_HZ, 0
    graph.push(frame)
    graph.push(None)
    pieces: list[NDArray[np.float32]] = []
    while True:
        try:
            pulled = graph.pull()
        except (av.BlockingIOError, av.EOFError):
            break
        assert isinstance(pulled, av.AudioFrame)  # noqa: S101 - the sink is one of audio
        pieces.append(np.asarray(pulled.to_ndarray(), np.float32))
    whole = np.concatenate(pieces, axis=1)[:, :samples]
    return np.pad(whole, ((0, 0), (0, samples - whole.shape[1])))


class RemixedPatches(Dataset[Tensor]):
    """Training patches without end, by number: float32 ``(stems, 2, samples)``, whose sum is the mixture.

    Songs are drawn by their length, so that every second of music comes as often as any other. Raises ``DataInvalid``
    where no song has one of the stems.
    """

    def __init__(
        self, songs: Sequence[Song], stems: Sequence[str], samples: int, remix: RemixConfig, reader: Reader, seed: int
    ) -> None:
        self._stems, self._samples, self._remix, self._reader, self._seed = tuple(stems), samples, remix, reader, seed
        self._songs_with = {stem: [song for song in songs if song.recordings_of(stem, stems)] for stem in stems}
        for stem, having in self._songs_with.items():
            if not having:
                raise DataInvalid(f"No song has the stem {stem}.")
        self._whole_songs = [song for song in songs if all(song.recordings_of(stem, stems) for stem in stems)]

    def __getitem__(self, number: int) -> Tensor:
        random = np.random.default_rng([self._seed, _STREAM_OF_TRAINING, number])
        mixed = random.random() < self._remix.probability or not self._whole_songs
        patch = np.empty((len(self._stems), 2, self._samples), np.float32)
        common = None if mixed else self._drawn(random, self._whole_songs)
        for place, stem in enumerate(self._stems):
            song, begin, stretch = common or self._drawn(random, self._songs_with[stem])
            count = stretch.input_samples(self._samples)
            audio = song.read(self._reader, stem, self._stems, begin, count)
            audio = stretched(audio, stretch, self._samples)
            if random.random() < self._remix.swap_probability:
                audio = audio[::-1]
            patch[place] = audio * np.float32(10 ** (random.uniform(*self._remix.gain_db) / 20))
        return torch.from_numpy(patch)

    def _drawn(self, random: np.random.Generator, songs: Sequence[Song]) -> tuple[Song, int, Stretch]:
        lengths = np.array([song.samples for song in songs], np.float64)
        song = songs[random.choice(len(songs), p=lengths / lengths.sum())]
        stretch = Stretch()
        if random.random() < self._remix.stretch_probability:
            semitones = random.uniform(-self._remix.pitch_semitones, self._remix.pitch_semitones)
            stretch = Stretch(
                2 ** (semitones / 12), 1 + random.uniform(-self._remix.tempo_change, self._remix.tempo_change)
            )
        # A song shorter than the patch lies somewhere within it.
        room = song.samples - stretch.input_samples(self._samples)
        return song, int(random.integers(min(0, room), max(0, room), endpoint=True)), stretch


class PatchNumbers(Sampler[list[int]]):
    """The numbers of the patches of one process, batch by batch, from a step on.

    All processes together go through 0, 1, 2, ... without a gap: a step takes the same patches whether four processes
    take a batch each or one process accumulates four.
    """

    def __init__(self, *, steps: range, batch: int, accumulation: int, rank: int, processes: int) -> None:
        self._steps, self._batch, self._accumulation = steps, batch, accumulation
        self._rank, self._processes = rank, processes

    def __iter__(self) -> Iterator[list[int]]:
        for step in self._steps:
            for turn in range(self._accumulation):
                first = ((step * self._accumulation + turn) * self._processes + self._rank) * self._batch
                yield list(range(first, first + self._batch))

    def __len__(self) -> int:
        return len(self._steps) * self._accumulation


class FixedPatches(Dataset[Tensor]):
    """For validation: ``patches`` of songs as they are, spread evenly over all that the songs can be cut into."""

    def __init__(self, songs: Sequence[Song], stems: Sequence[str], samples: int, patches: int, reader: Reader) -> None:
        self._stems, self._samples, self._reader = tuple(stems), samples, reader
        whole = [song for song in songs if all(song.recordings_of(stem, stems) for stem in stems)]
        places = [(song, begin) for song in whole for begin in range(0, max(1, song.samples - samples + 1), samples)]
        if not places:
            raise DataInvalid(f"No song for validation has all of {', '.join(stems)}.")
        chosen = np.unique(np.linspace(0, len(places) - 1, min(patches, len(places))).round().astype(int))
        self._places = [places[index] for index in chosen]

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, number: int) -> Tensor:
        song, begin = self._places[number]
        parts = [song.read(self._reader, stem, self._stems, begin, self._samples) for stem in self._stems]
        return torch.from_numpy(np.stack(parts))
