"""Which services run on this machine, or in this pod: what the others need is told to them, and not here."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from services.local.part import Status
from services.local.plan import service_of
from services.local.settings import LocalSettings

PROCESSES = Path("/proc")
PROGRAMS = ("stemwright", "services.cli")


def services_here(known: Sequence[str], processes: Path = PROCESSES) -> list[str]:
    """Those of the `known` services that a process here is (`stemwright run SERVICE`). Empty where none is, and where
    the system shows no processes. Parts of a `stemwright up` are of its home, and not meant."""
    found = set()
    for file in processes.glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended
            service = _service_in(file.read_bytes().decode(errors="replace").rstrip("\0").split("\0"))
            if service and not _is_part(file.with_name("environ")):
                found.add(service)
    return [service for service in known if service in found]


def _service_in(words: Sequence[str]) -> str:
    is_ours = len(words) > 2 and words[-2] == "run" and any(Path(word).name in PROGRAMS for word in words[:-2])
    return words[-1] if is_ours else ""


def _is_part(environment: Path) -> bool:
    """Whether it has its listening socket from a supervisor of ours; another person's process is taken for none."""
    try:
        return any(variable.startswith(b"LISTEN_FD=") for variable in environment.read_bytes().split(b"\0"))
    except OSError:
        return False


def services_of(parts: Iterable[Status], known: Sequence[str]) -> list[str]:
    """Those of the `known` services that a platform on one machine has parts of; all where it does not say."""
    found = {service_of(part.name) for part in parts}
    return [service for service in known if service in found] or list(known)


def services_of_home(known: Sequence[str]) -> list[str]:
    """Those that `stemwright up` would start with the settings at hand, which it takes."""
    return [service for service in known if service != "worker" or LocalSettings().workers]
