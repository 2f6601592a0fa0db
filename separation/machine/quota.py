"""How many processors this process may keep busy."""

import os
from math import ceil
from pathlib import Path

_FILE_SYSTEM = Path("/")


def default_threads(system: Path = _FILE_SYSTEM) -> int:
    """The processors that this process may keep busy, in a container fewer than the machine has.

    As many as it may run on, or as its control groups' quotas of processor time make up, rounded up, if that is less.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota(system)
    return allowed if quota is None else max(1, min(allowed, ceil(quota)))


def _quota(system: Path) -> float | None:
    """Processors' worth of time that the control groups of this process leave it, nested ones all counted."""
    try:
        groups = (system / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
        mounts = (system / "proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
        folders = [folder for mount in mounts for group in groups for folder in _folders(mount, group)]
    except (OSError, ValueError):  # another system, or one that writes these files in a way of its own
        return None
    quotas = [_quota_of(system / folder) for folder in folders]
    return min((quota for quota in quotas if quota is not None), default=None)


def _folders(mount: str, group: str) -> list[str]:
    """The group's folders below the mount, its own and those around it; none if the mount is of another hierarchy.

    ``mount``: a line of ``mountinfo``; ``group``: of ``/proc/self/cgroup`` (proc(5), cgroups(7)).
    """
    place, _, kind = mount.partition(" - ")
    _, controllers, path = group.split(":", 2)
    _, _, _, root, point, *_ = place.split(" ")
    file_system, _, *options = kind.split(" ")
    second = file_system == "cgroup2" and not controllers
    first = file_system == "cgroup" and "cpu" in controllers.split(",") and "cpu" in ",".join(options).split(",")
    if not (first or second):
        return []
    # In a container the mount may show the group alone: then what it shows is the group.
    inner = Path(path).relative_to(root) if Path(path).is_relative_to(root) else Path()
    folder = Path(point.replace(r"\040", " ").lstrip("/"), inner)
    return [str(one) for one in (folder, *folder.parents[: len(inner.parts)])]


def _quota_of(folder: Path) -> float | None:
    """The quota of one group alone, of the second version of control groups or of the first; ``None`` for none."""
    try:
        if (folder / "cpu.max").exists():
            quota, period = (folder / "cpu.max").read_text(encoding="utf-8").split()
        else:
            quota = (folder / "cpu.cfs_quota_us").read_text(encoding="utf-8")
            period = (folder / "cpu.cfs_period_us").read_text(encoding="utf-8")
        return int(quota) / int(period) if int(quota) > 0 else None
    except (OSError, ValueError, ZeroDivisionError):  # no such file, "max", or nothing that is known
        return None
