"""The folder that holds everything one platform on this machine owns.

```
<home>/data/       a database file per service
       objects/    the object store's buckets
       logs/       one log per part
       mail/       what was written to people, where there is no mail server
       secrets/    made once, readable by their owner only
       tmp/        what services work on; emptied at every start
       run/        lock, state.json (ports, process ids), ports.json (ports of the last run, taken again when free),
                   restoring (while a backup is put back, and after one was killed at that)
```

All of it is the owner's alone, whatever the umask says: songs, names, databases, logs. What an earlier version has left
open to others is closed at the next start.
"""

import fcntl
import json
import os
import secrets
import shutil
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO, Any

from services.local.errors import HalfRestored, HolderUnknown, HomeInUse, HomeUnusable

LOCK_SECONDS = 1.0
"""Who asks whether a supervisor runs holds the lock for a moment, which no supervisor shall take for another one."""

OPEN_TO_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class StoreKeys:
    """The key pair that the local object store accepts."""

    access_key_id: str
    secret_access_key: str


class Home:
    """Paths and secrets below one folder, made on first use."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.data = self.root / "data"
        self.objects = self.root / "objects"
        self.logs = self.root / "logs"
        self.mail = self.root / "mail"
        self.secrets = self.root / "secrets"
        self.run = self.root / "run"
        self.canary_key = self.secrets / "canary-key"
        self.temporary = self.root / "tmp"
        self.disk_reserve = self.run / "disk-reserve"
        self._restoring = self.run / "restoring"

    def make(self) -> bool:
        """Makes the folders that are not there yet, and closes those that are to everybody else.

        Returns whether there was nothing here before.

        Raises:
            HomeUnusable: they cannot be made, or files in them cannot.
        """
        folders = (self.data, self.objects, self.logs, self.mail, self.run, self.secrets)
        try:
            new = not self.root.exists()
            make_private(self.root)
            # A root that holds other things too is somebody's folder that was merely named as a home.
            if {path.name for path in self.root.iterdir()} <= {path.name for path in (*folders, self.temporary)}:
                self.root.chmod(stat.S_IRWXU)
            for folder in folders:
                make_private(folder)
                close_to_others(folder)
            # A folder that was there may be another person's, or on a disk that is mounted read-only.
            (self.run / "lock").touch()
            (self.run / "lock").chmod(0o600)
        except OSError as error:
            raise HomeUnusable(self.root, error) from error
        return new

    def remove(self) -> None:
        """Removes all of it: for whom has just made it and holds its lock."""
        shutil.rmtree(self.root, ignore_errors=True)

    def empty_temporary(self) -> None:
        """Removes what an earlier run was working on."""
        shutil.rmtree(self.temporary, ignore_errors=True)
        make_private(self.temporary)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold this home for one supervisor, or one restore. The kernel lets go of the lock however that process ends.

        Raises:
            HomeInUse: another one holds it.
        """
        with (self.run / "lock").open("a+") as lock:
            until = time.monotonic() + LOCK_SECONDS
            while not _lock(lock, fcntl.LOCK_EX):
                if time.monotonic() > until:
                    lock.seek(0)
                    raise HomeInUse(self.root, lock.read().strip(), restoring=self.is_half_restored())
                time.sleep(0.02)
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield

    def holder(self) -> int | None:
        """Process id of the supervisor that runs in this home; `None` where none does, however the last one ended.

        Raises:
            HomeUnusable: it is another person's.
            HolderUnknown: one does, and its number is not where it belongs.
        """
        until = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                lock = (self.run / "lock").open()
            except (FileNotFoundError, NotADirectoryError):
                return None
            except OSError as error:
                raise HomeUnusable(self.root, error) from error
            with lock:
                if _lock(lock, fcntl.LOCK_SH):
                    return None
                if (pid := lock.read().strip()).isdecimal():
                    return int(pid)
            if time.monotonic() > until:
                raise HolderUnknown(self.run / "lock")
            time.sleep(0.02)  # it holds the lock, and writes its number next

    def note_restore(self, backup: Path, made: Iterable[Path]) -> None:
        """A restore begins: the home holds half of something until it is forgotten. `made`: files of keys and mails
        that were not there before."""
        note = {"backup": str(backup.absolute()), "made": [str(path) for path in made]}
        write_private(self._restoring, json.dumps(note).encode(), lasting=True)

    def made_by_restore(self) -> list[Path]:
        """Files of keys and mails that the restore under way, or the one that was killed, has made or was to make."""
        return [Path(name) for name in (_read_object(self._restoring) or {}).get("made", [])]

    def forget_restore(self) -> None:
        self._restoring.unlink(missing_ok=True)

    def is_half_restored(self) -> bool:
        """Whether a restore is under way, or was killed."""
        return self._restoring.exists()

    def refuse_half_a_restore(self) -> None:
        """
        Raises:
            HalfRestored: a restore is under way, or was killed.
        """
        if self.is_half_restored():
            raise HalfRestored(self.root, (_read_object(self._restoring) or {}).get("backup", "DIR"))

    def store_keys(self) -> StoreKeys:
        """The object store's keys, made the first time."""
        path = self.secrets / "object-store.json"
        kept = _read_object(path) or {}
        names = [field.name for field in fields(StoreKeys)]
        if not all(isinstance(kept.get(name), str) and kept[name] for name in names):
            # None yet, or a file that is damaged: only links that were given out rest on them.
            kept = {"access_key_id": secrets.token_hex(10), "secret_access_key": secrets.token_urlsafe(30)}
            write_private(path, json.dumps(kept).encode(), lasting=True)
        return StoreKeys(**{name: kept[name] for name in names})

    def signing_key(self) -> Path:
        """File with the Ed25519 key (PKCS #8, PEM) that signs access tokens, made the first time."""
        path = self.secrets / "accounts-signing-key.pem"
        if _is_nothing(path):
            from cryptography.hazmat.primitives import serialization
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

            key = Ed25519PrivateKey.generate().private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            write_private(path, key, lasting=True)
        return path

    def sealing_key(self) -> str:
        """What the notifier encrypts the secrets of webhook endpoints with, made the first time."""
        path = self.secrets / "notifier-sealing-key"
        if _is_nothing(path):
            write_private(path, secrets.token_urlsafe(36).encode(), lasting=True)
        return path.read_text()

    def triton_key(self) -> str:
        """Opens what the Triton server keeps for the workers, made the first time."""
        path = self.secrets / "triton-key"
        if _is_nothing(path):
            write_private(path, secrets.token_urlsafe(30).encode(), lasting=True)
        return path.read_text()

    def remembered_ports(self) -> dict[str, int]:
        """Ports of the last run by part. A link that a client kept, or a bookmark, then still leads somewhere."""
        ports = _read_object(self.run / "ports.json") or {}
        return {name: port for name, port in ports.items() if type(port) is int and 0 < port < 65536}

    def remember_ports(self, ports: Mapping[str, int]) -> None:
        write_private(self.run / "ports.json", json.dumps(dict(ports), indent=2).encode())

    def write_state(self, state: Mapping[str, Any]) -> None:
        write_private(self.run / "state.json", json.dumps(state, indent=2).encode())

    def read_state(self) -> dict[str, Any] | None:
        """What the running supervisor last wrote; `None` when none runs or it was killed before it wrote."""
        return _read_object(self.run / "state.json")

    def forget_state(self) -> None:
        (self.run / "state.json").unlink(missing_ok=True)


