"""The command as the tests run it, in the folder they are in."""

from pathlib import Path

from click.testing import CliRunner, Result

from separation import cli as commands
from separation.cli.outcome import SongLine
from tests.separation.signals import music, write_wav
from tests.services.worker.tiny_model import NAME


def separate(*arguments: object, charset: str = "utf-8") -> Result:
    return CliRunner(charset=charset).invoke(commands.separate, ["--model", NAME, *map(str, arguments)])


def song_lines(result: Result) -> list[SongLine]:
    return [SongLine.model_validate_json(line, extra="forbid") for line in result.stdout.splitlines()]


def write_song(path: str, seconds: float = 0.3, seed: int = 0) -> Path:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    return write_wav(Path(path), music(seconds, seed=seed))


def stem_folders(out: str = "out") -> list[str]:
    """Where stems are, below ``out``."""
    return sorted(str(path.parent.relative_to(out)) for path in Path(out).rglob("manifest.json"))
