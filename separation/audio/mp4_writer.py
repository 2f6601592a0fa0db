"""An MP4 file with several tracks of AAC, written from its first byte to its last without going back.

FFmpeg's muxer goes back to say how much sound there is, or cuts the file into fragments, which DJ software does not
read; and it has no place for boxes of others. Here the sound comes in as many ``mdat`` boxes as there are chunks, and
the index behind it: ISO 14496-12 allows both (8.1.1: any number of ``mdat``; 6.2.3: ``moov`` in any place).
"""

import struct
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence

from separation.audio.containers.pictures import Cover

AAC_FRAME = 1024
_UNITY = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
_SOUND, _UNDETERMINED = b"soun", 0x55C4
_LARGEST_32_BITS = 0xFFFF_FFFF
# ISO 14496-1, 7.2.2: tags of descriptors; 14496-3 sound; an audio stream.
_ES, _DECODER, _SPECIFIC, _SYNC = 3, 4, 5, 6
_AAC_OBJECT, _AUDIO_STREAM = 0x40, 0x15
# Kinds of values in iTunes' list.
_UTF_8, _WHOLE_NUMBER = 1, 21
_PICTURES = {"mjpeg": 13, "png": 14}


def box(kind: bytes, *content: bytes) -> bytes:
    """A box of less than 4 GB."""
    data = b"".join(content)
    return struct.pack(">I4s", 8 + len(data), kind) + data


def full_box(kind: bytes, *content: bytes, version: int = 0, flags: int = 0) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags), *content)


class Mp4Writer:
    """Stereo tracks of one length, which begin together. Not safe to share between threads.

    ``config``: the AudioSpecificConfig of every track. ``write`` takes the file's bytes in order. The first ``skipped``
    samples of each track, the encoder's own, are no part of the song, which has ``samples``: an edit list says so.
    """

    def __init__(
        self,
        write: Callable[[bytes], object],
        tracks: int,
        rate: int,
        config: bytes,
        samples: int,
        skipped: int,
        bitrate: int,
    ) -> None:
        self._write, self._rate, self._config, self._bitrate = write, rate, config, bitrate
        self._samples, self._skipped = samples, skipped
        self._place = 0
        self._sizes = [array("I") for _ in range(tracks)]
        self._chunks: list[list[tuple[int, int]]] = [[] for _ in range(tracks)]  # place and frames of each
        self._put(box(b"ftyp", b"mp42", struct.pack(">I", 0), b"mp42isomM4A "))

    def chunk(self, packets: Sequence[Sequence[bytes]]) -> None:
        """The next frames of every track, in the tracks' order; as many of each."""
        place = self._place + 8
        for sizes, chunks, frames in zip(self._sizes, self._chunks, packets, strict=True):
            if frames:
                chunks.append((place, len(frames)))
                sizes.extend(map(len, frames))
                place += sum(map(len, frames))
        self._put(box(b"mdat", *(frame for frames in packets for frame in frames)))

    def finish(self, tags: Mapping[str, str | int | Cover], *others: bytes) -> None:
        """The index. ``tags``: of iTunes' list, by their four characters, or by a name of one's own; ``others``: boxes
        that stand beside it in ``udta``."""
        tracks = (self._track(number) for number in range(len(self._sizes)))
        about = box(b"udta", _itunes(tags), *others)
        self._put(box(b"moov", self._movie_header(), *tracks, about))

    def _put(self, data: bytes) -> None:
        self._write(data)
        self._place += len(data)

    def _movie_header(self) -> bytes:
        times = struct.pack(">IIII", 0, 0, self._rate, self._samples)
        loud, following = struct.pack(">IH10x", 1 << 16, 0x0100), struct.pack(">24xI", len(self._sizes) + 1)
        return full_box(b"mvhd", times, loud, _UNITY, following)

    def _track(self, number: int) -> bytes:
        sizes, chunks = self._sizes[number], self._chunks[number]
        # The first is what plays where nobody knows of stems; the others are there and not chosen.
        enabled, in_movie = 1, 2
        header = full_box(
            b"tkhd",
            struct.pack(">IIIII8x", 0, 0, number + 1, 0, self._samples),
            struct.pack(">hhHH", 0, 1, 0x0100, 0),
            _UNITY,
            struct.pack(">II", 0, 0),
            flags=in_movie if number else in_movie | enabled,
        )
        edits = full_box(b"elst", struct.pack(">IIIHH", 1, self._samples, self._skipped, 1, 0))
        media_header = full_box(
            b"mdhd", struct.pack(">IIIIHH", 0, 0, self._rate, len(sizes) * AAC_FRAME, _UNDETERMINED, 0)
        )
        handler = full_box(b"hdlr", struct.pack(">I4s12x", 0, _SOUND), b"SoundHandler\0")
        here = box(b"dinf", full_box(b"dref", struct.pack(">I", 1), full_box(b"url ", flags=1)))
        table = box(
            b"stbl",
            full_box(b"stsd", struct.pack(">I", 1), self._sample_entry(number)),
            full_box(b"stts", struct.pack(">III", 1, len(sizes), AAC_FRAME)),
            full_box(b"stsc", *_chunk_lengths(chunks)),
            full_box(b"stsz", struct.pack(">II", 0, len(sizes)), _big_endian(sizes)),
            _chunk_places(chunks),
        )
        information = box(b"minf", full_box(b"smhd", struct.pack(">hH", 0, 0)), here, table)
        media = box(b"mdia", media_header, handler, information)
        return box(b"trak", header, box(b"edts", edits), media)

    def _sample_entry(self, number: int) -> bytes:
        decoder = struct.pack(">BB3sII", _AAC_OBJECT, _AUDIO_STREAM, b"\0\0\0", self._bitrate, self._bitrate)
        stream = _descriptor(
            _ES,
            struct.pack(">HB", number + 1, 0),
            _descriptor(_DECODER, decoder, _descriptor(_SPECIFIC, self._config)),
            _descriptor(_SYNC, b"\x02"),
        )
        sound = struct.pack(">6xH8xHHHHI", 1, 2, 16, 0, 0, self._rate << 16)
        return box(b"mp4a", sound, full_box(b"esds", stream))


