"""Every command there is: its help, its completion, and what it says of a mistake. Nothing of that leaves a trace."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from rich.cells import cell_len

from services.cli import SHELLS, main
from services.local.sockets import LOOPBACK, free_port
from tests.services.test_extras import blocked_modules

ROOT = Path(__file__).parents[2]
COLUMNS = 80

PROGRAM = """
import json, sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

blocked, commands = json.loads(sys.argv[1])
sys.meta_path.insert(0, Blocker())
from click.testing import CliRunner
from services.cli import main

COLUMNS = 80

for command in commands:
    # Click leaves two columns of a terminal free; its runner would take all of them.
    outcome = CliRunner().invoke(main, command, prog_name="stemwright", terminal_width=COLUMNS - 2)
    raised = None if isinstance(outcome.exception, SystemExit) else outcome.exception
    print(json.dumps([outcome.exit_code, outcome.stdout, outcome.stderr, raised and repr(raised)]))
"""


def every_command(group: click.Command = main, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    if isinstance(group, click.Group):
        context = click.Context(group)
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            yield from every_command(command, (*path, name))


@pytest.fixture(scope="module")
def commands() -> list[tuple[str, ...]]:
    return list(every_command())


def environment(home: Path, **more: str) -> dict[str, str]:
    """Of somebody who has just installed it: a home with nothing in it, and no setting at all."""
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(home), "COLUMNS": str(COLUMNS), **more}


Outcome = tuple[int, str, str, str | None]
"""Status, standard output, standard error and exception."""


def ran(tmp_path: Path, commands: list[list[str]], extras: set[str] | None = None) -> list[Outcome]:
    """What became of each, in one process; without what the extras bring."""
    (tmp_path / "home").mkdir()
    (tmp_path / "here").mkdir()
    blocked = [] if extras is None else blocked_modules(extras)
    done = subprocess.run(
        [sys.executable, "-B", "-c", PROGRAM, json.dumps([blocked, commands])],
        cwd=tmp_path / "here",
        env=environment(tmp_path / "home"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


def traces(tmp_path: Path) -> list[str]:
    return [str(path.relative_to(tmp_path)) for name in ("home", "here") for path in (tmp_path / name).rglob("*")]


HELP, MISTAKE = "--help", "--no-such-option"
MEANT = {
    ("seperate", "song.mp3"): "separate",
    ("model",): "models",
    ("models", "verfy"): "verify",
    ("separate", "song.mp3", "--outptu", "x"): "--output",
    ("run", "gatway"): "gateway",
    ("migrate", "acounts"): "accounts",
    ("completion", "fihs"): "fish",
    ("topics", "pln"): "plan",
    ("bucket", "aply"): "apply",
    ("accounts", "grant-credit", "me@example.com", "60"): "grant-credits",
    ("mail", "shw"): "show",
    ("client", "balnce"): "balance",
}
UNKNOWN = [("no-such-command",), ("models", "lst")]


@pytest.fixture(scope="module")
def outcomes(
    tmp_path_factory: pytest.TempPathFactory, commands: list[tuple[str, ...]]
) -> Mapping[tuple[str, ...], Outcome]:
    """Of the help and of a mistake of every command, and of other mistakes, where everything is installed. One process
    loads all of it once; it leaves no trace."""
    folder = tmp_path_factory.mktemp("commands")
    lines = [(*one, option) for one in commands for option in (HELP, MISTAKE)] + [*MEANT, *UNKNOWN]
    found = dict(zip(lines, ran(folder, [[*line] for line in lines]), strict=True))
    assert traces(folder) == []
    return found


# Help


def test_help_fits_80_columns_is_not_cut_and_leaves_no_trace(
    outcomes: Mapping[tuple[str, ...], Outcome], commands: list[tuple[str, ...]]
) -> None:
    assert len(commands) > 15
    for command in commands:
        outcome = status, out, err, raised = outcomes[*command, HELP]
        name = " ".join(("stemwright", *command))
        assert (status, err, raised) == (0, "", None), f"{name}: {outcome}"
        assert out.startswith(f"Usage: {name}"), out
        assert [line for line in out.splitlines() if cell_len(line) > COLUMNS] == [], name
        rest = out.partition("\n")[2]
        assert not re.search(r"[^ .]\.\.\.$", rest, flags=re.MULTILINE), f"{name}: a sentence is cut off"
        assert re.search(r"^  [A-Z]", rest, flags=re.MULTILINE), f"{name} says nothing of itself"
        assert not re.search(r"\w\n +\w", out.partition("\n\n")[0]), f"{name}: a word of its usage is cut in two"


def test_help_without_extras_is_there_or_names_the_extra(tmp_path: Path, commands: list[tuple[str, ...]]) -> None:
    for command, outcome in zip(commands, ran(tmp_path, [[*one, "--help"] for one in commands], set()), strict=True):
        status, out, err, raised = outcome
        name = " ".join(("stemwright", *command))
        assert raised is None, f"{name}: {raised}"
        if status == 0:
            assert (out.startswith(f"Usage: {name}"), err) == (True, "")
        else:
            assert re.fullmatch(r"Error: .*: pip install 'stemwright\[[a-z,]+\]'\n", err), f"{name}: {err}"
        if command[:1] in ((), ("separate",), ("models",), ("completion",)):
            assert status == 0, f"{name}: {err}"
    assert traces(tmp_path) == []


def test_every_mistake_is_told_in_two_lines_at_most(
    outcomes: Mapping[tuple[str, ...], Outcome], commands: list[tuple[str, ...]]
) -> None:
    for command in [*((*one, MISTAKE) for one in commands), *UNKNOWN]:
        status, out, err, raised = outcomes[command]
        assert (status, out, raised) == (2, "", None), f"{command}: {out}{err}{raised}"
        assert 1 <= err.count("\n") <= 2, f"{command}: {err}"
        assert err.startswith("Error: ")


@pytest.mark.parametrize("command", MEANT)
def test_what_was_probably_meant_is_suggested(
    outcomes: Mapping[tuple[str, ...], Outcome], command: tuple[str, ...]
) -> None:
    status, _, err, _ = outcomes[command]
    assert status == 2
    assert f"Did you mean {MEANT[command]}?" in err.splitlines()[0]


@pytest.mark.parametrize(
    ("command", "setting"),
    [
        ("topics plan", "KAFKA_BOOTSTRAP_SERVERS"),
        ("bucket plan", "S3_ENDPOINT_URL"),
        ("backup copy", "STEMWRIGHT_HOME"),
        ("accounts ledger-check", "STEMWRIGHT_HOME"),
        ("client balance", "STEMWRIGHT_API_KEY"),
    ],
)
def test_what_is_not_there_is_told_with_the_setting_that_says_where_it_is(
    command: str, setting: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DATABASE_URL", "STEMWRIGHT_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    nobody = f"127.0.0.1:{free_port(LOOPBACK)}"
    elsewhere = {"KAFKA_BOOTSTRAP_SERVERS": nobody, "S3_ENDPOINT_URL": f"http://{nobody}", "STEMWRIGHT_HOME": "home"}
    for name, value in {**elsewhere, "S3_ACCESS_KEY_ID": "id", "S3_SECRET_ACCESS_KEY": "key"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    ended = CliRunner().invoke(main, command.split())
    assert (ended.exit_code, ended.stderr.count("\n")) == (1, 1), ended.output
    assert setting in ended.stderr
    assert list(tmp_path.iterdir()) == []


# Completion


COMPLETING = """
import json, sys
from click.testing import CliRunner
from services.cli import main

