import pickle
from pathlib import Path

import numpy as np
import pytest

from tests.separation.signals import write_wav
from tests.training.songs import RATE, band, voice, write_song, write_streams
from training.config import RemixConfig, SourceConfig
from training.errors import DataInvalid
from training.objective import samples_in
from training.recordings import Reader, Recording, decode, recordings_in
from training.remix import FixedPatches, PatchNumbers, RemixedPatches, Stretch, stretched
from training.sources import Song, songs_of

STEMS = ("vocals", "accompaniment")
PLAIN = RemixConfig(
    probability=0, gain_db=(0, 0), swap_probability=0, stretch_probability=0, pitch_semitones=0, tempo_change=0
)


def musdb(folder: Path) -> Path:
    parts = [0.3 * band(5, 1), 0.3 * band(5, 2), 0.3 * band(5, 3), voice(5)]
    return write_streams(folder / "train" / "Some Band - Song.stem.mp4", [np.sum(parts, axis=0), *parts])


@pytest.mark.parametrize("codec", ["aac", "flac", "vorbis", "pcm_f32le"])
@pytest.mark.parametrize("begin", [0, 1, 30_000, 100_001, 215_000])
def test_a_stretch_is_what_the_whole_recording_has_there(tmp_path: Path, codec: str, begin: int) -> None:
    suffix = {"aac": "m4a", "flac": "flac", "vorbis": "ogg", "pcm_f32le": "wav"}[codec]
    if codec == "flac":
        path = write_wav(tmp_path / "song.wav", voice(5) + band(5))
    else:
        path = write_streams(tmp_path / f"song.{suffix}", [voice(5) + band(5)], codec)
    (recording,) = recordings_in(path)
    assert abs(recording.samples - 5 * RATE) <= 1024
    whole = decode(recording, 0, recording.samples)
    piece = decode(recording, begin, 20_000)
    expected = whole[:, begin : begin + 20_000]
    np.testing.assert_allclose(piece[:, : expected.shape[1]], expected, atol=1e-6)
    assert not piece[:, expected.shape[1] :].any()


def test_before_its_beginning_a_recording_is_silent_and_mono_is_on_both_sides(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "mono.wav", voice(1)[:, :1])
    (recording,) = recordings_in(path)
    for reader in (Reader(), Reader(tmp_path / "cache")):
        piece = reader.read(recording, -500, 1000)
        assert not piece[:, :500].any()
        assert piece[:, 500:].any()
        np.testing.assert_array_equal(piece[0], piece[1])


def test_the_cache_answers_the_same_and_notices_another_file(tmp_path: Path) -> None:
    path = musdb(tmp_path)
    recording = recordings_in(path)[4]
    cache = tmp_path / "cache"
    for begin in (-700, 0, 70_000, recording.samples - 300):
        np.testing.assert_allclose(
            Reader(cache).read(recording, begin, 5000), Reader().read(recording, begin, 5000), atol=1e-6
        )
    assert len(list(cache.iterdir())) == 1
    path.write_bytes(path.read_bytes() + b"\0")
    Reader(cache).read(recording, 0, 10)
    assert len(list(cache.iterdir())) == 2


def test_what_training_cannot_take_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataInvalid, match="48000 Hz"):
        recordings_in(write_wav(tmp_path / "a.wav", voice(1), rate=48000))
    (tmp_path / "b.wav").write_bytes(b"no song")
    with pytest.raises(DataInvalid, match=r"b\.wav cannot be read"):
        recordings_in(tmp_path / "b.wav")
    with pytest.raises(DataInvalid, match="no song"):
        songs_of(SourceConfig(kind="musdb18-hq"), tmp_path)
    with pytest.raises(DataInvalid, match="no folder"):
        songs_of(SourceConfig(kind="stems", path="absent"), tmp_path)


def test_musdb18_is_read_from_its_streams(tmp_path: Path) -> None:
    musdb(tmp_path)
    (tmp_path / "tracklist.csv").write_text("Track Name,Genre\nSome Band - Song,Rock\n")
    (song,) = songs_of(SourceConfig(kind="musdb18", split="train"), tmp_path)
    assert (song.name, song.genre, set(song.parts)) == (
        "Some Band - Song",
        "Rock",
        {"drums", "bass", "other", "vocals"},
    )
    backing = song.read(Reader(), "accompaniment", STEMS, 1000, 50_000)
    expected = 0.3 * (band(5, 1) + band(5, 2) + band(5, 3))[1000:51_000].T
    assert np.corrcoef(backing[0], expected[0])[0, 1] > 0.99
    assert np.corrcoef(song.read(Reader(), "vocals", STEMS, 0, RATE)[0], voice(1)[:, 0])[0, 1] > 0.99


def test_musdb18_hq_is_split_as_the_field_splits_it(tmp_path: Path) -> None:
    names = ["Actions - One Minute Smile", "A Classic Education - NightOwl", "Meaxic - Take A Step"]
    for name in names:
        for part in ("mixture", "drums", "bass", "other", "vocals"):
            folder = tmp_path / "train" / name
            folder.mkdir(parents=True, exist_ok=True)
            write_wav(folder / f"{part}.wav", voice(0.1))

    def songs(split: str) -> list[str]:
        source = SourceConfig.model_validate({"kind": "musdb18-hq", "split": split})
        return [song.name for song in songs_of(source, tmp_path)]

    assert songs("train") == [names[1]]
    assert songs("validation") == [names[0], names[2]]


def test_stems_of_a_network_are_parts_or_the_rest(tmp_path: Path) -> None:
    part = {name: Recording(tmp_path / name, 0, 10) for name in ("drums", "bass", "vocals")}
    song = Song("song", part)
    assert song.recordings_of("accompaniment", STEMS) == [part["drums"], part["bass"]]
    assert song.recordings_of("accompaniment", ("drums", "vocals", "accompaniment")) == [part["bass"]]
    assert song.recordings_of("drums", ("drums", "bass")) == [part["drums"]]
    assert song.recordings_of("piano", ("piano",)) == []


