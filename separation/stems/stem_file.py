"""The file that DJ software opens (Native Instruments' Stems, ``.stem.mp4``): the song and four stems in one MP4.

Five stereo tracks of AAC: the mixture, which any player plays, and four stems that a mixer has faders for. Software
that reads the format insists on all five (Mixxx refuses a file with fewer, and one that is not stereo), and controllers
have the voice on the fourth pad. Of two stems the instrumental lies in the first place and the vocals in the last; the
two between are silent, so that the four faders up are the song. What the stems are called is a box of JSON,
``moov/udta/stem``, which also asks for a compressor and a limiter: both are off, or the stems would no longer sum.

Run as a program (`separation.stems.segments`) it is told the ``song``, the fields of ``SongFacts``, and ``tracks``, in
the order in which they come; where there is ``stem``, the beginning of the finished stem of that name comes before the
segments: it has the song's tags and cover.
"""

import io
import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.codec.context import Flags
from numpy.typing import NDArray

from separation.audio.channels import downmix_matrix
from separation.audio.containers import identify
from separation.audio.containers.pictures import Cover, read_cover
from separation.audio.mp4_writer import AAC_FRAME, Mp4Writer, box
from separation.audio.resample import BlockResampler
from separation.audio.tags import song_tags
from separation.errors import AudioError, UndecodableAudio
from separation.stems.segments import INSTRUMENTAL, MIXTURE, VOCALS, Write, by_segment, decoded, run

Samples = NDArray[np.float32]

SLOTS = (INSTRUMENTAL, None, None, VOCALS)
"""Which stem lies in which of the four places; ``None`` is silent."""
BITRATE = 256_000
"""Of each track; what Native Instruments' own tool takes."""

_RATES_HZ = (44_100, 48_000)
_FULL_SCALE = 2.0**15
# Before the song: frames in which the encoder finds its pace, and FFmpeg's own delay, one frame.
_ENCODER_DELAY = AAC_FRAME
_NAMES = {INSTRUMENTAL: "Instrumental", VOCALS: "Vocals", None: "Empty"}
# The format's own colours for its four places, told apart by those who see few.
_COLOURS = ("#009E73", "#D55E00", "#CC79A7", "#56B4E9")
_ITUNES = {
    "title": "\xa9nam",
    "artist": "\xa9ART",
    "album": "\xa9alb",
    "album_artist": "aART",
    "composer": "\xa9wrt",
    "date": "\xa9day",
    "genre": "\xa9gen",
}


@dataclass(frozen=True)
class SongFacts:
    """``samples``: per channel, of each track. ``key`` as ``"F# minor"``; without it and the tempo none is told."""

    samples: int
    sample_rate_hz: int
    title: str
    tempo_bpm: float | None = None
    key: str | None = None


@dataclass(frozen=True)
class SongTags:
    """What the song says about itself: texts by FFmpeg's names, and its cover."""

    texts: Mapping[str, str] = field(default_factory=dict)
    cover: Cover | None = None


def tags_of(stem: bytes, name: str) -> SongTags:
    """The song's, out of the beginning of its stem ``name``; none where there are none, or not at its beginning."""
    file = io.BytesIO(stem)
    try:
        found = identify(file)
    except AudioError:
        return SongTags()
    texts = song_tags(*found.texts)
    # A stem's title is the song's with its own name behind it, or its own alone.
    title = texts.pop("title", name).removesuffix(f"({name})").rstrip()
    if title != name:
        texts["title"] = title
    whole = [one for one in found.pictures if isinstance(one.place, bytes) or one.place[1] <= len(stem)]
    return SongTags(texts, read_cover(file, whole))


