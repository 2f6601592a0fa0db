"""A service's own database: SQLite on one machine, PostgreSQL in production.

One request or event is one transaction, committed at the edge (`Database.write`). Reading and writing sessions are
different types, so that a function which writes says so in its signature.

SQLite runs in WAL mode and opens writing transactions with `BEGIN IMMEDIATE`: a deferred transaction that turns into
a writer fails with "database is locked" under load, and no busy timeout helps it. Writers of one process queue at a
pool of one connection instead of spinning on the file lock.
"""

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    Connection,
    DateTime,
    Dialect,
    Engine,
    Integer,
    MetaData,
    create_engine,
    event,
    func,
    literal,
    make_url,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DataError, DBAPIError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator

from services.kit.settings import SERVICE, DatabaseSettings

BUSY_TIMEOUT_SECONDS = 15
READ_CONNECTIONS = 8
POSTGRES_CONNECTIONS = 12
"""Unless a setting says otherwise."""

DATABASE_AWAY = (OperationalError, PoolTimeoutError)
"""What SQLAlchemy raises when the database does not answer; it may the next time."""


class DatabaseContended(OperationalError):
    """Another transaction was in the way: a deadlock, a lock that was not given in time, a statement cut off.

    It is no sign that the database is away, and the same work may meet it again.
    """


_CONTENDED_STATES = ("25P03", "40001", "40P01", "55P03", "57014")
_AWAY_CLASSES = ("08", "53", "57", "58")
"""SQLSTATE classes (PostgreSQL 15, appendix A): connection, resources, operator intervention, system error."""
_READ_ONLY_STATE = "25006"
"""A server that has become a standby."""


def _kind_of(problem: BaseException | None, disconnected: bool) -> type[DBAPIError] | None:
    """What a driver's error is, by its code; None where its class says it already.

    Drivers say OperationalError for a deadlock, for a value that is too large and for a missing column as for a server
    that is gone, and only the last is worth waiting for.
    """
    if isinstance(problem, sqlite3.OperationalError):
        code = getattr(problem, "sqlite_errorcode", None)
        return ProgrammingError if code == sqlite3.SQLITE_ERROR else None
    state = getattr(problem, "sqlstate", None)
    if disconnected or (state or "").startswith(_AWAY_CLASSES) or state == _READ_ONLY_STATE:
        return DatabaseContended if state in _CONTENDED_STATES else OperationalError
    if state in _CONTENDED_STATES:
        return DatabaseContended
    return DataError if state is not None and state.startswith("54") else None


def _tell_apart(context: ExceptionContext) -> None:
    """Listens to errors: raises another class where the driver's is misleading, and never the values of a row."""
    problem = context.original_exception
    kind = _kind_of(problem, context.is_disconnect)
    primary = getattr(getattr(problem, "diag", None), "message_primary", None)
    if primary is not None:
        # What else the server says ("DETAIL: Key (email)=...") repeats what people wrote.
        problem.args = (primary,)
        kind = kind or type(context.sqlalchemy_exception)  # type: ignore[assignment]
    if kind is not None and isinstance(problem, Exception):
        raise kind(
            context.statement,
            context.parameters,
            problem,
            hide_parameters=True,
            connection_invalidated=context.is_disconnect,
        ) from problem


# A server that went away without a word must not keep threads for the hours that TCP would; nor must a client that did
# keep its locks at the server.
POSTGRES_OPTIONS = "-c statement_timeout=30s -c lock_timeout=10s -c idle_in_transaction_session_timeout=60s"
SERVER_TIMEOUTS = (
    "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3 -c tcp_user_timeout=15s"
)
POSTGRES_TIMEOUTS = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}

Clock = Callable[[], datetime]


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime in UTC; a naive one is refused. SQLite stores it as sortable text."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime has no place in the database")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


JsonDocument = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
"""Column type of a JSON document; None is SQL's NULL."""

RowNumber = BigInteger().with_variant(Integer(), "sqlite")
"""Column type of a primary key that the database counts up; SQLite does so for exactly this type only."""


class ServiceBase(DeclarativeBase):
    """Base of the bases: each service's `models.py` derives `class Base(ServiceBase)` with metadata of its own."""

    __abstract__ = True
    type_annotation_map = {datetime: UtcDateTime, dict[str, Any]: JsonDocument, list[Any]: JsonDocument}  # noqa: RUF012

    def __init_subclass__(cls, **kwargs: Any) -> None:
        if ServiceBase in cls.__bases__:
            cls.__abstract__ = True
            cls.metadata = MetaData(naming_convention=NAMING)
        super().__init_subclass__(**kwargs)