@pytest.fixture
def songs(data: Path) -> list[Song]:
    return songs_of(SourceConfig(kind="stems"), data)


def patches(songs: list[Song], remix: RemixConfig, seed: int = 0) -> RemixedPatches:
    return RemixedPatches(songs, STEMS, samples_in(64), remix, Reader(), seed)


def test_a_patch_depends_on_seed_and_number_alone(songs: list[Song]) -> None:
    all_on = RemixConfig(stretch_probability=1)
    ours, same = patches(songs, all_on), pickle.loads(pickle.dumps(patches(songs, all_on)))
    assert [ours[n].tolist() for n in (5, 0)] == [same[n].tolist() for n in (5, 0)]
    assert not np.array_equal(ours[1], ours[2])
    assert not np.array_equal(ours[1], patches(songs, all_on, seed=1)[1])


def test_without_remixing_a_patch_is_a_piece_of_a_song(songs: list[Song]) -> None:
    patch = patches(songs, PLAIN)[0].numpy()
    length = patch.shape[-1]
    for song in songs:
        whole = np.stack([decode(song.parts[stem], 0, song.samples) for stem in STEMS])
        begins = np.flatnonzero((whole[:, 0, :-length] == patch[:, 0, :1]).all(axis=0))
        if any(np.array_equal(whole[:, :, begin : begin + length], patch) for begin in begins):
            return
    pytest.fail("no song has this piece")


def test_gain_and_sides(songs: list[Song]) -> None:
    plain = patches(songs, PLAIN)[3].numpy()
    loud = patches(songs, PLAIN.model_copy(update={"gain_db": (6.0, 6.0), "swap_probability": 1.0}))[3].numpy()
    np.testing.assert_allclose(loud, plain[:, ::-1] * 10 ** (6 / 20), rtol=1e-5)


def test_stems_come_from_one_song_or_from_several(songs: list[Song], tmp_path: Path) -> None:
    write_wav(tmp_path / "solo.wav", voice(4, seed=9))
    solo = songs_of(SourceConfig(kind="solo", part="vocals"), tmp_path)
    backing = [Song("backing", {"accompaniment": songs[0].parts["accompaniment"]})]
    patch = RemixedPatches([*solo, *backing], STEMS, samples_in(64), PLAIN, Reader(), 0)[0]
    assert all(patch[place].abs().max() > 0.01 for place in range(2))
    with pytest.raises(DataInvalid, match="accompaniment"):
        RemixedPatches(solo, STEMS, samples_in(64), PLAIN, Reader(), 0)


@pytest.mark.parametrize(("pitch", "tempo"), [(2 ** (2 / 12), 1.0), (1.0, 1.1), (2 ** (-1 / 12), 0.9)])
def test_pitch_and_tempo_change_independently(pitch: float, tempo: float) -> None:
    """A tone with a click every half second: the tone's frequency and the clicks' distance are measured."""
    time = np.arange(8 * RATE) / RATE
    envelope = np.where(time % 0.5 < 0.25, 1.0, 0.1)
    audio = np.stack([0.3 * envelope * np.sin(2 * np.pi * 440 * time)] * 2).astype(np.float32)
    wanted = 4 * RATE
    stretch = Stretch(pitch, tempo)
    made = stretched(audio[:, : stretch.input_samples(wanted)], stretch, wanted)
    assert made.shape == (2, wanted)
    spectrum = np.abs(np.fft.rfft(made[0] * np.hanning(wanted)))
    assert np.argmax(spectrum) * RATE / wanted == pytest.approx(440 * pitch, rel=0.01)
    level = np.abs(made[0]).reshape(-1, 441).max(axis=1)  # a hundredth of a second each
    changes = np.abs(np.fft.rfft(level - level.mean()))
    assert np.argmax(changes) / 4 == pytest.approx(2 * tempo, abs=0.15)
    assert np.abs(made[:, -RATE // 10 :]).max() > 0.01, "the end is silent: too little was read"


def test_processes_and_accumulation_share_the_patches_out() -> None:
    def numbers(rank: int, processes: int, accumulation: int) -> list[list[int]]:
        steps = range(3, 5)
        return list(PatchNumbers(steps=steps, batch=2, accumulation=accumulation, rank=rank, processes=processes))

    alone, first, second = numbers(0, 1, 2), numbers(0, 2, 1), numbers(1, 2, 1)
    assert alone == [[12, 13], [14, 15], [16, 17], [18, 19]]
    assert [first[0], second[0], first[1], second[1]] == alone


def test_validation_patches_are_spread_over_the_songs(songs: list[Song]) -> None:
    every = FixedPatches(songs, STEMS, samples_in(64), 100, Reader())
    assert len(every) == 2 * (6 * RATE // samples_in(64))
    assert len(FixedPatches(songs, STEMS, samples_in(64), 3, Reader())) == 3
    some = FixedPatches(songs, STEMS, samples_in(64), 2, Reader())
    np.testing.assert_array_equal(some[1], every[len(every) - 1])


def test_a_song_shorter_than_a_patch_is_one(tmp_path: Path) -> None:
    write_song(tmp_path / "short", seconds=0.5, seed=0)
    songs = songs_of(SourceConfig(kind="stems"), tmp_path)
    assert len(FixedPatches(songs, STEMS, samples_in(64), 5, Reader())) == 1
    patch = patches(songs, PLAIN)[0].numpy()
    assert np.count_nonzero(patch[1, 0]) == pytest.approx(RATE / 2, abs=1000)
