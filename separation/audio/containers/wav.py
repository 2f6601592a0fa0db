"""WAV (RIFF, RF64, BW64, RIFX): of its chunks FFmpeg sees those that say how the samples lie, and the samples."""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO, Literal

from separation.audio.containers.coded import LONGEST_SILENCE_BYTES, SEARCHED_BYTES, find_coded
from separation.audio.containers.plain import Plain, plain
from separation.audio.containers.silence import behind_silence
from separation.audio.containers.texts import Texts, by_name, either_encoding, western
from separation.audio.containers.view import Piece
from separation.errors import AudioTooComplex, UndecodableAudio

_MOST_CHUNKS = 4096
_MOST_LISTS = 4
_LONGEST_FORMAT = 64 * 1024
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_MPEG = (0x50, 0x55)
_LONGEST_TEXT = 4096
_INFO_KEYS = by_name(
    title="INAM", artist="IART", album="IPRD", composer="IMUS", date="ICRD", genre="IGNR", track="IPRT ITRK"
)
_BYTES_PER_SAMPLE = (1, 2, 3, 4, 8)
# Full scale of Cool Edit's floats is 2**23: from far below what can be heard to far above that.
_QUIETEST_FLOAT, _LOUDEST_FLOAT = 2.0**-8, 2.0**27
_LAW = (6, 7)
_PLAIN_FORMAT_BYTES = 16
# Some writers leave out the byte that makes a length even: then one of these stands in its place.
_FOLLOWING = (b"fmt ", b"data", b"fact", b"LIST", b"COMM", b"SSND")
# Behind a length that a writer never filled in nothing can be found: the samples go on to the file's end.
_NEVER_FILLED_IN = (0, 0xFFFFFFFF)
_NEVER_FILLED_IN_LONG = (0, 0xFFFFFFFFFFFFFFFF)
# What writers put there that do not know yet how long it gets: all the length that a program can bear. SoX's AIFF has
# the whole samples in 0x7F000000 bytes.
_LONG_ENOUGH = 0x7EFFFF00
# By so much lengths are wrong of which a writer has counted the headers, too.
_MISCOUNTED_BYTES = 1024


@dataclass(frozen=True)
class Chunk:
    """``begin`` and ``size`` of the content, which a header of eight bytes precedes."""

    name: bytes
    begin: int
    size: int


def chunks(file: BinaryIO, begin: int, end: int, order: str) -> Iterator[Chunk]:
    """The chunks from ``begin`` on, by RIFF's rule: each begins at an even distance from the first.

    Zeros behind them are none. Raises ``AudioTooComplex`` where there are more than any writer makes.
    """
    position = begin
    for _ in range(_MOST_CHUNKS):
        file.seek(position)
        head = file.read(8)
        if position + 8 > end or len(head) < 8 or not any(head[:4]):
            return
        name, size = struct.unpack(f"{order}4sI", head)
        yield Chunk(name, position + 8, size)
        position += 8 + size
        if size % 2:
            file.seek(position)
            position += file.read(4) not in _FOLLOWING
    raise AudioTooComplex(f"The file has more than {_MOST_CHUNKS} chunks.")


def ends_within(samples: Chunk, end: int, really: int = 0) -> bool:
    """Whether the file ends at ``end`` among the samples, by the length of their chunk; ``really``: the one in RF64's
    header, where no chunk can say it."""
    claimed = samples.size if samples.size < _LONG_ENOUGH else really
    return samples.begin < end < samples.begin + claimed - _MISCOUNTED_BYTES


@dataclass(frozen=True)
class Wav:
    """``shown``: what FFmpeg is to see; ``plain``: where that is nothing but samples; ``coded``: by which demuxer it is
    read where samples only should be; ``mpeg``: from where to where a stream of MPEG audio lies; ``cut``: the file ends
    among its samples. The places of what speaks about the song, ``info`` lists and ID3 tags."""

    shown: tuple[Piece, ...]
    info: tuple[Chunk, ...]
    id3: tuple[Chunk, ...]
    plain: Plain | None = None
    coded: str = ""
    mpeg: tuple[int, int] | None = None
    cut: bool = False


