"""A picture of one separation: waveform and spectrogram of the mixture and of each stem above one axis of time.

The tracks are read back from the files, so the picture shows what is in them. Drawing needs Matplotlib (the extra
``report``); memory does not grow with the song.
"""

import io
import logging
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len, set_cell_size

from separation.audio.decode import open_audio
from separation.audio.loudness import LoudnessMeter
from separation.cli.spectrogram import TrackMeter, mel
from separation.cli.wording import clock, duration, null_test
from separation.errors import Cancelled, OutputWriteFailed, ReportUnavailable
from separation.machine.console import printable
from separation.machine.drafts import draft, publish
from separation.manifest import Manifest

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage


# Okabe and Ito, "Color universal design", 2008: told apart by people with any kind of colour vision.
_COLOURS = {"mixture": "#4D4D4D", "vocals": "#D55E00", "instrumental": "#0072B2"}
# Even steps of lightness, so that it survives grey print and any colour vision; its light end leads on to the page.
_COLOUR_MAP, _PAGE_SHARE = "magma_r", 0.1
_RANGE_DB = 80
_TICKS_HZ = (200, 500, 1000, 2000, 5000, 10000)
_TIME_STEPS = (0.01, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)  # seconds
_MOST_TICKS = 14
_SILENCE_DB = -60.0
_NEAR_FULL_SCALE = 0.7
_LONGEST_TITLE = 72  # columns of a terminal: some scripts take two for a character
_MINUS = "\u2212"
_FONTS_OF_MORE_SCRIPTS = ("Noto Sans", "Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans Arabic", "WenQuanYi Zen Hei")
_TEXT, _FAINT = "#222222", "#777777"
_DOTS_PER_INCH = 130
_COMPRESSION = 5  # 3 % larger than at 6, the usual one, in half the time
# Inches, from the top.
_WIDTH, _HEAD, _WAVE, _SPECTROGRAM, _GAP, _FOOT = 13.0, 0.95, 0.8, 1.75, 0.28, 0.55
_LEFT, _RIGHT = 1.75, 1.05


@dataclass(frozen=True)
class _Track:
    name: str
    meter: TrackMeter
    loudness_lufs: float | None


