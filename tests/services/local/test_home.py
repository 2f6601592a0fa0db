import errno
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.local.errors import HomeInUse, HomeUnusable
from services.local.home import Home, write_private
from services.local.infrastructure import store_part
from services.local.logs import PartLog
from services.local.part_runner import LAUNCH
from services.local.platform import Platform
from services.local.settings import LocalSettings


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.make()
    return home


def test_a_home_is_held_by_one_supervisor_at_a_time(home: Home) -> None:
    hold = "import sys; from pathlib import Path; from services.local.home import Home; Home(Path(sys.argv[1])).{}"
    with home.locked(), pytest.raises(HomeInUse, match="is in use by another"), Home(home.root).locked():
        pass
    with home.locked():
        other = subprocess.run(
            [sys.executable, "-c", hold.format("locked().__enter__()"), str(home.root)],
            capture_output=True,
            check=False,
        )
    assert b"HomeInUse" in other.stderr


@pytest.mark.parametrize("taken", ["home", "home/objects", "home/secrets"])
def test_a_home_that_cannot_be_made_says_so_in_one_line(tmp_path: Path, taken: str) -> None:
    path = tmp_path / taken
    path.parent.mkdir(exist_ok=True)
    path.touch()
    environment = {**os.environ, "STEMWRIGHT_HOME": str(tmp_path / "home")}
    up = subprocess.run(
        [sys.executable, "-m", "services.cli", "up"],
        cwd=Path(__file__).parents[3],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert up.returncode == 1
    assert up.stderr.splitlines()[0].startswith(f"stemwright: {tmp_path}/home cannot be used: ")
    assert len(up.stderr.splitlines()) == 1


def test_a_home_on_a_read_only_disk_is_unusable(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "touch", refuse)  # the tests may run as root, whom permissions do not stop
    with pytest.raises(HomeUnusable, match="Read-only file system; set STEMWRIGHT_HOME"):
        home.make()


def test_a_home_on_a_full_disk_says_so_at_whatever_it_writes(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    make = Path.mkdir

    def refuse(path: Path, mode: int = 0o777, *, exist_ok: bool = False) -> None:
        if path.name == "tmp":
            raise OSError(errno.ENOSPC, "No space left on device")
        make(path, mode, exist_ok=exist_ok)

    monkeypatch.setattr(Path, "mkdir", refuse)
    platform = Platform(LocalSettings(home=home.root))
    with pytest.raises(HomeUnusable, match="No space left on device; make room there, or set STEMWRIGHT_HOME"):
        platform.__enter__()
    assert home.holder() is None


def test_a_home_is_free_again_after_its_holder_is_gone(home: Home) -> None:
    for _ in range(2):
        with home.locked():
            pass


def test_two_homes_are_held_side_by_side(home: Home, tmp_path: Path) -> None:
    other = Home(tmp_path / "other")
    other.make()
    with home.locked(), other.locked():
        pass


def test_secrets_are_made_once_and_readable_by_their_owner_only(home: Home) -> None:
    keys, signing_key = home.store_keys(), home.signing_key().read_bytes()
    again = Home(home.root)
    assert (again.store_keys(), again.signing_key().read_bytes()) == (keys, signing_key)
    assert stat.S_IMODE(home.secrets.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in home.secrets.iterdir()} == {0o600}


def test_two_homes_have_different_secrets(home: Home, tmp_path: Path) -> None:
    other = Home(tmp_path / "other")
    other.make()
    assert other.store_keys() != home.store_keys()
    assert other.signing_key().read_bytes() != home.signing_key().read_bytes()


def test_state_and_ports_are_what_was_last_written(home: Home) -> None:
    assert home.read_state() is None
    assert home.remembered_ports() == {}
    home.write_state({"gateway_url": "http://127.0.0.1:1"})
    home.remember_ports({"broker": 20_001})
    assert home.read_state() == {"gateway_url": "http://127.0.0.1:1"}
    assert home.remembered_ports() == {"broker": 20_001}
    home.forget_state()
    assert home.read_state() is None


@pytest.mark.parametrize(
    "content", ["", "[]", "null", '{"broker"', '{"broker": "x"}', '{"broker": 99999}', '{"broker": true}', "\xff"]
)
def test_ports_that_cannot_be_read_are_taken_anew(home: Home, content: str) -> None:
    (home.run / "ports.json").write_text(content, encoding="latin-1")
    assert home.remembered_ports() == {}


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"access_key_id": "x"}', '{"access_key_id": 3}'])
def test_keys_of_the_store_that_are_damaged_are_made_anew(home: Home, content: str) -> None:
    (home.secrets / "object-store.json").write_text(content)
    keys = home.store_keys()
    assert keys.access_key_id
    assert Home(home.root).store_keys() == keys


def test_keys_are_on_the_disk_before_anything_rests_on_them(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a cut of the power leaves empty files under their names."""
    done = list[tuple[str, str]]()
    sync, replace = os.fsync, Path.replace

    def fsync(descriptor: int) -> None:
        done.append(("synced", Path(f"/proc/self/fd/{descriptor}").readlink().name))
        sync(descriptor)

    def renamed(path: Path, target: Path) -> Path:
        done.append(("renamed", path.name))
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", renamed)
    for make in (home.store_keys, home.signing_key, home.sealing_key, home.triton_key):
        done.clear()
        make()
        draft = done[0][1]
        assert done == [("synced", draft), ("renamed", draft), ("synced", "secrets")]


def test_an_empty_key_that_a_cut_of_the_power_left_is_made_anew(home: Home) -> None:
    for name in ("accounts-signing-key.pem", "notifier-sealing-key", "triton-key"):
        (home.secrets / name).touch()
    assert b"PRIVATE KEY" in home.signing_key().read_bytes()
    assert len(home.sealing_key()) == 48
    assert len(home.triton_key()) == 40


def test_writing_leaves_nothing_but_the_file(tmp_path: Path) -> None:
    write_private(tmp_path / "file", b"one")
    write_private(tmp_path / "file", b"two")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"two"]


@pytest.fixture(params=[0o000, 0o022, 0o077, 0o777], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def modes(root: Path) -> set[tuple[str, str]]:
    """Kind and mode of everything below a folder, itself included."""
    found = [root, *root.rglob("*")]
    return {("folder" if path.is_dir() else "file", oct(stat.S_IMODE(path.stat().st_mode))) for path in found}


ALONE = {("folder", "0o700"), ("file", "0o600")}


@pytest.mark.usefixtures("umask")
def test_whatever_the_umask_a_home_is_its_owners_alone(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.make()
    home.empty_temporary()
    home.store_keys()
    home.signing_key()
    home.write_state({})
    home.remember_ports({})
    store_part(1, home, "bucket", "http://127.0.0.1:8080")
    log = PartLog(home.logs / "part.log", bytes_per_file=10)
    log.write(b"a line\n")
    log.write(b"another line\n")
    log.close()
    with home.locked():
        pass

    assert modes(home.root) == ALONE


@pytest.mark.usefixtures("umask")
def test_what_a_part_writes_is_its_owners_alone(tmp_path: Path) -> None:
    write = "import pathlib; pathlib.Path('folder').mkdir(); pathlib.Path('folder/database').touch()"
    command = (sys.executable, "-I", "-S", LAUNCH, str(os.getpid()), sys.executable, "-c", write)
    subprocess.run(command, cwd=tmp_path, check=True)

    assert modes(tmp_path / "folder") == ALONE


def test_a_home_that_was_open_to_others_is_closed(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    (home.objects / "bucket" / "sources").mkdir(parents=True)
    (home.objects / "bucket" / "sources" / "song").touch()
    home.data.mkdir()
    (home.data / "accounts.db").touch()
    (tmp_path / "elsewhere").touch()
    (home.data / "link").symlink_to(tmp_path / "elsewhere")
    for path in (tmp_path / "elsewhere", home.root, *home.root.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)

    home.make()
    (home.data / "link").unlink()

    assert modes(home.root) == ALONE
    assert stat.S_IMODE((tmp_path / "elsewhere").stat().st_mode) == 0o666, "what a link leads to is not ours"


def test_a_folder_of_somebody_else_that_is_named_as_a_home_stays_as_open_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "songs").mkdir()
    tmp_path.chmod(0o755)

    Home(tmp_path).make()

    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755
    assert modes(tmp_path / "data") <= ALONE
