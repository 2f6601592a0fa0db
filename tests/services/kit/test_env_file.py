"""Settings from a file: below the environment, taken as they stand."""

import os
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from services.kit.env_file import env_file_option


@click.command()
@env_file_option
def show() -> None:
    for name in ("TEST_ONE", "TEST_TWO", "TEST_THREE"):
        click.echo(os.environ.get(name, "not set"))


def test_what_the_file_sets_counts_unless_the_environment_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", {**os.environ, "TEST_TWO": "from outside"})
    file = tmp_path / "settings.env"
    file.write_text("# a comment\nTEST_ONE='${HOME} $x'\nTEST_TWO=from the file\n#TEST_THREE=off\n")
    shown = CliRunner().invoke(show, ["--env-file", str(file)])
    assert shown.output == "${HOME} $x\nfrom outside\nnot set\n"


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    shown = CliRunner().invoke(show, ["--env-file", str(tmp_path / "missing.env")])
    assert shown.exit_code == 2
    assert "missing.env" in shown.output


def test_a_file_from_windows_or_a_shell_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", dict(os.environ))
    file = tmp_path / "settings.env"
    file.write_bytes(b"\xef\xbb\xbfexport TEST_ONE=\"a b\"\r\n\r\nTEST_TWO='c # d'\r\nTEST_THREE=e # f\r\n")
    assert CliRunner().invoke(show, ["--env-file", str(file)]).output == "a b\nc # d\ne\n"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"TEST_ONE=fine\nthis is no line\n", "line 2 is not NAME=value"),
        (b"TEST_ONE=fine\n\nTEST_TWO='not closed, secret\n", "line 3 is not NAME=value"),
        (b"=secret\n", "line 1 is not NAME=value"),
        (b"TEST_ONE=a\0secret\n", "line 1 is not NAME=value"),
        ("TEST_ONE=secret\n".encode("utf-16"), "it is no text in UTF-8"),
    ],
    ids=["no setting", "open quote", "no name", "NUL", "UTF-16"],
)
def test_a_file_that_cannot_be_read_sets_nothing_and_the_line_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, told: str
) -> None:
    monkeypatch.setattr(os, "environ", dict(os.environ))
    file = tmp_path / "settings.env"
    file.write_bytes(content)
    shown = CliRunner().invoke(show, ["--env-file", str(file)])
    assert shown.exit_code == 2
    assert told in shown.output
    assert "secret" not in shown.output
    assert "TEST_ONE" not in os.environ


def test_a_misspelt_setting_in_the_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", dict(os.environ))
    file = tmp_path / "settings.env"
    file.write_text("STEMWRIGHT_WORKRES=2\n")
    shown = CliRunner().invoke(show, ["--env-file", str(file)])
    assert "STEMWRIGHT_WORKRES is no setting and has no effect; did you mean STEMWRIGHT_WORKERS?" in shown.output
