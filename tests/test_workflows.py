"""What runs elsewhere is what a person runs here, on the Pythons that we say, by actions that nobody can exchange."""

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PREFIX = "Programming Language :: Python :: 3."
PYTHONS = [name.removeprefix("Programming Language :: Python :: ") for name in PROJECT["classifiers"] if PREFIX in name]


def parsed(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(path.read_text())
    return content


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in parsed(path)["jobs"].values() for step in job["steps"]]


def ci() -> Path:
    return ROOT / ".github" / "workflows" / "ci.yml"


def test_the_tests_are_the_two_commands_of_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    first = re.findall(r"^    (make \w+)", readme, re.MULTILINE)[:2]
    assert [step["run"] for step in parsed(ci())["jobs"]["test"]["steps"] if "run" in step] == first


def test_they_run_on_the_oldest_and_the_newest_python() -> None:
    job = parsed(ci())["jobs"]["test"]
    assert job["strategy"]["matrix"]["python"] == [PYTHONS[0], PYTHONS[-1]]
    assert job["env"] == {"PYTHON": "python${{ matrix.python }}"}  # make would take the oldest that the runner has


def test_the_pythons_are_those_that_the_project_the_start_and_the_readme_name() -> None:
    assert PROJECT["requires-python"] == f">={PYTHONS[0]}"
    started = re.search(
        r"^ +set -- (python3.*) python3$", (ROOT / "requirements/environment.sh").read_text(), re.MULTILINE
    )
    assert started is not None
    assert started[1].split() == [f"python{version}" for version in PYTHONS]
    assert f"| Python | {', '.join(PYTHONS)} |" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_by_commit_and_say_their_release(path: Path) -> None:
    used = re.findall(r"uses: (.*)$", path.read_text(), re.MULTILINE)
    assert used
    assert [use for use in used if not re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", use)] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_rights_are_the_least_and_no_job_runs_for_ever(path: Path) -> None:
    workflow = parsed(path)
    assert workflow["permissions"] == {"contents": "read"}
    assert "concurrency" in workflow
    assert all("timeout-minutes" in job for job in workflow["jobs"].values())
    wider = {name for name, job in workflow["jobs"].items() if "permissions" in job}
    assert wider <= {"draft"}
    kept = [step["with"]["persist-credentials"] for step in steps(path) if "actions/checkout" in step.get("uses", "")]
    assert set(kept) == {False}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_make_has_the_targets_that_workflows_ask_for(path: Path) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    asked = re.findall(r"run: make ([\w-]+)", path.read_text())
    assert asked
    assert set(asked) <= targets


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_what_workflows_run_is_shell_and_names_what_is_there(path: Path) -> None:
    named = set()
    for step in steps(path):
        # Expressions are replaced before a shell sees them.
        line = re.sub(r"\$\{\{.*?\}\}", "expression", step.get("run", ""))
        subprocess.run(["sh", "-n"], input=line, text=True, check=True)
        named |= set(re.findall(r"(?<![\w/])((?:tests|deploy|requirements|services|bench|docs)/[\w./-]+)", line))
    named |= set(re.findall(r"hashFiles\('([\w/]+)/\*'", path.read_text()))
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_editors_are_told_what_ruff_asks_for() -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["line-length"]
    sections = (ROOT / ".editorconfig").read_text().split("\n[")
    assert f"max_line_length = {wanted}" in next(text for text in sections if text.startswith("*]"))
    assert "indent_style = tab" in next(text for text in sections if text.startswith("Makefile]"))
