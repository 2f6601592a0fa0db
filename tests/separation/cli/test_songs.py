"""``stemwright separate``: which files are songs, and where the stems of each go."""

import os
import re
from pathlib import Path

import pytest

from tests.separation.cli.running import separate, song_lines, stem_folders, write_song
from tests.separation.signals import music, read, write_encoded, write_silent_film


def test_of_a_folder_every_audio_file_is_taken_and_its_structure_mirrored() -> None:
    for path in ("Music/b.wav", "Music/Album/cd 2/01.wav", "Music/Album/cd 10/01.wav", "Music/a.wav"):
        write_song(path)
    write_encoded(Path("Music/Album/no suffix"), music(0.3, 48000), 48000, "ogg", "libopus")
    Path("Music/cover.jpg").write_bytes(b"\xff\xd8\xff\xe0 a picture")
    Path("Music/notes.txt").write_text("wide text", encoding="utf-16")  # its first bytes could begin an MP3
    write_silent_film(Path("Music/film.mp4"))
    write_song("Music/.hidden/c.wav")
    write_song("Music/._b.wav")
    result = separate("Music/", "-o", "out", "--json")
    assert result.exit_code == 0, result.output
    assert [line.song for line in song_lines(result)] == [
        "Music/a.wav",
        "Music/b.wav",
        "Music/Album/no suffix",
        "Music/Album/cd 10/01.wav",
        "Music/Album/cd 2/01.wav",
    ]
    assert stem_folders() == [
        "Music/Album/cd 10/01",
        "Music/Album/cd 2/01",
        "Music/Album/no suffix",
        "Music/a",
        "Music/b",
    ]


def test_the_folder_that_one_is_in_has_its_own_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_song("Music/Album/a.wav")
    Path("Link").symlink_to("Music/Album")
    monkeypatch.chdir(tmp_path / "Music" / "Album")
    assert separate(".", "..", "../../Link", "-o", "../../out").exit_code == 0
    assert stem_folders("../../out") == ["Album/a"]
    assert separate("../../Link", "-o", "../../out").exit_code == 0
    assert stem_folders("../../out") == ["Album/a", "Link/a"]


def test_a_broken_song_in_a_folder_is_reported() -> None:
    write_song("Music/a.wav")
    Path("Music/b.mp3").touch()
    result = separate("Music", "-o", "out")
    assert result.exit_code == 1
    assert result.stderr == "Music/b.mp3: The file is empty. [audio_empty]\n"
    assert stem_folders() == ["Music/a"]


@pytest.mark.parametrize("name", ["b.wma", "b.APE", "b.mp3", "b.dsf"])
def test_what_is_called_a_song_and_cannot_be_separated_is_named(name: str) -> None:
    write_song("Music/a.wav")
    Path("Music", name).write_bytes(b"\x30\x26\xb2\x75 whatever is in it")
    result = separate("Music", "-o", "out")
    assert result.exit_code == 1
    assert re.fullmatch(rf"Music/{re.escape(name)}: .* \[audio_unsupported_format\]\n", result.stderr)
    assert stem_folders() == ["Music/a"]


def test_what_cannot_be_opened_in_a_folder_is_named() -> None:
    write_song("Music/a.wav")
    Path("Music/gone.mp3").symlink_to("nowhere.mp3")
    Path("Music/round.mp3").symlink_to("round.mp3")
    Path("Music/picture.jpg").symlink_to("nowhere.jpg")
    os.mkfifo("Music/pipe.wav")
    result = separate("Music", "-o", "out")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "Music/gone.mp3: The file cannot be read: No such file or directory. [file_unreadable]",
        "Music/pipe.wav: The file cannot be read: not a regular file. [file_unreadable]",
        "Music/round.mp3: The file cannot be read: Too many levels of symbolic links. [file_unreadable]",
    ]
    assert stem_folders() == ["Music/a"]