for asked in json.loads(sys.argv[1]):
    outcome = CliRunner().invoke(main, prog_name="stemwright", env=asked)
    print(json.dumps([outcome.exit_code, outcome.stdout, outcome.stderr]))
"""


def asked(*words: str) -> dict[str, str]:
    """What the scripts of the shells ask the command with."""
    return {
        "_STEMWRIGHT_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(("stemwright", *words)),
        "COMP_CWORD": str(len(words)),
    }


def offered(told: str) -> list[str]:
    return [line.partition(",")[2] for line in told.splitlines()]


def printed(tmp_path: Path, program: str, *arguments: str, **settings: str) -> str:
    """What a program prints that somebody runs who has just installed it."""
    (tmp_path / "home").mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-B", "-c", program, *arguments],
        cwd=tmp_path,
        env=environment(tmp_path / "home", **settings),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_asks_the_command_and_printing_it_leaves_no_trace(tmp_path: Path, shell: str) -> None:
    ((status, script, err, _),) = ran(tmp_path, [["completion", shell]], set())
    assert (status, err) == (0, "")
    assert f"_STEMWRIGHT_COMPLETE={shell}_complete" in script
    assert "stemwright" in script
    assert traces(tmp_path) == []
    if program := shutil.which(shell):  # whose own parser has to take it
        subprocess.run([program, "-n"], input=script, text=True, check=True)


def test_commands_options_and_words_are_completed(tmp_path: Path, models: Mapping[str, str]) -> None:
    expected = {
        ("se",): ["separate", "settings"],
        ("separate", "--form"): ["--format"],
        ("separate", "--format", "m"): ["mp3", "m4a"],
        ("separate", "--stems", "vocals,in"): ["vocals,instrumental"],
        ("separate", "--model", "t"): ["tiny-2stems"],
        ("models", "v"): ["verify"],
    }
    lines = printed(tmp_path, COMPLETING, json.dumps([asked(*words) for words in expected]), **models).splitlines()
    for (words, offer), line in zip(expected.items(), lines, strict=True):
        status, out, err = json.loads(line)
        assert (status, offered(out), err) == (0, offer, ""), words


def test_completion_is_asked_of_a_process_of_its_own(tmp_path: Path) -> None:
    as_installed = "from services.cli import main; main(prog_name='stemwright')"
    assert offered(printed(tmp_path, as_installed, **asked("se"))) == ["separate", "settings"]


@pytest.fixture
def models(tmp_path: Path) -> Mapping[str, str]:
    from tests.services.worker.tiny_model import make_tiny_model

    make_tiny_model(tmp_path / "repository")
    return {"STEMWRIGHT_MODEL_REPOSITORY": str(tmp_path / "repository")}
