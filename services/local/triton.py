"""Triton Inference Server on one machine: the real server, from a wheel, in an environment of its own.

`python -m services.local.triton` installs it, once per content of `requirements/triton.lock`, into the cache folder
(`STEMWRIGHT_CACHE`), and prints where. Its Python backend is the only one in the wheel, so the network is run by
`services/worker/inference/triton/server/python_model.py`; production has NVIDIA's image with the ONNX Runtime backend.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from separation.machine.cache import cache_directory
from services.local.errors import LocalError, NoPythonForTriton
from services.local.part import Part
from services.local.probes import HttpProbe
from services.local.sockets import LOOPBACK

TRITON = "triton"
LOCK = Path(__file__).resolve().parents[2] / "requirements" / "triton.lock"
INSTALL = "make triton"

_NEWEST_WITH_NUMPY_1 = (3, 12)
_KEPT_FOR_THE_WORKER = "shared-memory,model-repository,trace,logging"
_ALL_BUT_HEALTH = "metadata,inference,shared-memory,model-config,model-repository,statistics,trace,logging"
_RESTRICTED = "stemwright"
_BASH = '#!/bin/sh\nexec /bin/sh "$@"\n'
"""The backend starts its stub by `bash -c "exec ..."`, which any shell understands; without a bash it hangs."""
_SHORTEST_PING_MILLISECONDS = 5000
"""A client that sends keepalive pings more often than this is cut off; ours sends one in ten seconds."""


def environment_folder() -> Path:
    """Where the server of the present lock is, or would be.

    Raises:
        LocalError: there is no lock, as in an installed distribution.
        NoPythonForTriton: neither this Python nor another one on the PATH can be embedded.
    """
    if not LOCK.exists():
        raise LocalError("Triton is installed from a checkout of Stemwright: there is no requirements/triton.lock here")
    python = _embedded()  # environments of one Python, as those of two checkouts, share what was installed
    key = hashlib.sha256(LOCK.read_bytes() + repr((python.version, python.libraries, _BASH)).encode())
    return cache_directory() / "triton" / key.hexdigest()[:16]


@dataclass(frozen=True)
class _Python:
    """An interpreter that the backend can embed."""

    executable: str
    version: str
    libraries: str


@cache
def _embedded() -> _Python:
    """This Python, or where it is too new the newest other one on the PATH that is not."""
    if sys.version_info[:2] <= _NEWEST_WITH_NUMPY_1:
        libraries = str(sysconfig.get_config_var("LIBDIR") or "")
        return _Python(sys.executable, sysconfig.get_python_version(), libraries)
    tell = "import pip, sysconfig; print(sysconfig.get_config_var('LIBDIR') or '')"
    for minor in range(_NEWEST_WITH_NUMPY_1[1], 10, -1):
        if executable := shutil.which(f"python3.{minor}"):
            told = subprocess.run((executable, "-c", tell), capture_output=True, text=True, check=False)
            if told.returncode == 0:  # the name may belong to a manager of Pythons that has none of this version
                return _Python(executable, f"3.{minor}", told.stdout.strip())
    raise NoPythonForTriton("Triton's backend embeds Python 3.12 or 3.11: one of them with pip has to be on the PATH")


def install() -> Path:
    """The server's folder, installed now where it is not there yet. Blocks, 15 s with the wheels at hand.

    Raises:
        LocalError: pip could not install it, or it does not start on this machine.
        NoPythonForTriton: neither this Python nor another one on the PATH can be embedded.
    """
    target = environment_folder()
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test processes may arrive here at once
        if target.exists():
            return target
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".installing-") as scratch:
            made = Path(scratch, "made")
            site = made / "site"
            command = (_embedded().executable, "-P", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
            # From wheels or not at all: without one for this Python pip would compile NumPy for many minutes.
            wanted = ("--only-binary", ":all:", "--no-deps", "--require-hashes", "--target", str(site), "-r", str(LOCK))
            ended = subprocess.run((*command, *wanted), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
            if ended.returncode:
                raise LocalError(f"Triton could not be installed: {ended.stdout.decode(errors='replace').strip()}")
            _put_backend(site, made / "backends" / "python")
            _put_bash(made / "programs")
            _check_that_it_runs(made)
            made.rename(target)
    return target


def installed() -> Path:
    """The server's folder.

    Raises:
        LocalError: it is not installed.
    """
    folder = environment_folder()
    if not folder.exists():
        raise LocalError(f"Triton is not installed: {INSTALL}")
    return folder


def _put_backend(site: Path, folder: Path) -> None:
    """Its Python backend as the server wants it: with the stub that embeds our choice of Python."""
    server = site / "pytriton" / "tritonserver"
    stub = server / "python_backend_stubs" / _embedded().version / "triton_python_backend_stub"
    if not stub.exists():
        raise LocalError(f"Triton's wheel has no backend for Python {_embedded().version}")
    shutil.copytree(server / "backends" / "python", folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(stub, folder)
    for program in (folder / stub.name, server / "bin" / "tritonserver"):
        program.chmod(0o755)


def _put_bash(folder: Path) -> None:
    folder.mkdir()
    bash = folder / "bash"
    bash.write_text(_BASH)
    bash.chmod(0o755)


def _check_that_it_runs(folder: Path) -> None:
    stub = folder / "backends" / "python" / "triton_python_backend_stub"
    # Told so, the loader lists what a program needs in place of running it, as `ldd` has it do (ld.so(8)).
    environment = {**os.environ, **server_environment(folder), "LD_TRACE_LOADED_OBJECTS": "1"}
    missing: list[str] = []
    for program in (stub, server_program(folder)):
        needs = subprocess.run((program,), env=environment, capture_output=True, check=False)
        missing += [line.split()[0] for line in needs.stdout.decode().splitlines() if line.endswith("not found")]
    if missing:
        raise LocalError(f"Triton does not start here without {', '.join(missing)}")


def server_program(folder: Path) -> Path:
    return folder / "site" / "pytriton" / "tritonserver" / "bin" / "tritonserver"


def server_environment(folder: Path) -> dict[str, str]:
    """What the server has to be told besides its arguments."""
    site = folder / "site"
    libraries = [str(site / "nvidia_pytriton.libs"), _embedded().libraries]
    return {
        "LD_LIBRARY_PATH": os.pathsep.join(filter(None, libraries)),
        "PATH": os.pathsep.join((os.environ.get("PATH", os.defpath), str(folder / "programs"))),
        "PYTHONPATH": str(site),
    }


def server_arguments(
    folder: Path, models: Path, *, grpc_port: int, http_port: int, key: str, address: str = LOOPBACK
) -> tuple[str, ...]:
    """The command that serves every model in `models` until it is ended, and loads no other.

    Over HTTP it tells its health and nothing else. Over gRPC, memory and repository are for the holder of `key`.
    """
    prefix = memory_prefix(grpc_port)
    return (
        # Between server and backend lie 15 MB of shared memory, which a server that was killed leaves behind.
        *("/bin/sh", "-c", 'rm -f "$0"*; exec "$@"', f"/dev/shm/{prefix}"),  # noqa: S108
        str(server_program(folder)),
        *("--model-repository", str(models), "--backend-directory", str(folder / "backends")),
        *("--model-control-mode", "none", "--exit-timeout-secs", "5"),
        f"--backend-config=python,shm-region-prefix-name={prefix}",
        *("--grpc-address", address, "--grpc-port", str(grpc_port)),
        *("--http-address", address, "--http-port", str(http_port), "--http-thread-count", "2"),
        *("--allow-metrics", "false"),
        f"--grpc-restricted-protocol={_KEPT_FOR_THE_WORKER}:{_RESTRICTED}={key}",
        f"--http-restricted-api={_ALL_BUT_HEALTH}:{_RESTRICTED}={key}",
        *("--grpc-keepalive-permit-without-calls", "1"),
        *("--grpc-http2-min-recv-ping-interval-without-data", str(_SHORTEST_PING_MILLISECONDS)),
    )


def memory_prefix(grpc_port: int) -> str:
    """How the names of a server's shared memory begin."""
    return f"stemwright_triton_{grpc_port}_"


def triton_part(
    models: Path,
    *,
    grpc_port: int,
    http_port: int,
    key: str,
    environment: Mapping[str, str],
    needs: tuple[str, ...],
    stop_stage: int,
) -> Part:
    """The server over the folder `models`, which `needs` have laid out.

    Raises:
        LocalError: it is not installed.
    """
    folder = installed()
    url = f"http://{LOOPBACK}:{http_port}"
    return Part(
        name=TRITON,
        command=server_arguments(folder, models, grpc_port=grpc_port, http_port=http_port, key=key),
        environment={**environment, **server_environment(folder)},
        address=f"{LOOPBACK}:{grpc_port}",
        ready=HttpProbe(f"{url}/v2/health/ready"),
        alive=HttpProbe(f"{url}/v2/health/live"),
        needs=needs,
        stop_stage=stop_stage,
    )


def main() -> None:
    """Installs the server and says where."""
    try:
        print(install())  # noqa: T201 - what it is for
    except LocalError as error:
        print(f"stemwright: {error}", file=sys.stderr)  # noqa: T201
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