def _descriptor(tag: int, *content: bytes) -> bytes:
    """Of less than 128 bytes."""
    data = b"".join(content)
    return bytes((tag, len(data))) + data


def _chunk_lengths(chunks: Sequence[tuple[int, int]]) -> Iterable[bytes]:
    """Runs of chunks with as many frames."""
    runs: list[bytes] = []
    before = None
    for index, (_, frames) in enumerate(chunks, 1):
        if frames != before:
            runs.append(struct.pack(">III", index, frames, 1))
            before = frames
    return struct.pack(">I", len(runs)), *runs


def _chunk_places(chunks: Sequence[tuple[int, int]]) -> bytes:
    places = [place for place, _ in chunks]
    count = struct.pack(">I", len(places))
    if places and places[-1] > _LARGEST_32_BITS:
        return full_box(b"co64", count, _big_endian(array("Q", places)))
    return full_box(b"stco", count, _big_endian(array("I", places)))


def _big_endian(numbers: "array[int]") -> bytes:
    swapped = array(numbers.typecode, numbers)
    swapped.byteswap()  # wheels are for little-endian processors only
    return swapped.tobytes()


def _itunes(tags: Mapping[str, str | int | Cover]) -> bytes:
    items: list[bytes] = []
    for key, value in tags.items():
        if isinstance(value, str):
            kind, data = _UTF_8, value.encode()
        elif isinstance(value, int):
            kind, data = _WHOLE_NUMBER, struct.pack(">H", value)
        else:
            kind, data = _PICTURES[value.codec], value.data
        content = box(b"data", struct.pack(">II", kind, 0), data)
        name = key.encode("latin-1")
        if len(name) == 4:
            items.append(box(name, content))
        else:
            meaning = full_box(b"mean", b"com.apple.iTunes"), full_box(b"name", name)
            items.append(box(b"----", *meaning, content))
    handler = full_box(b"hdlr", struct.pack(">I4s4s8x", 0, b"mdir", b"appl"), b"\0")
    return full_box(b"meta", handler, box(b"ilst", *items))