def write_stem_file(
    song: SongFacts,
    segments: Iterable[Mapping[str, bytes]],
    write: Write,
    tags: SongTags | None = None,
) -> None:
    """Writes the file while the segments come: FLAC of 16 bits by the track's name, of any channels.

    A segment has the mixture and at least one stem; the other is what remains. Memory is that of one segment. Raises
    ``UndecodableAudio`` where the segments are not ``song.samples`` long.
    """
    rate = _file_rate(song.sample_rate_hz)
    samples = -(-song.samples * rate // song.sample_rate_hz)
    silence = -samples % AAC_FRAME + AAC_FRAME
    names = (MIXTURE, INSTRUMENTAL, VOCALS, None)
    encoders = {name: _Encoder(rate) for name in names}
    resamplers = {name: BlockResampler(song.sample_rate_hz, rate, 2) for name in names if name}
    skipped = silence + _ENCODER_DELAY
    writer = Mp4Writer(write, 1 + len(SLOTS), rate, encoders[None].config, samples, skipped, BITRATE)
    read = 0
    with ThreadPoolExecutor(len(names), "encode") as pool:

        def put(tracks: Mapping[str, Samples], *, last: bool = False) -> None:
            blocks: dict[str | None, Samples] = {None: np.zeros_like(tracks[MIXTURE])}
            blocks.update(tracks.items())
            packets = pool.map(lambda name: encoders[name].encode(blocks[name], last=last), names)
            of = dict(zip(names, packets, strict=True))
            writer.chunk([of[MIXTURE], *(of[slot] for slot in SLOTS)])

        put(dict.fromkeys(resamplers, np.zeros((silence, 2), np.float32)))
        for segment in segments:
            tracks = _tracks(segment, song.sample_rate_hz)
            read += len(tracks[MIXTURE])
            if read > song.samples:
                break
            for begin in range(0, len(tracks[MIXTURE]), song.sample_rate_hz):  # a second at a time, so that it flows
                end = begin + song.sample_rate_hz
                put({name: resamplers[name].push(track[begin:end]) for name, track in tracks.items()})
        if read != song.samples:
            raise UndecodableAudio(f"The segments hold {read} samples or more, where {song.samples} were told.")
        put({name: resampler.finish(samples) for name, resampler in resamplers.items()}, last=True)
    writer.finish(_tags(song, tags or SongTags()), box(b"stem", _description()))


def _file_rate(rate: int) -> int:
    """The nearest relative of the song's rate that decks play."""
    if rate in _RATES_HZ:
        return rate
    return _RATES_HZ[0] if rate % 11_025 == 0 else _RATES_HZ[1]


def _tracks(segment: Mapping[str, bytes], rate: int) -> dict[str, Samples]:
    """Mixture, vocals and instrumental of a segment, ``(n, 2)``, full scale at 1."""
    tracks = {name: _in_stereo(data, rate) for name, data in segment.items()}
    for missing, other in ((VOCALS, INSTRUMENTAL), (INSTRUMENTAL, VOCALS)):
        if missing not in tracks:
            tracks[missing] = tracks[MIXTURE] - tracks[other]
    if len({len(track) for track in tracks.values()}) != 1:
        raise UndecodableAudio("The tracks of a segment are not of one length.")
    return {name: tracks[name] for name in (MIXTURE, VOCALS, INSTRUMENTAL)}


def _in_stereo(flac: bytes, rate: int) -> Samples:
    names, samples = decoded(flac, rate)
    track = samples.astype(np.float32)
    track /= _FULL_SCALE
    return track if names == ("FL", "FR") else np.matmul(track, downmix_matrix(names).T, dtype=np.float32)


class _Encoder:
    """AAC, frame by frame, as packets without a container."""

    def __init__(self, rate: int) -> None:
        context: Any = av.CodecContext.create("aac", "w")
        context.sample_rate, context.layout, context.format = rate, "stereo", "fltp"
        context.bit_rate, context.thread_count = BITRATE, 1
        context.time_base = Fraction(1, rate)
        context.flags |= Flags.bitexact
        context.open()
        self._context, self._rate, self._position = context, rate, 0
        self.config: bytes = bytes(context.extradata)

    def encode(self, samples: Samples, *, last: bool) -> list[bytes]:
        """``(n, 2)``, full scale at 1. After the ``last`` comes what the encoder still holds."""
        packets: list[Any] = []
        if len(samples):
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T), format="fltp", layout="stereo")
            frame.sample_rate, frame.pts, frame.time_base = self._rate, self._position, Fraction(1, self._rate)
            self._position += len(samples)
            packets += self._context.encode(frame)
        if last:
            packets += self._context.encode(None)
        return [bytes(packet) for packet in packets]


def _tags(song: SongFacts, own: SongTags) -> dict[str, str | int | Cover]:
    """By iTunes' names. The song's own title goes before that of its file."""
    texts = {"title": song.title, **own.texts}
    tags: dict[str, str | int | Cover] = {key: texts[name] for name, key in _ITUNES.items() if name in texts}
    if song.tempo_bpm:
        tags["tmpo"] = round(song.tempo_bpm)
    if song.key:
        tags["initialkey"] = song.key
    if own.cover:
        tags["covr"] = own.cover
    return tags


def _description() -> bytes:
    """What the stems are called and how they look, and the effects on their sum: none."""
    off = {"enabled": False}
    document = {
        "version": 1,
        "mastering_dsp": {
            "compressor": {
                **off,
                "input_gain": 0.5,
                "output_gain": 0.5,
                "dry_wet": 50,
                "attack": 0.003,
                "release": 0.3,
                "ratio": 3,
                "threshold": 0,
                "hp_cutoff": 300,
            },
            "limiter": {**off, "threshold": 0, "ceiling": -0.35, "release": 0.05},
        },
        "stems": [{"name": _NAMES[slot], "color": colour} for slot, colour in zip(SLOTS, _COLOURS, strict=True)],
    }
    return json.dumps(document, separators=(",", ":")).encode()


def _make(head: dict[str, Any], pieces: Iterator[bytes], write: Write) -> None:
    stem = head.get("stem")
    tags = tags_of(next(pieces), stem) if stem else None
    write_stem_file(SongFacts(**head["song"]), by_segment(pieces, head["tracks"]), write, tags)


if __name__ == "__main__":
    run(_make)
