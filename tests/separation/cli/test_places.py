"""``stemwright separate``: where stems go, what lies there already, and what killed runs have left."""

import shutil
from pathlib import Path

import pytest

from tests.separation.cli.running import separate, song_lines, stem_folders, write_song
from tests.separation.signals import music, write_wav


def test_names_of_songs_and_folders_may_look_like_urls() -> None:
    for name in ("Intro: x", "http:", "mix:1"):
        write_song(f"{name}.wav")
    assert separate("Intro: x.wav", "http:.wav", "mix:1.wav", "-o", ".").exit_code == 0
    assert stem_folders(".") == ["Intro: x", "http:", "mix:1"]
    for suffix in ("mp3", "m4a", "ogg", "opus", "wav"):
        assert separate("Intro: x.wav", "-o", "mix:2", "--format", suffix).exit_code == 0
        assert Path(f"mix:2/Intro: x/vocals.{suffix}").stat().st_size > 1000


def test_a_folder_in_the_way_of_a_stem_leaves_the_old_ones_whole() -> None:
    write_song("song.wav")
    assert separate("song.wav", "-o", "o").exit_code == 0
    Path("o/song/instrumental.flac").unlink()
    Path("o/song/instrumental.flac").mkdir()
    before = Path("o/song/vocals.flac").read_bytes(), Path("o/song/manifest.json").read_bytes()
    write_song("song.wav", seed=1)
    (line,) = song_lines(separate("song.wav", "-o", "o", "--json"))
    assert line.error
    assert line.error.code == "output_write_failed"
    assert "there is a folder of that name" in line.error.message
    assert (Path("o/song/vocals.flac").read_bytes(), Path("o/song/manifest.json").read_bytes()) == before
    assert not list(Path("o").rglob(".partial-*"))


def test_a_song_that_its_own_stems_would_replace_is_refused() -> None:
    write_song("a.wav")
    assert separate("a.wav", "-o", "o", "--format", "wav").exit_code == 0
    Path("a.wav").unlink()
    Path("a.wav").symlink_to("o/a/vocals.wav")
    before = Path("a.wav").read_bytes()
    result = separate("a.wav", "-o", "o", "--format", "wav")
    assert result.exit_code == 1
    assert result.stderr.endswith("[output_replaces_input]\n")
    assert Path("a.wav").read_bytes() == before


def test_a_song_far_above_full_scale_is_refused_with_two_ways_out() -> None:
    hot = music(0.5)
    write_wav(Path("hot.wav"), hot * (14 / hot.max()), bits=32)
    result = separate("hot.wav", "-o", "o")
    assert result.exit_code == 1
    assert result.stderr == (
        "hot.wav: This song goes above full scale, further than FLAC can hold; ask for WAV with 32 bits, "
        "or use --overs scale. [audio_exceeds_full_scale]\n"
    )
    assert not Path("o").exists()
    assert separate("hot.wav", "-o", "o", "--overs", "scale").exit_code == 0
    assert separate("hot.wav", "-o", "o", "--format", "wav", "--bit-depth", "32").exit_code == 0


@pytest.mark.parametrize("arguments", [[], ["--skip-existing"]])
def test_what_a_killed_run_left_is_cleared_by_the_next_one(arguments: list[str]) -> None:
    write_song("a.wav")
    assert separate("a.wav", "-o", "o").exit_code == 0
    shutil.copytree("o/a", "o/a/.partial-ab12_cde")  # as the kernel leaves it, unlocked
    result = separate("a.wav", "-o", "o", "--json", *arguments)
    assert [line.status for line in song_lines(result)] == ["reused" if arguments else "done"]
    assert not list(Path("o").rglob(".partial-*"))


def test_another_format_takes_the_place_of_the_first() -> None:
    write_song("a.wav")
    for name in ("flac", "wav"):
        assert separate("a.wav", "-o", "o", "--format", name).exit_code == 0
    assert sorted(path.name for path in Path("o/a").iterdir()) == [
        "instrumental.wav",
        "manifest.json",
        "vocals.wav",
        "waveforms.json",
    ]