def _read_object(path: Path) -> dict[str, Any] | None:
    """The JSON object in a file; `None` when there is no such file, or something else in it."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _is_nothing(path: Path) -> bool:
    """Whether there is no such file, or none that has anything in it: so a cut of the power may leave one that was
    just made, and no service takes it for a key."""
    try:
        return path.stat().st_size == 0
    except FileNotFoundError:
        return True


def _lock(file: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def make_private(folder: Path) -> None:
    """Makes a folder, and those above it that are not there, for the owner alone."""
    if not folder.is_dir():
        make_private(folder.parent)
        folder.mkdir(exist_ok=True)
        folder.chmod(stat.S_IRWXU)


def close_to_others(folder: Path) -> None:
    """Takes from everybody else what a folder and all in it allow them. What is below a closed folder is closed."""
    if not folder.stat().st_mode & OPEN_TO_OTHERS:
        return
    for path, _, names in os.walk(folder):
        for name in names:
            _close(Path(path, name))
        _close(Path(path))


def _close(path: Path) -> None:
    mode = path.lstat().st_mode
    if not stat.S_ISLNK(mode) and mode & OPEN_TO_OTHERS:
        path.chmod(stat.S_IMODE(mode) & ~OPEN_TO_OTHERS)


def write_private(path: Path, data: bytes, *, lasting: bool = False) -> None:
    """Replace `path` in one step: a reader sees the old content or the new one, never a part of it. Only its owner is
    one. `lasting`: once this returns a cut of the power leaves the new content too; it blocks until the disk has it.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, 0o600)
        file.write(data)
        file.flush()
        if lasting:
            os.fsync(descriptor)
    draft.replace(path)
    if lasting:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
