"""The mix as a file: by the formulas of Web Audio, and the song itself where no fader was moved."""

import io
import json
import subprocess
import sys
import wave
from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from separation.errors import UndecodableAudio
from separation.stems.mix import Faders, write_mix
from tests.segments import SEGMENT, Samples, packed, segments, song, wav_24, written_before_each

STEMS = ("vocals", "instrumental")


def only(tracks: Mapping[str, Samples], *names: str) -> dict[str, Samples]:
    return {name: tracks[name] for name in names}


def made(tracks: Mapping[str, Samples], faders: Faders | None = None, rate: int = 44_100) -> bytes:
    file = io.BytesIO()
    length = len(next(iter(tracks.values())))
    write_mix(length, rate, faders or Faders(), segments(tracks, rate), file.write)
    return file.getvalue()


def mixed(tracks: Mapping[str, Samples], **faders: float) -> NDArray[np.int32]:
    return wav_24(made(tracks, Faders(**faders)))


def steady(left: int, right: int) -> Samples:
    return np.repeat(np.array([[left, right]], np.int16), 100, axis=0)


def in_16_bits(mix: NDArray[np.int32]) -> NDArray[np.int32]:
    assert not (mix % 256).any()
    return mix // 256


def test_with_no_fader_moved_it_is_the_song_sample_for_sample() -> None:
    tracks = song(3 * SEGMENT + 1234)
    rng = np.random.default_rng(1)
    tracks["vocals"] = rng.integers(-16_384, 16_384, tracks["vocals"].shape, np.int16)
    mixture = tracks["vocals"] + tracks["instrumental"]
    assert np.array_equal(in_16_bits(mixed(only(tracks, *STEMS))), mixture)


def test_one_channel_is_heard_on_both_sides_as_loud_as_it_is() -> None:
    tracks = song(SEGMENT, channels=1)
    assert np.array_equal(in_16_bits(mixed(only(tracks, *STEMS))), np.repeat(tracks["mixture"], 2, axis=1))


# Half of full scale left and a quarter right, in one stem; the other is silent. By hand from the Web Audio API:
# 10^(dB/20), and "StereoPannerNode Panning" of two channels, cos and sin of x * pi/2 with x = pan + 1 up to the middle.
@pytest.mark.parametrize("stem", STEMS)
@pytest.mark.parametrize(
    ("gain_db", "pan", "master_db", "left", "right"),
    [
        (0.0, 0.0, 0.0, 0.5, 0.25),
        (-6.0, 0.0, 0.0, 0.250593617, 0.125296808),
        (5.5, 0.0, 0.0, 0.941824545, 0.470912272),
        (-60.0, 0.0, 0.0, 0.0, 0.0),
        (0.0, 0.0, -20.0, 0.05, 0.025),
        (0.0, 0.0, -60.0, 0.0, 0.0),
        (-59.5, 0.0, 6.0, 0.001056745, 0.000528372),
        (0.0, -1.0, 0.0, 0.75, 0.0),
        (0.0, 1.0, 0.0, 0.0, 0.75),
        (0.0, 0.5, 0.0, 0.353553391, 0.603553391),
        (0.0, -0.5, 0.0, 0.676776695, 0.176776695),
        (0.0, 0.2, 0.0, 0.475528258, 0.404508497),
        (-6.0, 0.5, 0.0, 0.177196447, 0.302493256),
    ],
)
def test_a_fader_does_what_the_formulas_say(
    stem: str, gain_db: float, pan: float, master_db: float, left: float, right: float
) -> None:
    tracks = {**dict.fromkeys(STEMS, steady(0, 0)), stem: steady(16_384, 8_192)}
    heard = mixed(tracks, **{f"{stem}_gain_db": gain_db, f"{stem}_pan": pan}, master_gain_db=master_db)
    assert heard == pytest.approx(np.tile([left * 2**23, right * 2**23], (100, 1)), abs=0.51)


def test_both_stems_are_summed_each_with_its_own_fader() -> None:
    tracks = {"vocals": steady(16_384, 8_192), "instrumental": steady(-4_096, 12_288)}
    heard = mixed(tracks, vocals_pan=0.5, instrumental_gain_db=-6.0, master_gain_db=-6.0)
    left, right = 0.501187234 * (0.353553391 - 0.062648404), 0.501187234 * (0.603553391 + 0.187945213)
    assert heard == pytest.approx(np.tile([left * 2**23, right * 2**23], (100, 1)), abs=0.51)


def test_what_is_beyond_full_scale_is_cut_there() -> None:
    tracks = {"vocals": steady(30_000, -30_000), "instrumental": steady(30_000, -30_000)}
    assert set(mixed(tracks)[:, 0]) == {2**23 - 1}
    assert set(mixed(tracks)[:, 1]) == {-(2**23)}


