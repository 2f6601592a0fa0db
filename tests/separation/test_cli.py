"""The command line."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from separation.cli import models, separate
from separation.registry import ModelRepository
from tests.separation.signals import music, read, write_wav


def _separate(repository: ModelRepository, *arguments: object) -> Result:
    return CliRunner().invoke(separate, [*map(str, arguments), "--repository", str(repository.path)])


@pytest.fixture
def short_song(tmp_path: Path) -> Path:
    return write_wav(tmp_path / "short.wav", music(1.5))


def test_stems_land_in_a_folder_per_song(model_repository: ModelRepository, short_song: Path, tmp_path: Path) -> None:
    result = _separate(model_repository, short_song, "-o", tmp_path / "out", "--format", "wav", "--bit-depth", "24")
    assert result.exit_code == 0, result.output
    assert "short.wav: 1.5 s in " in result.stdout
    assert "stems minus song:    exactly zero" in result.stdout
    assert sorted(path.name for path in (tmp_path / "out" / "short").iterdir()) == [
        "instrumental.wav",
        "manifest.json",
        "vocals.wav",
        "waveforms.json",
    ]


def test_json_has_one_object_per_song_and_failures_have_codes(
    model_repository: ModelRepository, short_song: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "letter.mp3"
    bad.write_text("not a song")
    arguments = ["--json", "--preview", "0.5:1", "--stems", "vocals", "-o", tmp_path / "out"]
    result = _separate(model_repository, bad, short_song, tmp_path / "none.wav", *arguments)
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 1
    assert [line.get("error", {}).get("code") for line in lines] == [
        "audio_unsupported_format",
        None,
        "file_unreadable",
    ]
    (stem,) = lines[1]["manifest"]["stems"]
    assert stem["duration_seconds"] == 0.5
    assert len(read(tmp_path / "out" / "short" / "vocals.flac")) == 22050


def test_a_failure_is_one_line_on_standard_error(model_repository: ModelRepository, tmp_path: Path) -> None:
    (tmp_path / "empty.mp3").touch()
    result = _separate(model_repository, tmp_path / "empty.mp3", "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert result.stderr == "empty.mp3: The file is empty. [audio_empty]\n"
    assert not (tmp_path / "out" / "empty").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--preview", "9"],
        ["--preview", "9:3"],
        ["--preview", "a:b"],
        ["--preview", "nan:3"],
        ["--format", "ogg"],
        ["--threads", "0"],
    ],
)
def test_wrong_usage_ends_with_2(
    model_repository: ModelRepository, short_song: Path, tmp_path: Path, arguments: list[str]
) -> None:
    result = _separate(model_repository, short_song, "-o", tmp_path / "out", *arguments)
    assert result.exit_code == 2


def test_two_songs_of_one_name_are_refused(model_repository: ModelRepository, short_song: Path, tmp_path: Path) -> None:
    result = _separate(model_repository, short_song, tmp_path / "other" / "short.mp3", "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert "would overwrite each other" in result.stderr


def test_a_missing_model_says_how_to_get_it(short_song: Path, tmp_path: Path) -> None:
    result = _separate(ModelRepository(tmp_path / "none"), short_song, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "Run: stemwright models import spleeter-2stems" in result.stderr


def test_models_list_and_verify(model_repository: ModelRepository) -> None:
    for command in (["list"], ["verify"], ["verify", "spleeter-2stems"]):
        result = CliRunner().invoke(models, [*command, "--repository", str(model_repository.path)])
        assert result.exit_code == 0
        assert result.stdout.startswith("spleeter-2stems  sha256:")
    result = CliRunner().invoke(models, ["verify", "none", "--repository", str(model_repository.path)])
    assert result.exit_code == 1


def test_ctrl_c_leaves_nothing_and_ends_with_130(model_repository: ModelRepository, tmp_path: Path) -> None:
    song = write_wav(tmp_path / "long.wav", music(60, channels=1))
    out = tmp_path / "out"
    # What a shell runs in its background inherits an ignored SIGINT, for which Python sets no handler.
    listening = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"{listening}; from separation.cli import separate; separate()"
    command = [sys.executable, "-c", code, str(song), "-o", str(out), "--repository", str(model_repository.path)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        command, cwd=root, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(root)}
    ) as process:
        while not list(out.glob("long/.partial-*/vocals.flac")):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Interrupted" in stderr
    assert "Traceback" not in stderr
    assert not list(out.rglob("*.flac"))
    assert not list(out.rglob(".partial-*"))
