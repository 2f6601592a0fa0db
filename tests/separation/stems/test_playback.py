"""Segments to listen to: decoded and laid end to end they are the track, whatever format the stems have."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from separation.errors import Cancelled
from separation.settings import OutputFormat, Window
from separation.stems.playback import Playback, Segment, can_play
from separation.stream.job import Progress, separate_file
from tests.separation.conftest import EnergyModel
from tests.separation.signals import Samples, music, read, to_16_bit, write_wav

EVERYTHING = ("mixture", "vocals", "instrumental")
STEP = 2.0**-15


class Listener:
    """Keeps what it is given, and what was said before each segment."""

    def __init__(self, folder: Path, seconds: int = 6, tracks: tuple[str, ...] = EVERYTHING) -> None:
        folder.mkdir()
        self.folder = folder
        self.segments: list[Segment] = []
        self.wish = Playback(folder, tracks, seconds, self.segments.append)

    def track(self, name: str) -> Samples:
        return np.concatenate([read(segment.files[name]) for segment in self.segments])


@pytest.mark.parametrize(
    ("rate", "channels", "seconds"),
    [(44100, 2, 13.3), (48000, 1, 13), (22051, 1, 5), (192000, 6, 2.5), (8000, 8, 12)],
)
def test_segments_of_every_track_are_the_16_bit_stems(
    tmp_path: Path, energy_model: EnergyModel, rate: int, channels: int, seconds: float
) -> None:
    source = write_wav(tmp_path / "song.wav", to_16_bit(music(seconds, rate, channels))[:-1], rate=rate)
    listener = Listener(tmp_path / "segments", seconds=2)
    separate_file(source, tmp_path / "out", model=energy_model, stems=EVERYTHING, playback=listener.wish)
    for name in EVERYTHING:
        assert np.array_equal(listener.track(name), read(tmp_path / "out" / f"{name}.flac"))
    assert [segment.number for segment in listener.segments] == list(range(len(listener.segments)))
    assert all(segment.sample_rate_hz == rate for segment in listener.segments)
    *whole, last = [segment.samples for segment in listener.segments]
    assert set(whole) == {2 * rate}
    assert 0 < last <= 2 * rate
    for segment in listener.segments:
        assert all(len(read(path)) == segment.samples for path in segment.files.values())


def test_without_a_wish_there_are_no_segments_and_with_one_the_stems_are_the_same(
    tmp_path: Path, energy_model: EnergyModel
) -> None:
    source = write_wav(tmp_path / "song.wav", music(3))
    listener = Listener(tmp_path / "segments", seconds=2)
    separate_file(source, tmp_path / "plain", model=energy_model)
    separate_file(source, tmp_path / "heard", model=energy_model, playback=listener.wish)
    assert len(listener.segments) == 2
    for name in ("vocals.flac", "instrumental.flac", "waveforms.json"):
        assert (tmp_path / "plain" / name).read_bytes() == (tmp_path / "heard" / name).read_bytes()
    assert sorted(path.name for path in (tmp_path / "heard").iterdir()) == sorted(
        path.name for path in (tmp_path / "plain").iterdir()
    )


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A song, and the folder of the segments that it has with stems of 16 bits."""
    folder = tmp_path_factory.mktemp("heard")
    source = write_wav(folder / "song.wav", music(3, 48000), rate=48000)
    listener = Listener(folder / "segments", seconds=2)
    separate_file(source, folder / "out", model=EnergyModel(), playback=listener.wish)
    return source, listener.folder


@pytest.mark.parametrize(
    "output",
    [OutputFormat("flac", 24), OutputFormat("wav", 32), OutputFormat("m4a"), OutputFormat("mp3"), OutputFormat("opus")],
    ids=["flac24", "float", "aac", "mp3", "opus"],
)
def test_the_format_of_the_stems_changes_no_segment(
    tmp_path: Path, energy_model: EnergyModel, heard: tuple[Path, Path], output: OutputFormat
) -> None:
    source, plain = heard
    other = Listener(tmp_path / "other", seconds=2)
    separate_file(source, tmp_path / "out", model=energy_model, playback=other.wish, output=output)
    assert sorted(path.name for path in other.folder.iterdir()) == sorted(path.name for path in plain.iterdir())
    assert all((other.folder / path.name).read_bytes() == path.read_bytes() for path in plain.iterdir())
    if output.lossless:
        assert np.abs(read(tmp_path / "out" / f"vocals.{output.name}") - other.track("vocals")).max() <= STEP