def read_wav(file: BinaryIO, begin: int, end: int) -> Wav:
    """What is in the file between the two positions. Raises ``UndecodableAudio`` where no samples are."""
    file.seek(begin)
    head = file.read(12)
    order: Literal["<", ">"] = ">" if head[:4] == b"RIFX" else "<"
    kept: dict[bytes, tuple[Piece, ...]] = {}
    layout, data, cut, really = b"", (0, 0), False, 0
    info: list[Chunk] = []
    id3: list[Chunk] = []
    for chunk in chunks(file, begin + 12, end, order):
        place = chunk.begin - 8, min(end, chunk.begin + chunk.size + chunk.size % 2)
        if chunk.name == b"fmt " and chunk.name not in kept:
            file.seek(chunk.begin)
            layout = _by_container(file.read(min(chunk.size, _LONGEST_FORMAT)), order)
            kept[chunk.name] = (struct.pack(f"{order}4sI", b"fmt ", len(layout)), layout, bytes(len(layout) % 2))
        elif chunk.name == b"ds64" and chunk.name not in kept:
            file.seek(chunk.begin + 8)
            long_size = int.from_bytes(file.read(8), "little")
            if long_size in _NEVER_FILLED_IN_LONG:
                head = b"RIFF" + head[4:]
            else:
                kept[chunk.name], really = (place,), long_size
        elif chunk.name == b"fact" and chunk.name not in kept:
            kept[chunk.name] = (place,)
        elif chunk.name == b"data" and chunk.name not in kept:
            long = chunk.size in _NEVER_FILLED_IN
            size = (really or end) if long else chunk.size
            data = chunk.begin, min(end, chunk.begin + size)
            cut = ends_within(chunk, end, really)
            kept[chunk.name] = ((chunk.begin - 8, data[1]),)
            if long and not (b"ds64" in kept and chunk.size):
                break
        elif chunk.name == b"LIST":
            info.append(chunk)
        elif chunk.name.lower() == b"id3 ":
            id3.append(chunk)
    if b"fmt " not in kept or b"data" not in kept:
        raise UndecodableAudio("The wav file is damaged or cut off: it does not say where or what its samples are.")
    shown = [piece for name in (b"ds64", b"fmt ", b"fact", b"data") for piece in kept.get(name, ())]
    return _by_samples(file, Wav((head, *shown), tuple(info), tuple(id3), cut=cut), layout, order, data)


def _by_samples(file: BinaryIO, wav: Wav, layout: bytes, order: Literal["<", ">"], data: tuple[int, int]) -> Wav:
    """The same where FFmpeg would take the ``data`` for something else than they are."""
    if order == "<" and int.from_bytes(layout[:2], "little") in _MPEG:
        return replace(wav, mpeg=data)
    samples = _plain(layout, order)
    if _of_24_bits_in_32(layout, order):
        if order == "<" and _are_floats(file, data):
            return wav
        channels, rate = struct.unpack_from(f"{order}HI", layout, 2)
        samples = plain("s", 4, order, rate, channels)
    if samples is None:
        return wav
    of_a_digital_output = order == "<" and int.from_bytes(layout[2:4], "little") == 2
    coded = find_coded(file, *data) if of_a_digital_output else None
    if coded is not None:
        return replace(wav, shown=((coded.begin, coded.end),), coded=coded.demuxer)
    return replace(wav, shown=(data,), plain=samples)


