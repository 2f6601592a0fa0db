"""Installs what `pip install` would, by uv, into the environment whose Python runs this: install.py ARGUMENTS...

uv takes a fifth of pip's time and compiles nothing ahead. It is told of the registry that pip is set to use, and where
it gives up pip does the work: what installs with pip goes on installing.
"""

import ast
import csv
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")
INSTALLER = Path(__file__).with_name("installer.lock")
OF_PIP = ("global", "install", ":env:")
"""Where pip's settings stand, the strongest last."""
DETOURS = frozenset(
    f"{of}_{name}"
    for of in ("PIP", "UV")
    for name in (
        *("TARGET", "PREFIX", "ROOT", "PYTHON", "SYSTEM_PYTHON", "DRY_RUN", "REPORT", "REQUIREMENT", "EDITABLE"),
        *("CONSTRAINT", "OVERRIDE", "EXCLUDE", "EXCLUDE_NEWER", "NO_DEPS", "PRE", "PRERELEASE", "RESOLUTION"),
        *("REQUIRE_HASHES", "NO_BUILD_ISOLATION", "UPGRADE"),
    )
)
"""Variables that somebody has set for installations of his own."""


def settings_of_pip(listed: str) -> dict[str, str]:
    """Of the lines of `pip config list`, such as ``global.index-url='https://...'``: the strongest of each name."""
    found: dict[str, str] = {}
    lines = [line.partition("=") for line in listed.splitlines()]
    for section in OF_PIP:
        for name, _, value in lines:
            if name.startswith(f"{section}."):
                found[name.removeprefix(f"{section}.")] = str(ast.literal_eval(value))
    return found


def settings_of_uv(pip: Mapping[str, str]) -> dict[str, str]:
    """The same registry, certificate and patience, as uv's variables."""
    # As pip has it, a folder of wheels that is not there is none.
    folders = [place for place in pip.get("find-links", "").split() if "://" in place or Path(place).is_dir()]
    told = {
        "UV_DEFAULT_INDEX": pip.get("index-url", ""),
        "UV_INDEX": " ".join(pip.get("extra-index-url", "").split()),
        "UV_FIND_LINKS": ",".join(folders),
        "UV_INSECURE_HOST": " ".join(pip.get("trusted-host", "").split()),
        "UV_NO_INDEX": "true" if pip.get("no-index", "").lower() in ("1", "true", "yes", "on") else "",
        "UV_HTTP_TIMEOUT": pip.get("default-timeout") or pip.get("timeout") or "",
        "SSL_CERT_FILE": pip.get("cert", ""),
        "ALL_PROXY": pip.get("proxy", ""),
    }
    # pip takes the best of all registries; uv would take the first that has the name.
    return {"UV_INDEX_STRATEGY": "unsafe-best-match"} | {name: value for name, value in told.items() if value}


def without_detours(environment: Mapping[str, str]) -> dict[str, str]:
    """The same without what would have something else installed than was asked for, or elsewhere."""
    kept = {name: value for name, value in environment.items() if name not in DETOURS}
    return kept | {"PIP_USER": "0"}  # its file of settings may say so, too


def is_whole(package: Path) -> bool:
    """Whether all is there that a package's `RECORD` lists, and not empty; `package`: its `.dist-info`.

    Files of another size are not asked about: companies add their certificates to those of a package.
    """
    try:
        with (package / "RECORD").open(newline="", encoding="utf-8") as record:
            listed = [(package.parent / file, size) for file, _, size in csv.reader(record)]
        # Of what is made after the installation, as bytecode is, no size is listed.
        return bool(listed) and all(file.stat().st_size for file, size in listed if size.strip("0"))
    except (OSError, ValueError):
        return False


def forget_halves(packages: Path) -> None:
    """Takes for not installed what an installation that was broken off has half installed: uv and pip look no further
    than whether there is a `.dist-info`."""
    for package in packages.glob("*.dist-info"):
        # What leads to a checkout is installed anew each time, and its files are those of the checkout.
        if not (package / "direct_url.json").exists() and not is_whole(package):
            shutil.rmtree(package)


def uv_is_there() -> bool:
    """Whether the environment has the uv of the lock already: pip takes two seconds to find that out."""
    try:
        return f"uv=={version('uv')}" in INSTALLER.read_text(encoding="utf-8").split()
    except PackageNotFoundError:
        return False


def by_uv(arguments: list[str]) -> bool:
    """Whether uv could do it."""
    by_hash = (*PIP, "install", "--quiet", "--require-hashes", "-r", INSTALLER)
    if not uv_is_there() and subprocess.run(by_hash, check=False).returncode:
        return False
    listed = subprocess.run((*PIP, "config", "list"), stdout=subprocess.PIPE, text=True, check=False).stdout
    environment = os.environ | settings_of_uv(settings_of_pip(listed))
    command = (sys.executable, "-m", "uv", "--quiet", "pip", "install", "--python", sys.executable, *arguments)
    return not subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    told = without_detours(os.environ)
    os.environ.clear()
    os.environ.update(told)
    forget_halves(Path(sysconfig.get_path("purelib")))
    if not by_uv(sys.argv[1:]):
        sys.stderr.write("uv could not install it; pip tries ...\n")
        sys.stderr.flush()
        sys.exit(subprocess.run((*PIP, "install", "--quiet", *sys.argv[1:]), check=False).returncode)