def test_nothing_is_scaled_before_the_songs_end_is_known(tmp_path: Path, energy_model: EnergyModel) -> None:
    source = write_wav(tmp_path / "song.wav", 4 * music(7), bits=32)
    listener = Listener(tmp_path / "segments")
    scaled = OutputFormat("wav", 16, overs="scale")
    manifest = separate_file(
        source, tmp_path / "out", model=energy_model, output=scaled, stems=EVERYTHING, playback=listener.wish
    )
    assert manifest.quality.gain_db < -3
    assert np.abs(listener.track("mixture") - np.clip(read(source), -1, 1 - STEP)).max() <= STEP


def test_a_windows_segments_begin_where_the_window_does(tmp_path: Path, energy_model: EnergyModel) -> None:
    source = write_wav(tmp_path / "song.wav", music(15), times=2)
    listener = Listener(tmp_path / "segments", tracks=("mixture", "vocals"))
    separate_file(
        source, tmp_path / "out", model=energy_model, window=Window(9.5, 22), stems=["vocals"], playback=listener.wish
    )
    assert [segment.samples for segment in listener.segments] == [264600, 264600, 22050]
    assert np.array_equal(listener.track("mixture"), read(source)[418950:970200])
    assert np.array_equal(listener.track("vocals"), read(tmp_path / "out" / "vocals.flac"))
    assert all(set(segment.files) == {"mixture", "vocals"} for segment in listener.segments)


def test_segments_come_while_the_song_is_separated(tmp_path: Path, energy_model: EnergyModel) -> None:
    source = write_wav(tmp_path / "song.wav", music(10, channels=1), times=4)
    listener, heard = Listener(tmp_path / "segments"), list[int]()

    def note(state: Progress) -> None:
        if state.stage == "separating":
            heard.append(len(listener.segments))

    separate_file(source, tmp_path / "out", model=energy_model, on_progress=note, playback=listener.wish)
    # Patches lie ten seconds apart; before each, all but the last two before it are written.
    assert all(before <= after for before, after in pairwise(heard))
    assert 0 < heard[2] < len(listener.segments) == 7


def test_a_listener_who_refuses_ends_the_separation(tmp_path: Path, energy_model: EnergyModel) -> None:
    source = write_wav(tmp_path / "song.wav", music(15), times=2)
    (tmp_path / "segments").mkdir()

    def refuse(_segment: Segment) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        separate_file(
            source,
            tmp_path / "out",
            model=energy_model,
            playback=Playback(tmp_path / "segments", EVERYTHING, 6, refuse),
        )
    assert not (tmp_path / "out").exists()


def test_a_rate_that_flac_has_no_word_for_is_separated_without_segments(
    tmp_path: Path, energy_model: EnergyModel
) -> None:
    source = write_wav(tmp_path / "song.wav", music(1, 70_001), rate=70_001)
    listener = Listener(tmp_path / "segments")
    assert not can_play(70_001)
    separate_file(source, tmp_path / "out", model=energy_model, output=OutputFormat("wav"), playback=listener.wish)
    assert listener.segments == []
    assert list(listener.folder.iterdir()) == []


@pytest.mark.parametrize("rate", [8000, 11025, 65_534, 70_000, 88_200, 176_400, 192_000])
def test_every_other_rate_is_played(tmp_path: Path, energy_model: EnergyModel, rate: int) -> None:
    source = write_wav(tmp_path / "song.wav", music(1.5, rate), rate=rate)
    listener = Listener(tmp_path / "segments", seconds=1)
    assert can_play(rate)
    separate_file(source, tmp_path / "out", model=energy_model, playback=listener.wish)
    assert [segment.samples for segment in listener.segments] == [rate, round(1.5 * rate) - rate]
