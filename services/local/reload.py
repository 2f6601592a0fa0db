"""Restarts parts whose code has changed, while somebody works on it (`make dev`)."""

import os
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Self

import services
from services.local.plan import CANARY, service_of
from services.local.supervisor import Supervisor

CHECKOUT = Path(services.__file__).resolve().parents[1]
PACKAGES = ("separation", "services")
SUFFIXES = (".py", ".json", ".so")
EVERY_PROCESS = ("services/kit", "services/cli.py", "services/known_settings.py", "separation/machine")
WITH_THE_ENGINE = ("upload", "worker")
"""The upload service has it for the probe of songs."""
ONLY_AT_A_START = ("services/local/", "/migrations/")
"""The supervisor's own code, and what `stemwright migrate` does before the parts start."""


def code_of(part: str) -> tuple[str, ...]:
    """The folders and files that a part's process runs, below the checkout; none where the program is not ours."""
    service = service_of(part)
    if service is None:
        return ()
    engine = ("separation",) if service in WITH_THE_ENGINE else ()
    client = ("services/local/client.py",) if service == CANARY else ()
    return (f"services/{service}", *EVERY_PROCESS, *engine, *client)


class Reloader:
    """While open, looks twice a second whether code has changed, and restarts who runs it once all is written.

    Dates of files are compared (three hundred of them, a few milliseconds) rather than the kernel asked for news, which
    shared folders of virtual machines do not have. `say` is told, from this thread, what changed and what follows.
    """

    def __init__(
        self,
        supervisor: Supervisor,
        say: Callable[[str], None],
        checkout: Path = CHECKOUT,
        code: Callable[[str], tuple[str, ...]] = code_of,
        interval_seconds: float = 0.5,
    ) -> None:
        self._supervisor = supervisor
        self._say = say
        self._checkout = checkout
        self._code = code
        self._interval_seconds = interval_seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="reloader", daemon=True)
        self._known = modification_times(checkout)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        changed: set[str] = set()
        while not self._over.wait(self._interval_seconds):
            now = modification_times(self._checkout)
            fresh = {name for name, _ in now.items() ^ self._known.items()}
            self._known = now
            changed |= fresh
            if changed and not fresh:  # an editor that saves many files, or git, has come to its end
                self._restart(changed)
                changed.clear()

    def _restart(self, changed: Collection[str]) -> None:
        for name in sorted(name for name in changed if any(part in name for part in ONLY_AT_A_START)):
            self._say(f"{name} changed, which only a new start heeds.")
        running = {name for name in changed if not any(part in name for part in ONLY_AT_A_START)}
        names = [status.name for status in self._supervisor.statuses()]
        stale = [name for name in names if any(belongs_to(path, self._code(name)) for path in running)]
        if stale:
            self._say(f"{', '.join(sorted(running))} changed: restarting {', '.join(stale)}")
        for name in stale:
            self._supervisor.restart(name)


def belongs_to(path: str, places: Collection[str]) -> bool:
    return any(path == place or path.startswith(f"{place}/") for place in places)


def modification_times(checkout: Path) -> dict[str, int]:
    """When each file of code was last written, in nanoseconds, by its path below the checkout."""
    written = {}
    for package in PACKAGES:
        for entry in code_files(checkout / package):
            if entry.name.endswith(SUFFIXES):
                with suppress(FileNotFoundError):  # it has just gone
                    written[os.path.relpath(entry.path, checkout)] = entry.stat().st_mtime_ns
    return written


def code_files(folder: Path | str) -> Iterator["os.DirEntry[str]"]:
    """All files at any depth, but hidden ones and caches."""
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith((".", "__pycache__")):
                continue
            if entry.is_dir():
                yield from code_files(entry.path)
            else:
                yield entry
