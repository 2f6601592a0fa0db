"""The programs of a Kubernetes control plane, built here from the Go module proxy, once, into the cache folder.

Kubernetes publishes its programs as containers and archives; their sources are Go modules, served by the proxy as any
other. The first build takes ten to twenty minutes on two processors; `python -m tests.cluster.programs` does it alone.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from separation.machine.cache import cache_directory

KUBERNETES, ETCD, KWOK, KEDA = "1.35.4", "3.6.13", "0.7.0", "2.21.0"
STAGING = KUBERNETES.replace("1.", "0.", 1)
CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
VERSION = "k8s.io/component-base/version"
FLAGS = (
    f"-s -w -X {VERSION}.gitVersion=v{KUBERNETES} -X {VERSION}.gitMajor={KUBERNETES.split('.', maxsplit=1)[0]} "
    f"-X {VERSION}.gitMinor={KUBERNETES.split('.')[1]}"
)
"""Without a version `kubectl version` and charts' `kubeVersion` fail."""
ENVIRONMENT = {"GOFLAGS": f"{os.environ.get('GOFLAGS', '')} -buildvcs=false -trimpath".strip()}


def folder() -> Path:
    """Where the programs of these versions are, built now where they are not. Raises CalledProcessError."""
    key = hashlib.sha256(repr((KUBERNETES, ETCD, KWOK, FLAGS)).encode()).hexdigest()[:16]
    return _built(key, build)


def keda_folder() -> Path:
    """Where KEDA's operator and its adapter are, likewise."""
    return _built(f"keda-{KEDA}", build_keda)


def _built(key: str, build: Callable[[Path], None]) -> Path:
    made = cache_directory() / "cluster" / key
    if made.exists():
        return made
    made.parent.mkdir(parents=True, exist_ok=True)
    with (made.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            work = made.with_name(f"{key}.building")  # kept when it fails: Go goes on where it was
            build(work)
            (work / "bin").rename(made)
            shutil.rmtree(work)
    return made


def build(work: Path) -> None:
    """Into `work/bin`."""
    (work / "bin").mkdir(parents=True, exist_ok=True)
    build_etcd(work)
    go("install", f"sigs.k8s.io/kwok/cmd/kwok@v{KWOK}", folder=work, GOBIN=str(work / "bin"))
    build_kubernetes(work)


def build_etcd(work: Path) -> None:
    module = work / "etcd"
    module.mkdir(exist_ok=True)
    entry = 'import (\n\t"os"\n\n\t"go.etcd.io/etcd/server/v3/etcdmain"\n)\n\nfunc main() { etcdmain.Main(os.Args) }\n'
    (module / "main.go").write_text(f"package main\n\n{entry}")
    (module / "go.mod").write_text(f"module etcd\n\ngo 1.25\n\nrequire go.etcd.io/etcd/server/v3 v{ETCD}\n")
    go("mod", "tidy", folder=module)
    go("build", "-o", str(work / "bin" / "etcd"), ".", folder=module)


def build_kubernetes(work: Path) -> None:
    """Its go.mod replaces its staging modules by folders, which the proxy does not serve: by their releases here."""
    module = work / "kubernetes"
    module.mkdir(exist_ok=True)
    source = downloaded(f"k8s.io/kubernetes@v{KUBERNETES}")
    staged = re.findall(r"^\s*(k8s\.io/[a-z0-9-]+) => \./staging/", (source / "go.mod").read_text(), re.MULTILINE)
    replaced = "".join(f"replace {name} => {name} v{STAGING}\n" for name in staged)
    (module / "go.mod").write_text(
        f"module rehearsal\n\ngo 1.25\n\nrequire k8s.io/kubernetes v{KUBERNETES}\n\n{replaced}"
    )
    imports = "".join(f'\t_ "k8s.io/kubernetes/cmd/{name}/app"\n' for name in CONTROL_PLANE)
    (module / "programs.go").write_text(f"package rehearsal\n\nimport (\n{imports})\n")
    go("mod", "tidy", folder=module)
    for name in CONTROL_PLANE:
        output = str(work / "bin" / name)
        go("build", "-ldflags", FLAGS, "-o", output, f"k8s.io/kubernetes/cmd/{name}", folder=module)


def build_keda(work: Path) -> None:
    """From a copy of its source: what replaces its dependencies is said in its own go.mod, which holds there alone."""
    source = work / "source"
    if not source.exists():
        copying = work / "copying"
        shutil.copytree(downloaded(f"github.com/kedacore/keda/v2@v{KEDA}"), copying, dirs_exist_ok=True)
        for path in (copying, *copying.rglob("*")):
            path.chmod(path.stat().st_mode | 0o200)
        copying.rename(source)
    (work / "bin").mkdir(exist_ok=True)
    go("build", "-ldflags", "-s -w", "-o", f"{work / 'bin'}/", "./cmd/operator", "./cmd/adapter", folder=source)


def downloaded(module: str) -> Path:
    """The source of a Go module."""
    told: dict[str, Any] = json.loads(go("mod", "download", "-json", module, folder=Path("/")))
    return Path(told["Dir"])


def go(*arguments: str, folder: Path, **environment: str) -> str:
    """Runs Go and gives what it says."""
    told = {**os.environ, **ENVIRONMENT, **environment}
    ended = subprocess.run(("go", *arguments), cwd=folder, env=told, check=True, stdout=subprocess.PIPE, text=True)
    return ended.stdout


def main() -> None:
    """Builds them and says where."""
    print(folder())


if __name__ == "__main__":
    main()
