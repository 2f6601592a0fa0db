"""Databases into a folder and back: SQLite by its online backup, PostgreSQL by its own programs."""

import os
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import make_url

from services.backup.errors import BackupError
from services.kit.database import service_url
from services.kit.schema import SERVICES_WITH_DATABASE
from services.local.home import make_private

# Of the moments at which files are copied the ledger's is the last. What it knows and jobs do not, it is told once
# more, and takes as told; what jobs thought settled and it never heard of would stay unsettled.
ORDER = sorted(SERVICES_WITH_DATABASE, key=lambda service: service == "accounts")
ENVIRONMENT = {
    "host": "PGHOST",
    "hostaddr": "PGHOSTADDR",
    "port": "PGPORT",
    "dbname": "PGDATABASE",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "passfile": "PGPASSFILE",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
}
"""What PostgreSQL's programs read of a connection: on their command lines everybody would see it."""

LINES_SHOWN = 5
"""Of what such a program says when it fails."""


def back_up(url: str, folder: Path) -> list[str]:
    """Copies every service's database into the folder, while they are used or not; what was copied.

    A database on PostgreSQL is of one moment, whatever services share it. Files of SQLite are each of a moment of its
    own, some seconds apart. Raises BackupError.
    """
    make_private(folder)
    copied = []
    if is_sqlite(url):
        there = files(url)
        for service in ORDER:
            source = _file(url, service)
            if source in there:
                _copy(source, folder / f"{service}.db")
                copied.append(service)
        return copied
    for number, (connection, services) in enumerate(_on_postgres(url)):
        kept = [service for service in services if _tables(connection, service)]
        if kept:
            _refuse_another_version("pg_dump", connection)
            schemas = [f"--schema={service}" for service in kept]
            output = folder / f"postgres-{number}.dump"
            _run("pg_dump", "--format=custom", *schemas, f"--file={output}", connection=connection)
            output.chmod(0o600)
        copied += kept
    if not copied:
        raise BackupError("DATABASE_URL leads to a database without any of our schemas")
    return copied


def restore(url: str, folder: Path) -> list[str]:
    """Puts the copies into the databases that the URL names, which hold nothing of ours yet; whose they are.

    Each appears as a whole or not at all. Raises BackupError.
    """
    if is_sqlite(url):
        copies = sorted(folder.glob("*.db"))
        for copy in copies:
            target = _file(url, copy.stem)
            make_private(target.parent)
            _put(copy, target)
        return [copy.stem for copy in copies]
    restored = []
    for number, (connection, services) in enumerate(_on_postgres(url)):
        dump = folder / f"postgres-{number}.dump"
        if dump.exists():
            options = ("--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges")
            name = conninfo_to_dict(connection)["dbname"]
            _run("pg_restore", *options, f"--dbname={name}", str(dump), connection=connection)
            restored += [service for service in services if _tables(connection, service)]
    return restored


def take_back(url: str) -> None:
    """Removes the files that a restore made, or began to make, where there were none before."""
    for service in ORDER if is_sqlite(url) else ():
        file = _file(url, service)
        for name in (file.name, _draft(file).name):
            for suffix in ("", "-wal", "-shm", "-journal"):
                file.with_name(name + suffix).unlink(missing_ok=True)


def in_the_way(url: str) -> str | None:
    """What is in the databases already; None where there is nothing of ours."""
    if is_sqlite(url):
        return next((str(_file(url, service)) for service in ORDER if _file(url, service).exists()), None)
    found = (
        service for connection, services in _on_postgres(url) for service in services if _tables(connection, service)
    )
    service = next(found, None)
    return None if service is None else f"the schema {service}"


def fits(url: str, folder: Path) -> bool:
    """Whether no copy in the folder is of another kind of database than the URL names."""
    return not any(folder.glob("*.dump" if is_sqlite(url) else "*.db"))


def files(url: str) -> list[Path]:
    """The files that hold the databases, and what is in their journals; none on PostgreSQL. Raises BackupError where
    there should be some and are none."""
    if not is_sqlite(url):
        return []
    named = (_file(url, service) for service in ORDER)
    found = [path for file in named for path in (file, file.with_name(f"{file.name}-wal")) if path.exists()]
    if not found:
        nowhere = folder_of(url)
        raise BackupError(f"there is no database in {nowhere}; STEMWRIGHT_HOME or DATABASE_URL says where else")
    return found