def _by_container(content: bytes, order: str) -> bytes:
    """The format with the bits that a sample takes in place of those of them that are valid.

    FFmpeg reads samples of ``wValidBitsPerSample``. They lie in the upper bits of a container, which may be wider: its
    width is that of a block divided by the channels (Microsoft, WAVEFORMATEXTENSIBLE). Without that extension whole
    bytes are believed before the block, as other readers do. A block of another length is set right: FFmpeg would lose
    what is left of it at the end of each packet.
    """
    if len(content) < _PLAIN_FORMAT_BYTES:
        return content
    kind, channels, _, _, block, bits = struct.unpack_from(f"{order}HHIIHH", content)
    if order == ">" and kind in _LAW:  # FFmpeg reads no longer format of RIFX, and needs none here
        return content[:_PLAIN_FORMAT_BYTES]
    extensible = kind == _EXTENSIBLE and len(content) >= 40
    valid, _, sub_kind = struct.unpack_from(f"{order}HIH", content, 18) if extensible else (bits, 0, kind)
    if sub_kind not in (_PCM, _FLOAT) or not channels:
        return content
    width, rest = divmod(block, channels)
    if _of_24_bits_in_32(content, order):  # integers, or what FFmpeg takes them for, Cool Edit's floats
        return content
    believed = extensible or bits % 8 or not bits
    if not believed or rest or width not in _BYTES_PER_SAMPLE or 8 * width < valid:
        width = -(-max(bits, valid) // 8)
    if width not in range(1, 9):  # no such samples
        return content
    sizes = struct.pack(f"{order}HH", channels * width & 0xFFFF, 8 * width)
    extension = struct.pack(f"{order}HH", 22, 8 * width) + content[20:] if extensible else content[16:]
    return content[:12] + sizes + extension


def _of_24_bits_in_32(content: bytes, order: str) -> bool:
    """Whether the format, without the extension that would tell more, has samples of 24 bits in blocks of 32."""
    if len(content) < _PLAIN_FORMAT_BYTES:
        return False
    kind, channels, _, _, block, bits = struct.unpack_from(f"{order}HHIIHH", content)
    return bool(channels) and (kind, bits, block) == (_PCM, 24, 4 * channels)


def _are_floats(file: BinaryIO, data: tuple[int, int]) -> bool:
    """Whether samples of 32 bits are floats up to 2**23, as Cool Edit wrote them, and not integers.

    Music in integers is as good as never in the range of such floats: their highest byte is an exponent of two.
    """
    begin, end = data
    start = behind_silence(file, begin, min(end, begin + LONGEST_SILENCE_BYTES))
    start -= (start - begin) % 4
    file.seek(start)
    raw = file.read(min(SEARCHED_BYTES, end - start))
    samples = [abs(sample) for (sample,) in struct.iter_unpack("<f", raw[: len(raw) // 4 * 4]) if sample]
    likely: int = sum(_QUIETEST_FLOAT <= sample <= _LOUDEST_FLOAT for sample in samples)
    return 2 * likely > len(samples)


def _plain(content: bytes, order: Literal["<", ">"]) -> Plain | None:
    """Samples of that format, after ``_by_container``, that FFmpeg does not read from WAV as they are: big-endian ones,
    and those of 16 bits, among which it looks for whatever it knows."""
    if len(content) < _PLAIN_FORMAT_BYTES:
        return None
    kind, channels, rate, _, _, bits = struct.unpack_from(f"{order}HHIIHH", content)
    mask = 0
    if kind == _EXTENSIBLE and len(content) >= 40:
        mask, kind = struct.unpack_from(f"{order}IH", content, 20)
    if kind not in (_PCM, _FLOAT) or bits == 8 or (order == "<" and (kind, bits) != (_PCM, 16)):
        return None
    return plain("f" if kind == _FLOAT else "s", bits // 8, order, rate, channels, mask)


def read_info(file: BinaryIO, lists: Sequence[Chunk]) -> Texts:
    """The texts of the ``INFO`` among the lists."""
    texts = Texts()
    for found in lists[:_MOST_LISTS]:
        file.seek(found.begin)
        if file.read(4) != b"INFO":
            continue
        for chunk in chunks(file, found.begin + 4, found.begin + found.size, "<"):
            if key := _INFO_KEYS.get(western(chunk.name)):
                file.seek(chunk.begin)
                texts.add(key, either_encoding(file.read(min(chunk.size, _LONGEST_TEXT))))
    return texts
