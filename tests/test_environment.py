"""The first command of a fresh clone finds a Python, or says in one line what is missing."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WITHOUT_ENSUREPIP = 'case "$*" in *"-m venv"*) echo "ensurepip is not available"; exit 1;; esac'
"""What Debian's Python says without its package python3-venv, in short."""


def python(folder: Path, name: str, *, version: str = "", first: str = "") -> Path:
    """This Python, of another version if told so, that makes empty environments; it may do something `first`."""
    program = folder / name
    pretence = f"import sys; sys.version_info = ({version.replace('.', ', ')}, 0)\n" if version else ""
    venv = 'mkdir -p "$4/bin" && printf "#!/bin/sh\\n" > "$4/bin/python" && chmod +x "$4/bin/python"'
    program.write_text(
        f'#!/bin/sh\n{first}\nif [ "$2" = venv ]; then {venv}; else exec "{sys.executable}" -c "{pretence}$2"; fi\n'
    )
    program.chmod(0o755)
    return program


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A folder of programs without a Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("chmod", "mkdir", "tail"):
        (folder / name).symlink_to(str(shutil.which(name)))
    return folder


def make_environment(
    folder: Path, *path: Path, named: Path | str = "", distribution: Path | str = os.devnull
) -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = ["/bin/sh", ROOT / "requirements" / "environment.sh", folder, named, distribution]
    told = {"PATH": os.pathsep.join(map(str, path)), "HOME": os.devnull, "LC_ALL": "C"}
    return subprocess.run(command, env=told, capture_output=True, text=True, check=False)


def assert_one_line(made: subprocess.CompletedProcess[str], *said: str) -> None:
    assert made.returncode == 1
    assert made.stdout == ""
    assert made.stderr.count("\n") == 1
    assert all(part in made.stderr for part in said), made.stderr


def test_no_python(tmp_path: Path, path: Path) -> None:
    assert_one_line(make_environment(tmp_path / "made", path), "apt install python3 python3-venv", "PYTHON=")


def test_a_python_without_its_package_for_environments(tmp_path: Path, path: Path) -> None:
    python(path, "python3", version="3.12", first=WITHOUT_ENSUREPIP)
    assert_one_line(make_environment(tmp_path / "made", path), "apt install python3.12-venv")


def test_an_old_python(tmp_path: Path, path: Path) -> None:
    python(path, "python3", version="3.10")
    assert_one_line(make_environment(tmp_path / "made", path), "3.11 or later", "python3 is 3.10")


def test_the_python_that_was_named(tmp_path: Path, path: Path) -> None:
    good = python(path, "python3.11")
    named = make_environment(tmp_path / "made", path, named=tmp_path / "nowhere")
    assert_one_line(named, "nowhere does not start")
    assert make_environment(tmp_path / "made", path, named=good).returncode == 0


def test_a_python_that_will_not_do_is_passed_over_and_a_broken_environment_made_anew(
    tmp_path: Path, path: Path
) -> None:
    python(path, "python3.11", first="echo 'python3.11: command not found'; exit 127")  # as pyenv says it
    python(path, "python3.12", first=WITHOUT_ENSUREPIP)
    python(path, "python3")
    folder = tmp_path / "Zoë ü" / "made"
    inside = folder / "bin" / "python"
    inside.parent.mkdir(parents=True)
    inside.write_text("#!/nowhere\n")

    assert make_environment(folder, path).returncode == 0

    made = inside.stat().st_mtime_ns
    assert make_environment(folder, path).returncode == 0
    assert inside.stat().st_mtime_ns == made, "an environment that works is left alone"


def test_an_environment_that_was_broken_off_while_it_got_its_pip_is_made_anew(tmp_path: Path, path: Path) -> None:
    python(path, "python3")
    site, inside = tmp_path / "site", tmp_path / "made" / "bin" / "python"
    for file in ("pip/__init__.py", "pip-1.dist-info/METADATA"):
        (site / file).parent.mkdir(parents=True)
        (site / file).touch()
    inside.parent.mkdir(parents=True)
    half = f'#!/bin/sh\nPYTHONPATH="{site}" exec "{sys.executable}" -S "$@"\n'
    inside.write_text(half)
    inside.chmod(0o755)
    (site / "pip-1.dist-info" / "RECORD").write_text("pip/__init__.py,,\n")
    assert make_environment(tmp_path / "made", path).returncode == 0
    assert inside.read_text() == half, "whole, it is left alone"
    (site / "pip-1.dist-info" / "RECORD").unlink()
    assert make_environment(tmp_path / "made", path).returncode == 0
    assert inside.read_text() != half


