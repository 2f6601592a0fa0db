"""How many processors this process may keep busy, by files as Linux writes them."""

import os
from pathlib import Path

import pytest

from separation.machine.quota import default_threads

SECOND = "0::{path}\n"
SECOND_MOUNT = "30 23 0:26 {root} /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
FIRST = "4:memory:/elsewhere\n2:cpu,cpuacct:{path}\n1:name=systemd:/\n"
FIRST_MOUNT = (
    "31 23 0:27 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755\n"
    "32 31 0:28 {root} /sys/fs/cgroup/cpu,cpuacct rw,relatime master:9 - cgroup cgroup rw,cpu,cpuacct\n"
    "33 31 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
)


@pytest.fixture(autouse=True)
def _eight_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


def system(folder: Path, groups: str, mounts: str, files: dict[str, str]) -> Path:
    for name, text in {"proc/self/cgroup": groups, "proc/self/mountinfo": mounts, **files}.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


@pytest.mark.parametrize(
    ("quota", "threads"),
    [
        ("max 100000", 8),
        ("200000 100000", 2),
        ("150000 100000", 2),  # time for one and a half is more than one thread can use
        ("20000 100000", 1),
        ("50000 20000", 3),
        ("1600000 100000", 8),
        ("nonsense", 8),
    ],
)
def test_threads_follow_the_quota_of_the_group(quota: str, threads: int, tmp_path: Path) -> None:
    files = {"sys/fs/cgroup/cpu.max": f"{quota}\n"}
    assert default_threads(system(tmp_path, SECOND.format(path="/"), SECOND_MOUNT.format(root="/"), files)) == threads


@pytest.mark.parametrize(
    ("outer", "middle", "inner", "threads"),
    [
        ("max", "max", "max", 8),
        ("300000", "max", "max", 3),
        ("max", "200000", "500000", 2),
        ("max", "max", "100000", 1),
    ],
)
def test_the_smallest_quota_on_the_way_counts(
    outer: str, middle: str, inner: str, threads: int, tmp_path: Path
) -> None:
    folders = {"": outer, "a.slice/": middle, "a.slice/b.service/": inner, "another/": "100000"}
    files = {f"sys/fs/cgroup/{folder}cpu.max": f"{quota} 100000\n" for folder, quota in folders.items()}
    groups = SECOND.format(path="/a.slice/b.service")
    assert default_threads(system(tmp_path, groups, SECOND_MOUNT.format(root="/"), files)) == threads


def test_a_group_without_the_controller_has_the_quota_of_those_around_it(tmp_path: Path) -> None:
    files = {"sys/fs/cgroup/a/cpu.max": "100000 100000\n"}
    groups = SECOND.format(path="/a/b/c")
    assert default_threads(system(tmp_path, groups, SECOND_MOUNT.format(root="/"), files)) == 1


@pytest.mark.parametrize("root", ["/docker/1f", "/"])
def test_the_first_version_of_control_groups_counts_too(root: str, tmp_path: Path) -> None:
    """With ``/docker/1f`` as the mount's root: in a container that does not see where its group lies."""
    below = "" if root == "/docker/1f" else "docker/1f/"
    files = {
        f"sys/fs/cgroup/cpu,cpuacct/{below}cpu.cfs_quota_us": "250000\n",
        f"sys/fs/cgroup/cpu,cpuacct/{below}cpu.cfs_period_us": "100000\n",
    }
    groups = FIRST.format(path="/docker/1f")
    assert default_threads(system(tmp_path, groups, FIRST_MOUNT.format(root=root), files)) == 3


def test_no_quota_of_the_first_version_is_none(tmp_path: Path) -> None:
    files = {
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
    }
    assert default_threads(system(tmp_path, FIRST.format(path="/"), FIRST_MOUNT.format(root="/"), files)) == 8


@pytest.mark.parametrize(
    ("groups", "mounts"), [("", ""), ("odd", SECOND_MOUNT), ("0::/", "odd - odd"), ("0::/", "odd")]
)
def test_what_is_not_understood_bounds_nothing(groups: str, mounts: str, tmp_path: Path) -> None:
    assert default_threads(system(tmp_path, groups, mounts, {"sys/fs/cgroup/cpu.max": "max"})) == 8


def test_without_control_groups_the_processors_that_the_process_may_run_on_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert default_threads(tmp_path) == 8
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3})
    files = {"sys/fs/cgroup/cpu.max": "400000 100000\n"}
    assert default_threads(system(tmp_path, SECOND.format(path="/"), SECOND_MOUNT.format(root="/"), files)) == 1
