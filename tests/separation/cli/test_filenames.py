"""``--filename``: names by the tags of each song, safe on any file system, and never two files of one name."""

import json
import re
from pathlib import Path

import pytest

from separation.cli.names import FIELDS, BadPattern, parse_pattern
from separation.manifest import Manifest
from tests.separation.audio.pictures import picture, pictures_in
from tests.separation.audio.test_covers import as_cover
from tests.separation.cli.running import separate, song_lines, write_song
from tests.separation.signals import music

TAGS = {
    "title": "Track One",
    "artist": "Motörhead",
    "album": "Ace",
    "genre": "Rock",
    "track": "7/12",
    "disc": "2/2",
    "date": "1980-11-08",
}
SONG_AND_STEM = "{artist} - {title} ({stem})"


def tagged(path: str, **tags: str) -> Path:
    """A FLAC file with these tags and a cover."""
    import numpy as np

    from separation.audio.encode import StemWriter
    from separation.settings import OutputFormat

    Path(path).parent.mkdir(parents=True, exist_ok=True)
    cover = as_cover(picture("png"))
    with StemWriter(Path(path), OutputFormat("flac"), 44100, ["FL", "FR"], "stereo", tags, cover=cover) as writer:
        writer.write(np.rint(music(0.3) * 2**15).astype(np.float32))
    return Path(path)


def name(pattern: str, tags: dict[str, str], song: str = "07 one.flac", word: str = "vocals") -> str:
    folder, file_name = parse_pattern(pattern).named(Path(song), tags)
    return str(folder / file_name(word))


def files(folder: str) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())


# Patterns


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (SONG_AND_STEM, "Motörhead - Track One (vocals)"),
        ("{song}/{stem}", "07 one/vocals"),
        ("{album_artist}/{year} {album}/{disc}-{track} {title} {stem}", "Motörhead/1980 Ace/2-07 Track One vocals"),
        ("{{x}} {genre} {stem}", "{x} Rock vocals"),
        ("{composer} {stem}", "Unknown composer vocals"),
    ],
)
def test_fields_are_filled_in(pattern: str, expected: str) -> None:
    assert name(pattern, TAGS) == expected


def test_what_a_song_does_not_say_has_words_of_its_own() -> None:
    pattern = "/".join(f"{{{field}}}" for field in FIELDS if field != "stem") + "/{stem}"
    assert name(pattern, {}) == (
        "07 one/07 one/Unknown artist/Unknown album/Unknown artist/Unknown composer/Unknown genre/00/1/0000/vocals"
    )


@pytest.mark.parametrize(
    ("title", "safe"),
    [
        ("AC/DC: who? <\\|*>", "AC_DC_ who_ _____"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("..", "_"),
        (".hidden", "hidden"),
        ("ends with dots...", "ends with dots"),
        ("a\nb\x1b[31m\u202ec", "a_b_[31m_c"),
        ("con", "_con"),
        ("NUL.txt", "_NUL.txt"),
        ("e\u0301", "\u00e9"),
        ("", "07 one"),
    ],
)
def test_names_are_safe_on_any_file_system(title: str, safe: str) -> None:
    assert name("{title}", {"title": title}) == safe


@pytest.mark.parametrize("letter", ["x", "\u00e9", "\u5927", "\U0001f3b5"])
def test_long_tags_are_cut_and_the_stem_stays(letter: str) -> None:
    tags = {"title": letter * 250, "artist": letter * 200}
    for word in ("vocals", "instrumental", "manifest"):
        made = name(SONG_AND_STEM, tags, word=word)
        assert made.endswith(f" ({word})")
        assert len(f"{made}.flac".encode()) <= 255
    assert name(SONG_AND_STEM, tags).partition(" (")[0] == name(SONG_AND_STEM, tags, word="mixture").partition(" (")[0]


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("{artst} {stem}", "Did you mean artist?"),
        ("{Title}{stem}", "Did you mean title?"),
        ("{} {stem}", "there is no field {}"),
        ("{title.__class__}{stem}", "there is no field"),
        ("{title!r}{stem}", "there is no field"),
        ("{track:03}{stem}", "there is no field"),
        ("{title", "a brace has no partner"),
        ("../{stem}", "without .."),
        ("/{stem}", "without .."),
        ("{title}/", "without .."),
        ("a//{stem}", "without .."),
        ("", "without .."),
        ("{stem}/{title}", "behind the last slash"),
        ("vocals", "every song would have the same name"),
        ("x" * 200 + "{stem}", "too long"),
    ],
)
def test_patterns_that_name_no_files_say_what_to_write(pattern: str, words: str) -> None:
    with pytest.raises(BadPattern, match=re.escape(words)):
        parse_pattern(pattern)
    result = separate("a.wav", "--filename", pattern)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) <= 2


