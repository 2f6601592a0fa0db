"""PostgreSQL as it is reached through PgBouncer in transaction mode, and what a lost connection leaves behind."""

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import text

from services.kit.database import Database
from services.kit.leadership import LeaseLost, RowLease
from services.kit.migrations import migrate
from services.kit.schema import check_schema
from services.local.sockets import LOOPBACK, free_port

pytestmark = pytest.mark.postgres
PATIENCE_SECONDS = 60.0
CONFIGURATION = """
[databases]
* = {server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
auth_type = any
pool_mode = transaction
default_pool_size = 3
max_client_conn = 100
client_login_timeout = 10
unix_socket_dir =
"""


@pytest.fixture(scope="module")
def direct_url(postgres_server: str) -> str:
    return postgres_server.replace("{database}", "postgres")


@pytest.fixture(scope="module")
def pooler_url(direct_url: str) -> Iterator[str]:
    """URL of the same server through a PgBouncer that lends three connections by the transaction."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        pytest.skip("pgbouncer is not installed")
    port = free_port(LOOPBACK)
    parts = urlsplit(direct_url)
    host = parse_qs(parts.query).get("host", [parts.hostname or ""])[0]
    server = f"host={host} user={parts.username}" + (f" password={parts.password}" if parts.password else "")
    if parts.port:
        server += f" port={parts.port}"
    with TemporaryDirectory(prefix="stemwright-pooler-") as folder:
        file = Path(folder, "pgbouncer.ini")
        file.write_text(CONFIGURATION.format(server=server, port=port), encoding="utf-8")
        as_other = []
        if os.getuid() == 0:  # as which it does not run; as whoever the server runs, it gets to the server's socket
            owner = pwd.getpwuid(Path(host).stat().st_uid).pw_name
            for place in (folder, file):
                shutil.chown(place, owner)
            as_other = ["-u", owner]
        child = subprocess.Popen([program, *as_other, file], stderr=subprocess.PIPE, text=True)
        try:
            wait_for(port, child)
            yield f"postgresql://{parts.username}@{LOOPBACK}:{port}/{parts.path.removeprefix('/')}"
        finally:
            child.kill()
            child.communicate()


def wait_for(port: int, child: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            socket.create_connection((LOOPBACK, port), timeout=1).close()
        except OSError:
            assert child.poll() is None, "pgbouncer has ended"
            assert time.monotonic() < deadline
            time.sleep(0.02)
        else:
            return


def looks_around(database: Database) -> None:
    """Every transaction finds the service's tables, whoever had its connection before."""
    for _ in range(3):
        with database.read() as session:
            assert session.scalar(text("SHOW search_path")) == database.service
            assert session.scalar(text("SHOW lock_timeout")) != "0"


def test_services_share_the_connections_of_a_pooler(pooler_url: str) -> None:
    for service in ("upload", "notifier"):
        migrate(pooler_url, service, pooled=True)
    with (
        closing(Database(pooler_url, "upload", pooled=True)) as upload,
        closing(Database(pooler_url, "notifier", pooled=True)) as notifier,
    ):
        for database in (upload, notifier, upload):
            check_schema(database)
            looks_around(database)


def test_one_process_at_a_time_holds_a_lease_through_a_pooler(pooler_url: str) -> None:
    migrate(pooler_url, "upload", pooled=True)
    with (
        closing(Database(pooler_url, "upload", pooled=True)) as one,
        closing(Database(pooler_url, "upload", pooled=True)) as other,
    ):
        first, second = RowLease(one, "pooled"), RowLease(other, "pooled")
        assert first.acquire()
        assert not second.acquire()
        looks_around(other)
        with one.fenced(first.fence), one.write() as session:
            session.execute(text("SELECT 1"))
        first.release()
        assert second.acquire()
        with pytest.raises(LeaseLost), one.fenced(first.fence), one.write():
            pass
        second.release()
        looks_around(one)  # and nothing of the fence is left behind in a connection


def test_without_a_pooler_the_same_is_so_and_a_transaction_leaves_nothing_behind(direct_url: str) -> None:
    migrate(direct_url, "upload", pooled=True)
    with closing(Database(direct_url, "upload", pooled=True)) as database:
        looks_around(database)
        with database.write_engine.connect() as connection:
            driver = connection.connection.driver_connection
            assert driver is not None
            connection.rollback()
            assert driver.execute("SHOW search_path").fetchone() != ("upload",)


def test_the_server_notices_a_client_that_is_gone(direct_url: str) -> None:
    with closing(Database(direct_url, "upload")) as database, database.read() as session:
        # Over a Unix socket, as here, there are no keepalives and the server shows 0: what counts is that it was asked.
        of_tcp = text("SELECT name, source FROM pg_settings WHERE name ~ '^tcp_(keepalives_|user_timeout)'")
        sources = session.execute(of_tcp)
        assert {name for name, source in sources if source == "client"} == {
            "tcp_keepalives_idle",
            "tcp_keepalives_interval",
            "tcp_keepalives_count",
            "tcp_user_timeout",
        }