def require_drawing() -> None:
    """Raises ``ReportUnavailable`` where Matplotlib is not installed."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # its first start speaks of fonts on standard error
    try:
        import matplotlib.figure  # noqa: F401
    except ModuleNotFoundError as error:
        raise ReportUnavailable(
            "A picture needs Matplotlib, which is not installed. Run: pip install 'stemwright[report]'"
        ) from error


def write_report(
    song: Path,
    folder: Path,
    manifest: Manifest,
    *,
    should_cancel: Callable[[], bool] | None = None,
    file_name: Callable[[str], str] = str,
) -> Path:
    """Draws the separation of ``song`` whose stems and ``manifest`` lie in ``folder``, as ``report.png`` in there.

    That is its name unless ``file_name`` makes another of ``report``, as ``separate_file`` does with those of stems.

    Decodes the song and each of its stems once. The file appears when it is complete. ``should_cancel`` is asked for
    every 1.5 s of audio. Raises ``ReportUnavailable`` without Matplotlib, ``AudioError`` and ``OSError`` when a file
    cannot be read any more, ``OutputWriteFailed``, ``Cancelled``.
    """
    require_drawing()
    stop = should_cancel or (lambda: False)
    window, rate = manifest.window, manifest.input.sample_rate_hz
    span = (window.start_sample / rate, window.end_sample / rate)
    gain = 10 ** (manifest.quality.gain_db / 20)  # of all stems, so that the mixture beside them is of their level
    tracks = [_read("mixture", song, span, gain, stop)]
    tracks += [
        _read(stem.name, folder / stem.file, (0.0, stem.duration_seconds), 1.0, stop)
        for stem in manifest.stems
        if stem.name != "mixture"
    ]
    name = f"{file_name('report')}.png"
    picture = _drawn(song.name, manifest, span, tracks)
    with draft(folder) as path:
        try:
            (path / name).write_bytes(picture)
        except OSError as error:
            raise OutputWriteFailed(f"{printable(name)} cannot be written: {error.strerror}.") from error
        publish(path, folder, [name])
    return folder / name


def _read(name: str, path: Path, span: tuple[float, float], gain: float, stop: Callable[[], bool]) -> _Track:
    """Measures a file between two times in seconds, its samples multiplied by ``gain``."""
    with open_audio(path) as audio:
        begin, end = (round(seconds * audio.sample_rate_hz) for seconds in span)  # Opus has a rate of its own
        meter = TrackMeter(audio.sample_rate_hz, audio.channels, end - begin)
        loudness = LoudnessMeter(audio.sample_rate_hz, audio.channel_names)
        position = 0
        for block in audio.blocks():
            if stop():
                raise Cancelled
            part = block[max(0, begin - position) : max(0, end - position)]
            part = part if gain == 1 else part * np.float32(gain)
            meter.push(part)
            loudness.push(part.T)
            position += len(block)
            if position >= end:
                break
        meter.finish()
        return _Track(name, meter, loudness.integrated_lufs())


def _drawn(title: str, manifest: Manifest, span: tuple[float, float], tracks: Sequence[_Track]) -> bytes:
    """The picture as PNG."""
    from matplotlib.figure import Figure

    height = _HEAD + len(tracks) * (_WAVE + _SPECTROGRAM) + (len(tracks) - 1) * _GAP + _FOOT
    figure = Figure(figsize=(_WIDTH, height), dpi=_DOTS_PER_INCH, facecolor="white")
    page = _Page(figure, height)
    _draw_head(page, title, manifest)
    decibels = [track.meter.decibels() for track in tracks]
    loudest = 5 * np.ceil(max(*(table.max() for table in decibels), _SILENCE_DB) / 5)
    amplitude = max(*(track.meter.peak for track in tracks), 1e-4)
    top, images = _HEAD, []
    for track, table in zip(tracks, decibels, strict=True):
        last = track is tracks[-1]
        wave = page.axes(top, _WAVE)
        _draw_wave(wave, track, span, amplitude)
        spectrogram = page.axes(top + _WAVE, _SPECTROGRAM)
        images.append(_draw_spectrogram(spectrogram, track, table, span, loudest))
        for axes in (wave, spectrogram):
            _mark_time(axes, span, labelled=last and axes is spectrogram)
        _label(page, top, track)
        top += _WAVE + _SPECTROGRAM + _GAP
    bar = page.axes(_HEAD + _WAVE, top - _GAP - _HEAD - _WAVE, left=_WIDTH - _RIGHT + 0.15, width=0.14)
    figure.colorbar(images[0], cax=bar)
    bar.set_title("dBFS", fontsize=8, color=_FAINT, loc="left", pad=5)
    bar.tick_params(labelsize=8, colors=_FAINT, length=2)
    bar.spines[:].set_visible(False)
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a title in a script for which there is no font
        figure.savefig(
            file,
            format="png",
            metadata={"Software": None, "Title": printable(title)},
            pil_kwargs={"compress_level": _COMPRESSION},
        )
    return file.getvalue()


class _Page:
    """A figure measured in inches from its top left corner."""

    def __init__(self, figure: "Figure", height: float) -> None:
        self.figure, self._height = figure, height

    def axes(self, top: float, height: float, left: float = _LEFT, width: float = _WIDTH - _LEFT - _RIGHT) -> "Axes":
        bottom = self._height - top - height
        box = (left / _WIDTH, bottom / self._height, width / _WIDTH, height / self._height)
        return self.figure.add_axes(box)

    def text(self, left: float, top: float, words: str, **style: Any) -> None:
        """Baseline at ``top``. A dollar sign is a dollar sign, not the beginning of a formula."""
        self.figure.text(left / _WIDTH, 1 - top / self._height, words, parse_math=False, **style)


def _draw_head(page: _Page, title: str, manifest: Manifest) -> None:
    song, stem = manifest.input, manifest.stems[0]
    channels = {1: "mono", 2: "stereo"}.get(song.channels, f"{song.channels} channels")
    depth = f" {stem.bit_depth} bit" if stem.bit_depth else ""
    facts = [
        duration(stem.duration_seconds),
        f"{song.sample_rate_hz / 1000:g} kHz {channels}",
        f"{song.container} to {stem.format}{depth}",
        manifest.model.name,
        null_test(manifest.quality).replace("-", _MINUS),
    ]
    if not manifest.window.whole_song:
        facts.insert(1, f"from {clock(manifest.window.start_sample / song.sample_rate_hz)}")
    name = printable(title)
    short = name if cell_len(name) <= _LONGEST_TITLE else set_cell_size(name, _LONGEST_TITLE - 1) + "\u2026"
    page.text(_LEFT, 0.42, short, fontsize=17, fontweight="bold", color=_TEXT, fontfamily=_fonts())
    page.text(_LEFT, 0.7, "   \u00b7   ".join(facts), fontsize=9.5, color=_FAINT)


def _label(page: _Page, top: float, track: _Track) -> None:
    """Name, peak and loudness at the left of the track."""
    peak, loudness = track.meter.peak, track.loudness_lufs
    page.text(0.3, top + 0.3, track.name.capitalize(), fontsize=11, fontweight="bold", color=_COLOURS[track.name])
    level = "silent" if peak == 0 else f"peak {20 * np.log10(peak):.1f} dBFS".replace("-", _MINUS)
    page.text(0.3, top + 0.5, level, fontsize=8, color=_FAINT)
    if loudness is not None:
        page.text(0.3, top + 0.66, f"{loudness:.1f} LUFS".replace("-", _MINUS), fontsize=8, color=_FAINT)


def _draw_wave(axes: "Axes", track: _Track, span: tuple[float, float], amplitude: float) -> None:
    """Extremes pale, RMS full, all tracks at one scale; dotted where full scale is."""
    from matplotlib.patches import StepPatch

    meter, colour = track.meter, _COLOURS[track.name]
    edges = np.linspace(*span, meter.columns + 1)
    for low, high, opacity in ((meter.lows, meter.highs, 0.4), (-meter.rms, meter.rms, 1.0)):
        # Not `Axes.stairs`: it looks for the extent of every step, and ours is known.
        steps = StepPatch(
            high,
            edges,
            baseline=low,  # type: ignore[arg-type] # an array is what it is made for
            fill=True,
            color=colour,
            alpha=opacity,
            linewidth=0,
        )
        axes.add_artist(steps)
    axes.axhline(0, color=colour, linewidth=0.4)
    if amplitude > _NEAR_FULL_SCALE:
        for level in (-1, 1):
            axes.axhline(level, color=_FAINT, linewidth=0.6, linestyle=(0, (1, 3)))
    axes.set_ylim(-1.06 * amplitude, 1.06 * amplitude)
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def _draw_spectrogram(
    axes: "Axes", track: _Track, decibels: NDArray[np.float64], span: tuple[float, float], loudest: float
) -> "AxesImage":
    lowest, highest = track.meter.lowest_mel, track.meter.highest_mel
    image = axes.imshow(
        decibels,
        cmap=_colours(),
        vmin=loudest - _RANGE_DB,
        vmax=loudest,
        origin="lower",
        aspect="auto",
        extent=(*span, lowest, highest),
        interpolation="antialiased",
    )
    ticks = [hertz for hertz in _TICKS_HZ if mel(hertz) < highest]
    axes.set_yticks(
        [float(mel(hertz)) for hertz in ticks],
        [f"{hertz} Hz" if hertz < 1000 else f"{hertz // 1000} kHz" for hertz in ticks],
    )
    axes.tick_params(axis="y", labelsize=8, colors=_FAINT, length=2)
    axes.spines[:].set(color="#CCCCCC", linewidth=0.6)
    return image


def _colours() -> "Colormap":
    """From white through the light end of the map to its dark one."""
    from matplotlib import colormaps
    from matplotlib.colors import LinearSegmentedColormap

    places = np.linspace(_PAGE_SHARE, 1, 32)
    steps = [(0.0, (1.0, 1.0, 1.0, 1.0)), *zip(places, colormaps[_COLOUR_MAP](places), strict=True)]
    return LinearSegmentedColormap.from_list("page", steps)


def _mark_time(axes: "Axes", span: tuple[float, float], *, labelled: bool) -> None:
    start, end = span
    step = next((step for step in _TIME_STEPS if (end - start) / step <= _MOST_TICKS), _TIME_STEPS[-1])
    digits = 0 if step >= 1 else 1 if step >= 0.1 else 2
    ticks = np.arange(np.ceil(start / step), np.floor(end / step) + 1) * step
    axes.set_xlim(start, end)
    axes.set_xticks(ticks if labelled else [], [clock(tick, digits) for tick in ticks] if labelled else [])
    axes.tick_params(axis="x", labelsize=9, colors=_TEXT, length=3)
    axes.vlines(ticks, 0, 1, transform=axes.get_xaxis_transform(), color=_TEXT, alpha=0.12, linewidth=0.6)


def _fonts() -> list[str]:
    """Matplotlib's own font, then those of this machine that know more scripts."""
    from matplotlib.font_manager import fontManager

    known = set(fontManager.get_font_names())
    return ["DejaVu Sans", *(name for name in _FONTS_OF_MORE_SCRIPTS if name in known)]