class ReadSession(Session):
    """A session that only reads; a change in it is a programming error."""

    database: "Database"

    def now(self) -> datetime:
        """The database's clock, the only one that leases and deadlines are measured by."""
        return self.database.now(self)

    def flush(self, objects: Any = None) -> None:  # noqa: ARG002 - SQLAlchemy's signature
        if self.new or self.dirty or self.deleted:
            raise RuntimeError("a reading session was used to write")


class WriteSession(ReadSession):
    """A session inside the one writing transaction of a request or an event."""

    def flush(self, objects: Any = None) -> None:
        Session.flush(self, objects)

    def serialize(self, name: str) -> None:
        """Waits for, and from here on keeps out, every other transaction that calls this with the same name.

        What is counted afterwards is still right when it is acted on, so that a limit holds under parallel requests.
        SQLite lets one transaction write at a time anyway.
        """
        if not self.database.is_sqlite:
            self.execute(select(func.pg_advisory_xact_lock(func.hashtext(name))))

    def after_commit(self, action: Callable[[], None]) -> None:
        """Runs `action` once the transaction is committed; never if it rolls back."""
        self.info.setdefault("after_commit", []).append(action)


def service_url(url: str, service: str) -> str:
    """The URL of one service's database: `{service}` filled in, the PostgreSQL driver chosen."""
    url = url.replace(SERVICE, service)
    for prefix in ("postgresql://", "postgres://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url.removeprefix(prefix)
    return url


def sqlite_file(url: str, service: str) -> Path | None:
    """The file of one service's database; None where a server has it. To open a database makes its file."""
    parsed = make_url(service_url(url, service))
    return Path(parsed.database) if parsed.get_backend_name() == "sqlite" and parsed.database else None


class Database:
    """Engine and sessions of one service. Safe to share between threads.

    `clock` replaces the database's own clock in tests. `connections` are those to PostgreSQL at most. `pooled`: between
    it and us is PgBouncer in transaction mode, where nothing of a session outlives a transaction.
    """

    def __init__(
        self,
        url: str,
        service: str,
        *,
        clock: Clock | None = None,
        connections: int = POSTGRES_CONNECTIONS,
        pooled: bool = False,
    ) -> None:
        self.service = service
        self.url = service_url(url, service)
        self._clock = clock
        self.outbox_ready = threading.Event()
        """Set after a commit that left something in the outbox."""
        self._this_thread = threading.local()
        self.is_sqlite = make_url(self.url).get_backend_name() == "sqlite"
        self.file = sqlite_file(url, service)
        if self.is_sqlite:
            self._reader, self._writer = self._sqlite_engines()
        else:
            self._reader = self._writer = self._postgres_engine(connections, pooled)
            event.listen(self._writer, "handle_error", _tell_apart)

    @classmethod
    def from_settings(cls, settings: DatabaseSettings, service: str) -> "Database":
        """The database that the settings name."""
        return cls(
            settings.database_url.get_secret_value(),
            service,
            connections=settings.database_pool_size,
            pooled=settings.database_pooled,
        )

    def _postgres_engine(self, connections: int, pooled: bool) -> Engine:
        options = f"-c search_path={self.service} {POSTGRES_OPTIONS}"
        own = {"prepare_threshold": None} if pooled else {"options": f"{options} {SERVER_TIMEOUTS}"}
        engine = create_engine(
            self.url,
            pool_size=connections,
            max_overflow=0,
            pool_timeout=BUSY_TIMEOUT_SECONDS,
            pool_pre_ping=True,
            hide_parameters=True,
            connect_args={**own, **POSTGRES_TIMEOUTS},
        )
        if pooled:
            # The pooler refuses options of a session; the server's side of its connections is its own business.
            chosen = [option.split("=", 1) for option in options.replace("-c ", "").split()]
            local = "SELECT " + ", ".join(f"set_config('{name}', '{value}', true)" for name, value in chosen)

            @event.listens_for(engine, "begin")
            def open_transaction(connection: Connection) -> None:
                connection.exec_driver_sql(local)

        return engine

    def _sqlite_engines(self) -> tuple[Engine, Engine]:
        if self.file is None:
            raise ValueError("SQLite needs a file: an in-memory database is another one for each connection")
        # What people call their songs is nobody else's business. SQLite's journals take the mode of the database.
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(OSError):  # which whoever connects is told in SQLite's words
            os.close(os.open(self.file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))

        def engine(begin: str, connections: int) -> Engine:
            made = create_engine(
                self.url,
                pool_size=connections,
                max_overflow=0,
                pool_timeout=BUSY_TIMEOUT_SECONDS,
                # What people call their songs has no place in a log.
                hide_parameters=True,
                connect_args={"timeout": BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
            )

            @event.listens_for(made, "connect")
            def prepare(connection: Any, _record: Any) -> None:
                # The driver must not open transactions by itself: `begin` below does, in the right mode.
                connection.isolation_level = None
                connection.execute("PRAGMA journal_mode = WAL")
                # An accepted job or a charge must survive a power cut, hence not NORMAL.
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute("PRAGMA foreign_keys = ON")
                # What was deleted is gone from the file too, not only from the index of what is in it.
                connection.execute("PRAGMA secure_delete = ON")
                connection.execute("PRAGMA cache_size = -4096")
                connection.execute(f"PRAGMA query_only = {'OFF' if begin == 'BEGIN IMMEDIATE' else 'ON'}")

            event.listen(made, "handle_error", _tell_apart)

            @event.listens_for(made, "begin")
            def open_transaction(connection: Any) -> None:
                connection.exec_driver_sql(begin)

            return made

        return engine("BEGIN", READ_CONNECTIONS), engine("BEGIN IMMEDIATE", 1)

    @property
    def write_engine(self) -> Engine:
        """For migrations and locks; requests use `read` and `write`."""
        return self._writer

    @property
    def engines(self) -> frozenset[Engine]:
        """All there are, for those who count connections."""
        return frozenset({self._reader, self._writer})

    @contextmanager
    def read(self) -> Iterator[ReadSession]:
        """A consistent view of the database; nothing can be written through it."""
        with ReadSession(self._reader, autoflush=False, expire_on_commit=False) as session:
            session.database = self
            yield session
            # Rows that were read stay readable after the block; a rollback would expire them.
            session.expunge_all()
            session.rollback()

    @contextmanager
    def write(self) -> Iterator[WriteSession]:
        """One transaction: committed when the block ends, rolled back when it raises."""
        with WriteSession(self._writer, expire_on_commit=False) as session:
            session.database = self
            yield session
            fence: Callable[[WriteSession], None] | None = getattr(self._this_thread, "fence", None)
            if fence is not None:
                fence(session)
            session.commit()
        for action in session.info.get("after_commit", ()):
            action()

    @contextmanager
    def fenced(self, fence: Callable[[WriteSession], None]) -> Iterator[None]:
        """Every transaction that this thread opens within calls `fence` last, and rolls back if that raises."""
        self._this_thread.fence = fence
        try:
            yield
        finally:
            self._this_thread.fence = None

    def now(self, session: Session) -> datetime:
        """Aware UTC time by the database's clock. SQLite has no server: its clock is this machine's."""
        if self._clock is not None:
            return self._clock()
        if self.is_sqlite:
            return datetime.now(UTC)
        # Asking for the time must not write what the caller has only half filled in.
        with session.no_autoflush:
            moment: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
        return moment.astimezone(UTC)

    @property
    def moment(self) -> ColumnElement[datetime]:
        """The same clock within a statement, which spares asking for the time beforehand."""
        if self._clock is not None or self.is_sqlite:
            return literal(self._clock() if self._clock is not None else datetime.now(UTC), UtcDateTime)
        return func.clock_timestamp(type_=UtcDateTime)

    def drop_remains(self) -> None:
        """Empties SQLite's journal, in which earlier versions of changed pages lie, unless somebody reads just now.

        On PostgreSQL the server's own vacuum sees to what was deleted.
        """
        if not self.is_sqlite:
            return
        with self._writer.connect() as connection:
            driver: Any = connection.connection.driver_connection
            driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def ping(self) -> None:
        """Raises if the database does not answer."""
        with self._reader.connect() as connection:
            connection.execute(text("SELECT 1"))

    def close(self) -> None:
        """Closes every connection; the object is of no use afterwards."""
        self._reader.dispose()
        self._writer.dispose()