def test_of_two_with_one_name_the_distributions_own_is_taken(tmp_path: Path, path: Path) -> None:
    own = tmp_path / "usr"
    own.mkdir()

    def offer(folder: Path, name: str) -> None:
        python(folder, name, first=f'test "$2" != venv || echo {folder.name}/{name} > "{tmp_path}/taken"')

    def taken(*folders: Path) -> str:
        shutil.rmtree(tmp_path / "made", ignore_errors=True)
        assert make_environment(tmp_path / "made", *folders, distribution=own).returncode == 0
        return (tmp_path / "taken").read_text(encoding="utf-8").strip()

    for folder, name in ((path, "python3.12"), (own, "python3.12"), (own, "python3.13")):
        offer(folder, name)
    assert taken(path, own) == "usr/python3.12"
    assert taken(path) == "bin/python3.12", "where the PATH does not lead nothing is looked for"
    offer(path, "python3.11")
    assert taken(path, own) == "bin/python3.11", "the version goes first"
    python(own, "python3.11", first=WITHOUT_ENSUREPIP)
    assert taken(path, own) == "bin/python3.11", "one that makes no environments is passed over"


def test_recipes_run_nothing_but_python_make_and_coreutils() -> None:
    others = "awk|bash|curl|diff|file|find|gawk|git|grep|jq|perl|pgrep|ps|readelf|sed|tar|unzip|wget|which|xargs|zip"
    called = re.compile(
        rf"(?:^\s*@?-?|[|;({{&]\s*|\$\(shell\s+|\bthen\s+|\bdo\s+|\belse\s+|!\s+)({others})\s", re.MULTILINE
    )
    for recipe in (ROOT / "Makefile", *sorted((ROOT / "requirements").glob("*.sh")), ROOT / ".ci" / "run"):
        assert called.findall(recipe.read_text(encoding="utf-8")) == [], recipe.name


def test_the_makefile_is_read_where_nothing_else_is_installed(path: Path) -> None:
    for name in ("cat", "cut", "ls", "nproc", "sha256sum"):
        (path / name).symlink_to(str(shutil.which(name)))
    (path / "sh").symlink_to("/bin/sh")
    command = [str(shutil.which("make")), "--dry-run", "--always-make", "test"]
    read = subprocess.run(
        command, cwd=ROOT, env={"PATH": str(path), "HOME": os.devnull}, capture_output=True, text=True, check=False
    )
    assert (read.returncode, read.stderr) == (0, "")


def make(*words: str, at: Path = ROOT, **told: str) -> subprocess.CompletedProcess[str]:
    """Runs `make` as somebody does, also where a `make` runs the tests."""
    inherited = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    command = [str(shutil.which("make")), "--silent", *words]
    return subprocess.run(command, cwd=at, env={**inherited, **told}, capture_output=True, text=True, check=False)


def test_an_environment_of_another_folder_or_without_its_python_is_made_anew(tmp_path: Path) -> None:
    """A checkout that was moved or copied; a distribution that has another Python since."""
    checkout = tmp_path / "a checkout"
    shutil.copytree(ROOT / "requirements", checkout / "requirements")
    for name in ("Makefile", "pyproject.toml", "hatch_build.py"):
        shutil.copy(ROOT / name, checkout)
    (checkout / ".venv" / "bin").mkdir(parents=True)
    program, stamp = checkout / ".venv" / "bin" / "python", checkout / ".venv" / "run"
    program.symlink_to(sys.executable)
    stamp.write_text(f"{checkout.resolve()}\n")

    def to_be_done(at: Path = checkout) -> str:
        return make("--dry-run", ".venv/run", at=at).stdout

    assert to_be_done() == ""
    link = tmp_path / "link"
    link.symlink_to(checkout)
    assert to_be_done(link) == "", "the same folder by another way"
    program.unlink()
    program.symlink_to("/nowhere/python3.11")
    assert to_be_done().startswith("rm -rf .venv\n")
    program.unlink()
    program.symlink_to(sys.executable)
    moved = checkout.rename(tmp_path / "elsewhere")
    assert to_be_done(moved).startswith("rm -rf .venv\n")


def test_a_path_with_what_a_shell_reads_is_a_path(tmp_path: Path) -> None:
    cache = tmp_path / 'a"b $HOME `id`'
    made = make("cache", STEMWRIGHT_CACHE=str(cache))
    assert (made.returncode, made.stdout, made.stderr) == (0, f"{cache}\n", "")


@pytest.mark.parametrize("name", ["PYTHONHOME", "PYTHONPLATLIBDIR", "PYTHONPATH", "PYTHONINSPECT"])
def test_recipes_have_nothing_of_what_somebody_has_set_for_another_python(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "theirs")
    made = make("--eval=asked:; @env", "asked", PYTHONUTF8="theirs")
    assert "PYTHONUTF8=theirs" in made.stdout
    assert f"{name}=theirs" not in made.stdout