def test_links_to_folders_are_followed_and_each_song_is_taken_once() -> None:
    write_song("Music/Album/a.wav")
    write_song("Elsewhere/b.wav", seed=1)
    write_song("Elsewhere/deep/c.wav", seed=2)
    write_song("Music/.store/d.wav", seed=3)
    for link, to in {
        "Music/1 loop": ".",
        "Music/2 up": "..",
        "Music/3 album": "Album",
        "Music/4 other": "../Elsewhere",
        "Music/5 other": "../Elsewhere/deep",
        "Music/6 store": ".store",
        "Elsewhere/deep/back": "../../Elsewhere",
        "Elsewhere/deep/home": "../../Music",
    }.items():
        Path(link).symlink_to(to)
    result = separate("Music", "-o", "out", "--json")
    assert result.exit_code == 0, result.output
    assert [line.song for line in song_lines(result)] == [
        "Music/4 other/b.wav",
        "Music/4 other/deep/c.wav",
        "Music/6 store/d.wav",
        "Music/Album/a.wav",
    ]
    assert stem_folders() == ["Music/4 other/b", "Music/4 other/deep/c", "Music/6 store/d", "Music/Album/a"]


def test_a_folder_without_audio_is_an_error() -> None:
    Path("Papers").mkdir()
    Path("Papers/letter.txt").write_text("Dear reader")
    result = separate("Papers", "-o", "out")
    assert result.exit_code == 1
    assert result.stderr == "Papers: There is no audio in this folder. [folder_without_songs]\n"


@pytest.mark.parametrize("out", ["Music/stems", "Music"])
def test_stems_are_not_separated_again(out: str) -> None:
    write_song("Music/a.wav")
    assert separate("Music", "-o", out).exit_code == 0
    second = separate("Music", "-o", out, "--json")
    third = separate("Music", "-o", "elsewhere", "--json")
    assert [[line.song for line in song_lines(result)] for result in (second, third)] == [["Music/a.wav"]] * 2


def test_equal_names_get_folders_of_their_own() -> None:
    paths = ("x/song.wav", "y/song.wav", "y/Song.wav", "Album/song.wav", "Other/Album/song.wav")
    for seed, path in enumerate(paths):
        write_song(path, seed=seed)
    result = separate(*paths[:3], "Album", "Other/Album", "x/../x/song.wav", "-o", "out", "--json")
    assert {line.song: line.folder for line in song_lines(result)} == {
        "x/song.wav": "out/song",
        "y/song.wav": "out/song (2)",
        "y/Song.wav": "out/Song (3)",
        "Album/song.wav": "out/Album/song",
        "Other/Album/song.wav": "out/Album/song (2)",
    }
    assert len({read(path).tobytes() for path in Path("out").rglob("vocals.flac")}) == 5


def test_a_song_that_is_called_like_a_stem_is_not_written_over() -> None:
    song = write_song("vocals/vocals.wav")
    before = song.read_bytes()
    result = separate("vocals/vocals.wav", "-o", ".", "--format", "wav")
    assert result.exit_code == 0, result.output
    assert song.read_bytes() == before
    assert stem_folders(".") == ["vocals (2)"]


def test_names_never_lead_out_of_the_folder() -> None:
    for name in ("..wav", "...wav"):
        write_song(f"in/{name}")
    assert separate("in/..wav", "in/...wav", "-o", "out").exit_code == 0
    assert stem_folders() == ["song", "song (2)"]


def test_strange_names_do_not_break_the_lines() -> None:
    write_song("a.wav")
    names = ["two\nlines.wav", "\x1b[31mred.wav", "日本 $x$.wav", os.fsdecode(b"latin-\xe9.wav")]
    for name in names:
        Path(name).write_bytes(Path("a.wav").read_bytes())
    result = separate(*names, "-o", "out")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines[:8:2]] == [
        "two\ufffdlines.wav",
        "\ufffd[31mred.wav",
        "日本 $x$.wav",
        "latin-\ufffd.wav",
    ]
    assert len(song_lines(separate(*names, "-o", "out", "--json"))) == 4


def test_a_pipe_is_refused_without_waiting_for_it() -> None:
    os.mkfifo("pipe.wav")
    result = separate("pipe.wav", "-o", "out")
    assert result.stderr == "pipe.wav: The file cannot be read: not a regular file. [file_unreadable]\n"