@pytest.mark.parametrize("missing", STEMS)
def test_a_stem_that_nobody_ordered_is_what_remains(missing: str) -> None:
    tracks = song(2 * SEGMENT)
    ordered = {name: track for name, track in tracks.items() if name != missing}
    faders = {"vocals_gain_db": -6.0, "instrumental_pan": 0.5, "master_gain_db": -1.0}
    difference = mixed(ordered, **faders) - mixed(only(tracks, *STEMS), **faders)
    # The same numbers summed in another order: where they lie between two steps they may fall to either.
    assert np.abs(difference).max() <= 1
    assert np.array_equal(in_16_bits(mixed(ordered)), tracks["mixture"])


def test_a_mix_of_nothing_is_as_long_as_the_song() -> None:
    tracks = song(SEGMENT + 7)
    silent = mixed(only(tracks, "mixture"), vocals_gain_db=-60, instrumental_gain_db=-60)
    assert silent.shape == (SEGMENT + 7, 2)
    assert not silent.any()


# "Down Mixing Speaker Layouts" of the Web Audio API; of other layouts a browser plays the first two channels.
@pytest.mark.parametrize(
    ("levels", "left", "right"),
    [
        ((4000, 2000, 8000), 4000, 2000),
        ((4000, 2000, 8000, -1000), 6000, 500),
        ((4000, 2000, 8000, 30_000, -1000, 500), 8949.747468, 8010.407640),
    ],
)
def test_surround_is_heard_as_in_a_browser(levels: tuple[int, ...], left: float, right: float) -> None:
    track = np.repeat(np.array([levels], np.int16), 100, axis=0)
    heard = mixed({"vocals": track, "instrumental": np.zeros_like(track)})
    assert heard == pytest.approx(np.tile([left * 256, right * 256], (100, 1)), abs=0.51)


def test_the_rest_of_a_file_is_what_comes_after_its_beginning() -> None:
    tracks = only(song(3 * SEGMENT + 5), *STEMS)
    rest = io.BytesIO()
    _, *others = segments(tracks)
    write_mix(3 * SEGMENT + 5, 44_100, Faders(vocals_pan=0.3), others, rest.write, begin=SEGMENT)
    assert rest.getvalue() == made(tracks, Faders(vocals_pan=0.3))[44 + 6 * SEGMENT :]


def test_the_file_says_what_is_in_it() -> None:
    file = made(only(song(1001, 48_000), *STEMS), rate=48_000)
    with wave.open(io.BytesIO(file)) as reader:
        assert reader.getparams()[:4] == (2, 3, 48_000, 1001)
    assert len(file) == 44 + 6 * 1001


def test_the_file_is_written_while_the_segments_come() -> None:
    """Whoever downloads it does not wait for the last, and no more than one is held."""
    tracks = only(song(4 * SEGMENT), *STEMS)
    told = written_before_each(tracks, lambda pieces, write: write_mix(4 * SEGMENT, 44_100, Faders(), pieces, write))
    assert told == [44 + 6 * SEGMENT * number for number in range(4)]


@pytest.mark.parametrize("change", [-1, 1])
def test_segments_of_another_length_than_was_told_make_no_whole_file(change: int) -> None:
    tracks = only(song(2 * SEGMENT), *STEMS)
    with pytest.raises(UndecodableAudio):
        write_mix(2 * SEGMENT + change, 44_100, Faders(), segments(tracks), io.BytesIO().write)


def test_tracks_that_are_not_of_one_length_or_no_flac_make_no_file() -> None:
    (segment,) = segments(only(song(1000), *STEMS))
    (shorter,) = segments(only(song(999), *STEMS))
    for wrong in ({**segment, "vocals": shorter["vocals"]}, {**segment, "vocals": b"no FLAC"}):
        with pytest.raises(UndecodableAudio):
            write_mix(1000, 44_100, Faders(), [wrong], io.BytesIO().write)


def test_as_a_program_it_writes_the_same_file_and_says_by_its_end_whether_it_is_whole() -> None:
    tracks = only(song(2 * SEGMENT), *STEMS)
    faders = {"vocals_gain_db": -6.0, "vocals_pan": 0.5}
    about = {"samples": 2 * SEGMENT, "begin": 0, "sample_rate_hz": 44_100, "faders": faders, "tracks": list(tracks)}
    head = json.dumps(about).encode()
    pieces = [piece for segment in segments(tracks) for piece in segment.values()]
    command = [sys.executable, "-I", "-m", "separation.stems.mix"]
    whole = subprocess.run(command, input=packed(head, *pieces), capture_output=True, timeout=120, check=False)
    assert (whole.returncode, whole.stdout) == (0, made(tracks, Faders(**faders)))
    for broken in (packed(head, *pieces[:3]), packed(head, *pieces)[:-1], packed(head, *pieces[:2])):
        cut = subprocess.run(command, input=broken, capture_output=True, timeout=120, check=False)
        assert cut.returncode != 0
