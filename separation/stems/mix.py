"""The mix of a song's stems as the faders of a desk stand, as a WAV of 24 bits in stereo.

The arithmetic is that of the web app's desk (`web/src/mixer/desk.ts`), whose nodes are Web Audio's: 10^(dB/20), the
panner of equal power for two channels, the sum, the master. All of that is linear and remembers nothing, so each track
has one matrix, and segments join without a seam. With neutral faders the mix is the song, sample for sample.

Run as a program (`separation.stems.segments`) it is told ``samples`` per channel, of which ``begin`` have been written
already, ``sample_rate_hz``, the ``faders`` (the fields of ``Faders``), and ``tracks``, in the order in which they come:
those that are heard, where a stem is none of them the mixture and the other stem, and in any case one.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from separation.errors import UndecodableAudio
from separation.stems.segments import INSTRUMENTAL, MIXTURE, VOCALS, Write, by_segment, decoded, run

Matrix = NDArray[np.float64]

SILENT_DB = -60.0
"""The lowest place of a fader is silence."""

_CHANNELS, _BYTES = 2, 3
_HEADER_BYTES = 44
_FULL_SCALE = 2**23
_STEPS_OF_16_BITS = 2**8
_MINUS_3_DB = np.sqrt(0.5)
# Web Audio API, "Down Mixing Speaker Layouts", in the order of channels that FLAC has, too. What is not among them is
# mixed as "discrete": the first two channels are heard.
_TO_STEREO = {
    1: np.array([[1, 1]]),
    4: np.array([[0.5, 0], [0, 0.5], [0.5, 0], [0, 0.5]]),
    6: np.array([[1, 0], [0, 1], [_MINUS_3_DB, _MINUS_3_DB], [0, 0], [_MINUS_3_DB, 0], [0, _MINUS_3_DB]]),
}


@dataclass(frozen=True)
class Faders:
    """Gains in dB, silence at ``SILENT_DB``; panoramas from -1, left, to 1, right."""

    vocals_gain_db: float = 0.0
    vocals_pan: float = 0.0
    instrumental_gain_db: float = 0.0
    instrumental_pan: float = 0.0
    master_gain_db: float = 0.0

    def matrices(self, tracks: Sequence[str]) -> dict[str, Matrix]:
        """What each track's two channels are multiplied by, from the right: ``(2, 2)``."""
        master = _gain(self.master_gain_db)
        found: dict[str, Matrix] = {track: np.zeros((2, 2)) for track in tracks}
        for stem, other, gain_db, pan in (
            (VOCALS, INSTRUMENTAL, self.vocals_gain_db, self.vocals_pan),
            (INSTRUMENTAL, VOCALS, self.instrumental_gain_db, self.instrumental_pan),
        ):
            matrix = master * _gain(gain_db) * _panorama(pan)
            if stem in found:
                found[stem] += matrix
            elif matrix.any():  # nobody ordered it: it is what remains
                found[MIXTURE] += matrix
                found[other] -= matrix
        return found


def _gain(decibels: float) -> float:
    return 0.0 if decibels <= SILENT_DB else float(10 ** (decibels / 20))


def _panorama(pan: float) -> Matrix:
    """Web Audio API, "StereoPannerNode Panning", two inputs: what one side loses is heard on the other."""
    angle = (pan + 1 if pan <= 0 else pan) * np.pi / 2
    left, right = np.cos(angle), np.sin(angle)
    return np.array([[1, 0], [left, right]]) if pan <= 0 else np.array([[left, right], [0, 1]])


def write_mix(
    samples: int,
    sample_rate_hz: int,
    faders: Faders,
    segments: Iterable[Mapping[str, bytes]],
    write: Write,
    *,
    begin: int = 0,
) -> None:
    """Writes the file while the segments come: FLAC of 16 bits by the track's name, of any channels.

    What lies beyond full scale is cut. Memory is that of one segment. From sample ``begin`` on, where the first segment
    does, it writes the rest of a file alone. Raises ``UndecodableAudio`` where the segments do not end at ``samples``.
    """
    if begin == 0:
        write(_header(samples, sample_rate_hz))
    read = begin
    for segment in segments:
        mix = _mixed(segment, sample_rate_hz, faders.matrices(tuple(segment)))
        read += len(mix)
        if read > samples:
            break
        write(_in_24_bits(mix))
    if read != samples:
        raise UndecodableAudio(f"The segments end at sample {read} or later, where {samples} were told.")


def _mixed(segment: Mapping[str, bytes], rate: int, matrices: Mapping[str, Matrix]) -> Matrix:
    """``(n, 2)``, in steps of 24 bits."""

    def part(track: str) -> Matrix:
        samples = decoded(segment[track], rate)[1]
        channels = samples.shape[1]
        to_stereo = _TO_STEREO.get(channels, np.eye(channels, _CHANNELS))
        heard: Matrix = samples.astype(np.float64) @ (_STEPS_OF_16_BITS * to_stereo @ matrices[track])
        return heard

    first, *others = segment
    mix = part(first)
    for track in others:
        more = part(track)
        if more.shape != mix.shape:
            raise UndecodableAudio("The tracks of a segment are not of one length.")
        mix += more
    return mix


def _in_24_bits(mix: Matrix) -> bytes:
    """Halves go up, as in JavaScript's ``Math.round``."""
    whole = np.clip(np.floor(mix + 0.5), -_FULL_SCALE, _FULL_SCALE - 1).astype("<i4")
    return whole.view(np.uint8).reshape(-1, 4)[:, :_BYTES].tobytes()


def _header(samples: int, rate: int) -> bytes:
    frame = _CHANNELS * _BYTES
    data = samples * frame
    # Plain PCM, which every player knows.
    form = struct.pack("<HHIIHH", 1, _CHANNELS, rate, rate * frame, frame, 8 * _BYTES)
    riff = struct.pack("<4sI4s", b"RIFF", _HEADER_BYTES - 8 + data, b"WAVE")
    return riff + struct.pack("<4sI", b"fmt ", len(form)) + form + struct.pack("<4sI", b"data", data)


def _make(head: dict[str, Any], pieces: Iterator[bytes], write: Write) -> None:
    segments = by_segment(pieces, head["tracks"])
    faders = Faders(**head["faders"])
    write_mix(head["samples"], head["sample_rate_hz"], faders, segments, write, begin=head["begin"])


if __name__ == "__main__":
    run(_make)