def folder_of(url: str) -> Path:
    """The folder that the files are in."""
    return _file(url, ORDER[0]).parent


def is_sqlite(url: str) -> bool:
    """Whether the URL is of files."""
    return url.startswith("sqlite")


def _file(url: str, service: str) -> Path:
    return Path(make_url(service_url(url, service)).database or "")


def _copy(source: Path, target: Path) -> None:
    """A copy of one moment, without what is only in the journal of who writes just now. Raises BackupError."""
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    try:
        # Not read-only: a journal that a crash left has to be taken in first.
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=rw", uri=True)) as read,
            closing(sqlite3.connect(target)) as written,
        ):
            read.backup(written)
    except sqlite3.Error as error:
        raise BackupError(f"{source} cannot be copied: {error}") from error
    _refuse_damage(target, source)


def _put(copy: Path, target: Path) -> None:
    """Puts a copy in its place once it is whole: nobody finds a part of it there. Raises BackupError.

    The copy is only read: it may lie where nothing can be written, and SQLite would leave journals beside it.
    """
    draft = _draft(target)
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    shutil.copyfile(copy, draft)
    _refuse_damage(draft, copy)
    draft.replace(target)


def _draft(target: Path) -> Path:
    return target.with_name(f".{target.name}.restoring")


def _refuse_damage(file: Path, source: Path) -> None:
    try:
        with closing(sqlite3.connect(file)) as opened:
            [(verdict,)] = opened.execute("PRAGMA quick_check(1)")
    except sqlite3.Error as error:
        raise BackupError(f"{source} cannot be copied: {error}") from error
    if verdict != "ok":
        raise BackupError(f"{source} is damaged: {verdict}")


def _on_postgres(url: str) -> Iterator[tuple[str, Sequence[str]]]:
    """Each database there is, with the services that live in it."""
    places: dict[str, list[str]] = {}
    for service in ORDER:
        plain = service_url(url, service).replace("postgresql+psycopg://", "postgresql://", 1)
        places.setdefault(plain, []).append(service)
    yield from places.items()


def _tables(connection: str, service: str) -> bool:
    try:
        with psycopg.connect(connection, connect_timeout=10) as opened:
            query = "SELECT 1 FROM pg_tables WHERE schemaname = %s LIMIT 1"
            return opened.execute(query, [service]).fetchone() is not None
    except psycopg.OperationalError as error:
        raise BackupError(f"the database does not answer: {str(error).splitlines()[0]}") from None


def _refuse_another_version(program: str, connection: str) -> None:
    """PostgreSQL's programs read servers of their own version and of older ones. Raises BackupError."""
    told = subprocess.run([_path(program), "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"\) (\d+)", told)
    with psycopg.connect(connection, connect_timeout=10) as opened:
        server = opened.info.server_version // 10_000
    if found is not None and int(found[1]) < server:
        raise BackupError(
            f"{program} is of PostgreSQL {found[1]} and the server of {server}, which it does not read: install the "
            f"client of that version (apt install postgresql-client-{server}, from PostgreSQL's own "
            "repository where the distribution has none of it)"
        )


def _path(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise BackupError(
            f"{program} is not installed: it is in PostgreSQL's own package (apt install postgresql-client)"
        )
    return path


def _run(program: str, *arguments: str, connection: str) -> None:
    own: Mapping[str, object] = conninfo_to_dict(connection)
    given = {ENVIRONMENT[name]: str(value) for name, value in own.items() if name in ENVIRONMENT and value}
    done = subprocess.run(
        [_path(program), *arguments], env={**os.environ, **given}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        # What it is about is often in the second line: "aborting because of version mismatch", and then which they are.
        said = [line.strip().removeprefix(f"{program}: ") for line in done.stderr.splitlines()[:LINES_SHOWN]]
        raise BackupError(f"{program} failed: {'; '.join(filter(None, said)) or f'status {done.returncode}'}")
