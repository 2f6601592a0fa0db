"""What is wrong is said in one or two lines, in words or in JSON, with what was probably meant."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from separation import cli as commands
from separation.cli.names import FIELDS
from separation.cli.outcome import SongLine
from separation.cli.songs import NoSongs, NotAFile
from separation.cli.terminal import beginning, end
from separation.errors import SeparationError
from tests.separation.cli.running import separate, write_song

WRONG: dict[str, tuple[list[str], str]] = {
    "an option": (["a.wav", "--formt", "mp3"], "There is no option --formt. Did you mean --format?"),
    "a format": (
        ["a.wav", "--format", "mpe"],
        "there is no format 'mpe'. Did you mean mp3? Choose from flac, wav, mp3",
    ),
    "a stem": (["a.wav", "--stems", "vocal"], "there is no stem 'vocal'. Did you mean vocals? Choose from mixture"),
    "no song": ([], "Missing argument 'SONG_OR_FOLDER...'."),
    "a part": (["a.wav", "--preview", "9"], "'9' is no part of a song: write 1:00-1:30, or 60-90 in seconds."),
    "a bit rate": (["a.wav", "--bitrate", "128"], "flac takes no bit rate: it is lossless."),
    "a number": (["a.wav", "--threads", "many"], "'many' is not a valid integer range."),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_usage_is_told_in_two_lines(wrong: str) -> None:
    arguments, words = WRONG[wrong]
    result = separate(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    message, hint = result.stderr.splitlines()
    assert message.startswith("Error: ")
    assert words in message
    assert hint == "See: separate --help"


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_usage_is_told_in_json(wrong: str) -> None:
    arguments, words = WRONG[wrong]
    result = separate("--json", *arguments)
    assert result.exit_code == 2
    assert result.stderr == ""
    (line,) = map(json.loads, result.stdout.splitlines())
    assert line["status"] == "failed"
    assert line["error"]["code"] == "usage"
    assert words in line["error"]["message"]


def _run(*arguments: str) -> tuple[int, list[Any], str]:
    result = CliRunner().invoke(commands.separate, ["--json", *arguments])
    return result.exit_code, [json.loads(line) for line in result.stdout.splitlines()], result.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--model", "spleeter-5stems"], "model_not_found"),
        (["--model", "../x"], "model_not_found"),
        (["-o", "file/out", "--model", "tiny-2stems"], "output_write_failed"),
    ],
)
def test_what_keeps_a_run_from_beginning_is_one_object(arguments: Sequence[str], code: str) -> None:
    write_song("a.wav")
    Path("file").touch()
    exit_code, (line,), told = _run("a.wav", *arguments)
    assert (exit_code, told) == (1, "")
    assert line == {"status": "failed", "error": {"code": code, "message": line["error"]["message"]}}


def test_a_name_behind_two_dashes_is_no_option() -> None:
    result = separate("--", "--json")
    assert result.exit_code == 1
    assert result.stderr == "--json: The file cannot be read: No such file or directory. [file_unreadable]\n"


def test_an_unknown_model_names_the_ones_there_are() -> None:
    write_song("a.wav")
    result = CliRunner().invoke(commands.separate, ["a.wav", "--model", "tiny-2stem"])
    assert result.exit_code == 1
    repository = os.environ["STEMWRIGHT_MODEL_REPOSITORY"]
    assert result.stderr == (
        f"Error: There is no model tiny-2stem in {repository}. Did you mean tiny-2stems? There are: tiny-2stems.\n"
    )


@pytest.mark.parametrize("address", ["https://example.com/song.mp3", "ftp://x/y.flac"])
def test_an_address_is_no_song_and_is_written_as_it_was(address: str) -> None:
    result = separate(address)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"{address}: This is an address, and songs are files on this machine: download it")
    assert json.loads(separate(address, "--json").stdout)["song"] == address


def test_an_empty_name_does_not_mean_the_folder_one_is_in() -> None:
    write_song("a.wav")
    result = separate("")
    assert result.exit_code == 1
    assert result.stderr == "'': The file cannot be read: its name is empty. [file_unreadable]\n"


def test_a_fault_of_ours_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    repository = tmp_path / "models"
    (repository / "odd" / "manifest.json").mkdir(parents=True)  # a folder where a file should be
    write_song("a.wav")
    result = CliRunner().invoke(commands.separate, ["a.wav", "--model", "odd", "--repository", str(repository)])
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ")


def test_every_code_is_on_the_page() -> None:
    page = (Path(__file__).parents[3] / "docs/command-line.md").read_text(encoding="utf-8")
    kinds: list[type[SeparationError]] = [SeparationError, NoSongs, NotAFile]
    for kind in kinds:
        kinds += kind.__subclasses__()
    # Those of tests are none of ours.
    codes = {kind.code for kind in kinds if kind.__module__.startswith("separation.")}
    assert sorted(code for code in codes if f"`{code}`" not in page) == []


def test_every_option_and_field_is_on_the_page() -> None:
    page = (Path(__file__).parents[3] / "docs/command-line.md").read_text(encoding="utf-8")
    options = [option for one in commands.separate.params for option in one.opts if option.startswith("--")]
    assert len(options) > 10
    assert [option for option in options if f"{option}" not in page] == []
    assert [field for field in FIELDS if f"`{{{field}}}`" not in page] == []
    assert [field for field in SongLine.model_fields if f"`{field}`" not in page] == []


# Width


@pytest.mark.parametrize(
    ("text", "width", "first", "last"),
    [
        ("song", None, "song", "song"),
        ("song", 4, "song", "song"),
        ("long song", 5, "long…", "…song"),
        ("日本語", 4, "日…", "…語"),
    ],
)
def test_what_is_too_long_is_cut_with_a_mark(text: str, width: int | None, first: str, last: str) -> None:
    assert (beginning(text, width), end(text, width)) == (first, last)


@pytest.mark.parametrize("place", ["ModelRepository", "parse_pattern"])
def test_ctrl_c_before_the_first_song_ends_with_130_and_is_told_in_json(
    monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def interrupted(*_arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"separation.cli.command.{place}", interrupted)
    arguments = ("a.wav", "--filename", "{song}-{stem}")
    told = separate(*arguments)
    assert (told.exit_code, told.output) == (130, "")
    code, (line,), errors = _run(*arguments)
    assert (code, line["error"]["code"], errors) == (130, "interrupted", "")
