"""Children find what their parent found, wherever pip put it, and nothing in the working directory."""

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from services.kit import children

REPOSITORY = Path(children.__file__).parents[2]
PARENT = """
import json, subprocess
from services.kit import children
command, environment = children.command("ours.child"), children.environment()
said = subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True)
print(json.dumps([said.stdout.strip(), said.stderr[-300:]]))
"""
# Where the tests run, the wheel lies beside the interpreter.
FINDS_THE_STORE = """
import sysconfig
path = sysconfig.get_path
sysconfig.get_path = lambda name, *scheme: path(name, *scheme) if scheme else "/nowhere"
from services.local.infrastructure import rclone
print(rclone())
"""


def install(folder: Path) -> None:
    """As pip would; the child is of a name that nobody else has."""
    (folder / "ours").mkdir(parents=True)
    (folder / "ours" / "child.py").write_text("print('found')")
    (folder / "services").symlink_to(REPOSITORY / "services")


def outcome(environment: dict[str, str], *flags: str, cwd: Path) -> tuple[str, str]:
    """What a child said whose parent has nothing but the standard library and this environment."""
    said = subprocess.run(
        [getattr(sys, "_base_executable", sys.executable), *flags, "-c", PARENT],
        env={"PATH": os.environ["PATH"], **environment},
        cwd=cwd,
        capture_output=True,
        text=True,
        check=True,
    )
    output, complaints = json.loads(said.stdout)
    return output, complaints


def user_site(base: Path) -> Path:
    return Path(sysconfig.get_path("purelib", "posix_user", {"userbase": str(base)}))


def test_an_installation_in_the_users_folder_is_found(tmp_path: Path) -> None:
    install(user_site(tmp_path / ".local"))

    assert outcome({"HOME": str(tmp_path)}, cwd=tmp_path) == ("found", "")


def test_an_installation_in_the_users_folder_elsewhere_is_found(tmp_path: Path) -> None:
    install(user_site(tmp_path / "base"))

    assert outcome({"PYTHONUSERBASE": str(tmp_path / "base"), "HOME": "/"}, cwd=tmp_path) == ("found", "")


@pytest.mark.parametrize("path", ["{folder}", "target", "target:", ":/missing:{folder}"])
def test_an_installation_on_the_python_path_is_found(path: str, tmp_path: Path) -> None:
    install(tmp_path / "target")

    assert outcome({"PYTHONPATH": path.format(folder=tmp_path / "target")}, cwd=tmp_path) == ("found", "")


def test_nothing_is_found_in_the_working_directory(tmp_path: Path) -> None:
    """Though this parent found us there."""
    install(tmp_path)

    said, complaint = outcome({"HOME": "/nowhere", "PYTHONPATH": ""}, cwd=tmp_path)

    assert said == ""
    assert "No module named 'ours'" in complaint


def test_what_the_parent_was_told_not_to_look_at_the_child_does_not_look_at(tmp_path: Path) -> None:
    install(tmp_path / "target")
    theirs = user_site(tmp_path / ".local")
    (theirs / "ours").mkdir(parents=True)
    (theirs / "ours" / "child.py").write_text("print('the wrong one')")

    assert outcome({"HOME": str(tmp_path), "PYTHONPATH": "target"}, "-s", cwd=tmp_path) == ("found", "")


def test_a_child_knows_by_what_to_find_things_and_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/module/lib")
    monkeypatch.setenv("S3_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("PYTHONPATH", "")

    environment = children.environment()

    assert environment["LD_LIBRARY_PATH"] == "/opt/module/lib"
    assert set(environment) <= {*children.FOUND_BY, *children._LIBRARIES}


def test_the_object_store_of_a_users_own_installation_is_found(tmp_path: Path) -> None:
    program = Path(sysconfig.get_path("scripts", "posix_user", {"userbase": str(tmp_path / ".local")}), "rclone")
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUSERBASE"}
    found = subprocess.run(
        [sys.executable, "-c", FINDS_THE_STORE],
        env={**environment, "HOME": str(tmp_path), "PATH": "/usr/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout == f"{program}\n"