# Files


def test_songs_share_a_folder_by_their_names_and_each_manifest_names_its_files() -> None:
    tagged("Album/1.flac", artist="A", title="One")
    tagged("Album/2.flac", artist="A", title="Two")
    result = separate("Album", "--filename", SONG_AND_STEM, "--format", "mp3", "--json")
    assert result.exit_code == 0, result.output
    assert files("stems") == [
        f"Album/A - {title} ({word}).{suffix}"
        for title in ("One", "Two")
        for word, suffix in (("instrumental", "mp3"), ("manifest", "json"), ("vocals", "mp3"), ("waveforms", "json"))
    ]
    for line in song_lines(result):
        assert line.files
        assert line.manifest
        assert set(line.files) == {"vocals", "instrumental", "waveforms", "manifest"}
        assert all(Path(path).is_file() for path in line.files.values())
        assert Manifest.from_json(Path(line.files["manifest"]).read_bytes()) == line.manifest
        for stem in line.manifest.stems:
            assert pictures_in(Path("stems/Album", stem.file)) == [picture("png")]


def test_skip_existing_and_report_go_along() -> None:
    pytest.importorskip("matplotlib")
    tagged("a.flac", **TAGS)
    arguments = ["a.flac", "--filename", SONG_AND_STEM, "--report", "--json", "-o", "out"]
    (line,) = song_lines(separate(*arguments))
    assert line.status == "done"
    assert line.report == "out/Motörhead - Track One (report).png"
    Path(line.report).unlink()
    (line,) = song_lines(separate(*arguments, "--skip-existing"))
    assert line.status == "reused"
    assert Path("out/Motörhead - Track One (report).png").is_file()
    (line,) = song_lines(separate("a.flac", "--filename", "{title} {stem}", "--json", "-o", "out", "--skip-existing"))
    assert line.status == "done"


def test_one_stem_needs_no_word_of_its_own() -> None:
    tagged("a.flac", **TAGS)
    result = separate("a.flac", "--filename", "{artist}/{title}", "--stems", "instrumental")
    assert result.exit_code == 0, result.output
    assert files("stems") == [f"Motörhead/Track One.{suffix}" for suffix in ("flac", "manifest.json", "waveforms.json")]
    refused = separate("a.flac", "--filename", "{artist}/{title}")
    assert refused.exit_code == 2
    assert refused.stderr.startswith("Error: --filename has no {stem}, so vocals and instrumental would have the same")


def test_two_songs_of_one_name_are_refused_before_any_work() -> None:
    tagged("a.flac", artist="A", title="One")
    tagged("b.flac", artist="A", title="ONE")
    tagged("c.flac", artist="A", title="Three")
    result = separate("c.flac", "a.flac", "b.flac", "--filename", SONG_AND_STEM)
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert "a.flac and b.flac would both become stems/A - ONE (vocals).flac" in line
    assert not Path("stems").exists()
    result = separate("a.flac", "b.flac", "--filename", SONG_AND_STEM, "--json")
    assert json.loads(result.stdout)["error"]["code"] == "output_names_clash"


def test_a_stem_never_replaces_one_of_the_songs() -> None:
    song = tagged("a.flac", title="b")
    other = tagged("b.flac", title="c")
    before = song.read_bytes(), other.read_bytes()
    result = separate("a.flac", "b.flac", "-o", ".", "--filename", "{title}", "--stems", "vocals")
    assert result.exit_code == 1
    assert "b.flac is one of the songs itself" in result.stderr
    assert (song.read_bytes(), other.read_bytes()) == before
    assert files(".") == ["a.flac", "b.flac"]


def test_a_song_that_cannot_be_read_fails_alone() -> None:
    Path("broken.mp3").write_text("not a song")
    write_song("a.wav")
    result = separate("broken.mp3", "none.wav", "a.wav", "--filename", "{title} {stem}")
    assert result.exit_code == 1
    assert [line.rpartition(" ")[2] for line in result.stderr.splitlines()] == [
        "[audio_unsupported_format]",
        "[file_unreadable]",
    ]
    assert files("stems") == [
        f"a {name}" for name in ("instrumental.flac", "manifest.json", "vocals.flac", "waveforms.json")
    ]


def test_named_stems_are_not_separated_again() -> None:
    tagged("Music/a.flac", **TAGS)
    separate("Music", "-o", "Music", "--filename", SONG_AND_STEM)
    (line,) = song_lines(separate("Music", "-o", "elsewhere", "--json"))
    assert line.song == "Music/a.flac"
