"""Whether a song's stems of an earlier run are the ones that are wanted now."""

from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import ValidationError

from separation.cli.songs import Song
from separation.machine.hashing import sha256_of
from separation.manifest import ENGINE_VERSION, InputRecord, Manifest, WindowRecord
from separation.settings import OutputFormat, SeparationSettings, Window


@dataclass(frozen=True)
class Order:
    """What is wanted of every song of a run."""

    stems: tuple[str, ...]
    window: Window | None
    output: OutputFormat
    settings: SeparationSettings


def finished(song: Song, order: Order, model_digest: str) -> Manifest | None:
    """The manifest where the song's would be if a separation of this very file, after this order, lies there whole.

    By this engine, that is, and by the model of that digest. Song and stems are compared by their SHA-256, which reads
    each of them once. Raises ``OSError`` when the song cannot be read.
    """
    folder = song.target
    try:
        manifest = Manifest.from_json((folder / f"{song.file_name('manifest')}.json").read_bytes())
    except (OSError, ValidationError):
        return None
    fits = (
        manifest.engine_version == ENGINE_VERSION
        and manifest.model.digest == model_digest
        and manifest.settings == {**asdict(order.settings), "overs": order.output.overs}
        and _same_window(manifest.window, manifest.input, order.window)
        and _same_format(manifest, order)
        and _unchanged(song.path, manifest.input.size_bytes, manifest.input.sha256)
    )
    files = [(stem.file, stem.size_bytes, stem.sha256) for stem in manifest.stems]
    files.append((manifest.waveforms.file, manifest.waveforms.size_bytes, manifest.waveforms.sha256))
    try:
        whole = fits and all(_unchanged(folder / name, size, sha256) for name, size, sha256 in files)
    except OSError:
        return None
    return manifest if whole else None


def _same_format(manifest: Manifest, order: Order) -> bool:
    """Whether every wanted stem is there in the wanted format; there may be more."""
    wanted = (order.output.name, order.output.bit_depth, order.output.bitrate_kbps)
    there = {stem.name for stem in manifest.stems if (stem.format, stem.bit_depth, stem.bitrate_kbps) == wanted}
    return there.issuperset(order.stems)


def _same_window(done: WindowRecord, song: InputRecord, wanted: Window | None) -> bool:
    if wanted is None or done.whole_song:
        return wanted is None and done.whole_song
    start, end = (round(edge * song.sample_rate_hz) for edge in (wanted.start_seconds, wanted.end_seconds))
    # A window that reaches beyond the song ends with it.
    return done.start_sample == start and (done.end_sample == end or song.samples == done.end_sample < end)


def _unchanged(path: Path, size_bytes: int, sha256: str) -> bool:
    return path.stat().st_size == size_bytes and sha256_of(path) == sha256
