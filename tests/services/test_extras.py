"""Installed with some of its extras or none, every command of the distribution works or names the extra it needs."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from importlib.metadata import distributions, packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from separation.machine.cache import cache_directory
from separation.models.repository import ModelRepository
from services.cli import main
from tests.separation.conftest import model_repository
from tests.separation.signals import music, write_wav

__all__ = ["model_repository"]
EXTRAS = ("cpu", "report", "services", "local", "triton")
COMMANDS = [
    ["--help"],
    ["--version"],
    *([name, "--help"] for name in sorted({*main.places} - {"client"})),
    ["separate", "song.wav", "-o", "stems", "--report"],
    ["models", "list"],
    ["models", "triton", "served", "--target", "cpu"],
    ["accounts", "grant-role", "nobody@example.com", "operator"],
    ["settings"],
    *(["run", name] for name in ("accounts", "gateway", "notifier", "orchestrator", "upload", "worker")),
    ["migrate", "nothing"],
    ["up"],
    ["demo"],
]
"""Each ends by itself: of what `run`, `up` and `demo` would start, the port is wrong."""

PROGRAM = """
import json, sys
blocked, commands = json.loads(sys.argv[1])

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker())
from click.testing import CliRunner
from services.cli import main

for command in commands:
    outcome = CliRunner().invoke(main, command, prog_name="stemwright")
    raised = None if isinstance(outcome.exception, SystemExit) else outcome.exception
    print(json.dumps([outcome.exit_code, outcome.output, raised and repr(raised)]))
"""


def needed(name: str, extras: set[str], known: Mapping[str, list[str]], found: set[str]) -> set[str]:
    """Names of the distributions that come with this one."""
    for line in known.get(name, []):
        requirement = Requirement(line)
        environments = [{"extra": extra} for extra in extras] or [{"extra": ""}]
        if requirement.marker and not any(requirement.marker.evaluate(one) for one in environments):
            continue
        other = canonicalize_name(requirement.name)
        if other not in found:
            found.add(other)
            needed(other, requirement.extras, known, found)
    return found


@cache
def installed() -> tuple[Mapping[str, list[str]], Mapping[str, list[str]]]:
    """What each distribution requires, and which of them bring each top-level module: all of their metadata is read."""
    known: dict[str, list[str]] = {
        canonicalize_name(one.metadata["Name"]): list(one.requires or []) for one in distributions()
    }
    return known, packages_distributions()


def blocked_modules(extras: set[str]) -> list[str]:
    """Top-level modules that an installation with these extras does not have."""
    known, owners_of = installed()
    there = needed("stemwright", extras, known, {"stemwright"})
    return sorted(
        module for module, owners in owners_of.items() if not there & {canonicalize_name(owner) for owner in owners}
    )


@pytest.mark.parametrize(
    "extras",
    [set(), *({extra} for extra in EXTRAS), {"services", "local"}],
    ids=lambda extras: "+".join(sorted(extras)) or "none",
)
def test_every_command_works_or_names_the_extra(
    extras: set[str], tmp_path: Path, model_repository: ModelRepository
) -> None:
    write_wav(tmp_path / "song.wav", music(1))
    told = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "STEMWRIGHT_MODEL_REPOSITORY": str(model_repository.path),
        "STEMWRIGHT_PORT": "wrong",
        "STEMWRIGHT_GATEWAY_PORT": "wrong",
        # Weights are made by code that needs no extra: with none it makes its own, 180 MB; the others take these.
        "STEMWRIGHT_CACHE": str(cache_directory() if extras else tmp_path / "cache"),
    }
    arguments = json.dumps([blocked_modules(extras), COMMANDS])
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, arguments],
        cwd=tmp_path,
        env=told,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    outcomes = dict(zip(map(" ".join, COMMANDS), map(json.loads, ran.stdout.splitlines()), strict=True))
    for command, (status, output, raised) in outcomes.items():
        assert not raised, f"stemwright {command}: {raised}"
        assert "Traceback" not in output
        if status and "which is not installed" in output:
            assert output.count("\n") == 1, command
            (named,) = output.partition("stemwright[")[2].partition("]")[::2][:1]
            assert set(named.split(",")) - extras, f"stemwright {command} asks for what is there: {output}"
    for always in ("--help", "--version", "separate --help", "models --help", "models list"):
        assert outcomes[always][0] == 0, outcomes[always]
    if "services" in extras:
        assert outcomes["settings"][0] == 0
        assert outcomes["run gateway"][0] == 78
    if "services" not in extras:
        assert "stemwright[services]" in outcomes["settings"][1]


def test_every_library_of_an_extra_is_named_in_the_distribution() -> None:
    assert {f"extra == '{extra}'" for extra in EXTRAS} <= {
        str(Requirement(line).marker).replace('"', "'").rpartition("and ")[2] for line in requires("stemwright") or []
    }
