"""Databases, the bucket, and what time it is there."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx2
from sqlalchemy import delete, text
from sqlalchemy.exc import SQLAlchemyError

from services.doctor.findings import Finding, ok, one_line, warning, wrong
from services.kit import bucket
from services.kit.database import Database, WriteSession, sqlite_file
from services.kit.errors import StemwrightError
from services.kit.ids import new_id
from services.kit.loopback import is_loopback
from services.kit.s3 import S3Storage, translated
from services.kit.schema import SchemaMissing, check_schema, newest
from services.kit.settings import DatabaseSettings, StorageSettings
from services.kit.storage import BucketMissing, StorageRefused
from services.kit.tables import OUTBOX

SKEW = timedelta(seconds=5)
"""Signed addresses and tokens bear more; a clock that is off by this much goes on drifting."""
PROBE_SECONDS = 60
TIMEOUT_SECONDS = 5.0


def database(service: str, settings: DatabaseSettings) -> Iterator[Finding]:
    """Whether it answers, has its schema, may be written to, has connections left, and what time it is there."""
    about = f"database of {service}"
    file = sqlite_file(settings.database_url.get_secret_value(), service)
    if file is not None and not file.exists():
        yield wrong(about, f"there is no {file}", "Run `stemwright migrate`, or set DATABASE_URL or STEMWRIGHT_HOME.")
        return
    with closing(Database.from_settings(settings, service)) as found:
        try:
            check_schema(found)
            with found.write() as session:
                session.execute(delete(OUTBOX).where(OUTBOX.c.id < 0))  # none has such an id, and it takes the rights
            yield ok(about, f"schema {newest(service)}, may be written to")
            with found.write() as session:
                yield from _server(about, session)
        except SchemaMissing as missing:
            yield wrong(about, missing.problem, "Run `stemwright migrate`.")
        except SQLAlchemyError as error:
            problem = getattr(error, "orig", None) or error
            yield wrong(about, problem, "Look at DATABASE_URL, the server, and the rights of the user that it names.")


def _server(about: str, session: WriteSession) -> Iterator[Finding]:
    if session.database.is_sqlite:
        return
    yield from clock(about, session.now(), datetime.now(UTC))
    limit = int(session.scalar(text("SELECT current_setting('max_connections')")) or 0)
    used = int(session.scalar(text("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")) or 0)
    if used > 0.9 * limit:
        yield warning(
            about,
            f"{used} of the server's {limit} connections are in use",
            "Lower STEMWRIGHT_DATABASE_POOL_SIZE, raise max_connections, or put PgBouncer between them.",
        )


def clock(about: str, theirs: datetime, ours: datetime) -> Iterator[Finding]:
    """Whether two clocks tell the same time."""
    skew = abs(theirs - ours)
    if skew > SKEW:
        yield wrong(
            f"clock of {about}", f"differs from ours by {skew.total_seconds():.0f} s", "Let NTP set the clocks of both."
        )


def object_store(settings: StorageSettings) -> Iterator[Finding]:
    """Whether the bucket is there and takes all that services do with it, and gives clients what they were promised."""
    about = f"bucket {settings.s3_bucket}"
    storage = S3Storage.from_settings(settings)
    key = f"doctor/{new_id('job')}"
    try:
        storage.ping()
        _use(storage, key)
        yield ok(about, "objects and parts are put, read, listed and deleted")
        yield from _signed(about, storage, key)
        with translated():
            answer = storage.client.head_bucket(Bucket=storage.bucket)
        date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
        if date:
            yield from clock("the object store", parsedate_to_datetime(date), datetime.now(UTC))
    except BucketMissing as missing:
        yield wrong(about, missing.detail or missing.title, "Run `stemwright bucket apply`, or set S3_BUCKET.")
        return
    except StemwrightError as error:
        cause = one_line(error.__cause__ or "")
        yield wrong(
            about,
            f"{error.detail or error.title} ({cause})" if cause else error.detail or error.title,
            "Look at S3_ENDPOINT_URL, S3_REGION, and the rights of the key: ListBucket, GetObject, PutObject, "
            "DeleteObject, AbortMultipartUpload, ListBucketMultipartUploads.",
        )
        return
    yield from _rules(about, storage)


def _use(storage: S3Storage, key: str) -> None:
    """All that a service does with a bucket, once. Raises what the store raises."""
    storage.put_bytes(key, b"here", "text/plain")
    try:
        storage.read_bytes(key, 4)
        storage.copy(key, f"{key}.copy")
        list(storage.list_objects("doctor/"))
        multipart = storage.create_multipart(f"{key}.parts", "text/plain")
        storage.abort_multipart(f"{key}.parts", multipart)
        list(storage.open_multiparts("doctor/"))
    finally:
        for name in (key, f"{key}.copy"):
            storage.delete(name)


def _signed(about: str, storage: S3Storage, key: str) -> Iterator[Finding]:
    """Whether an address that was signed for a client leads to the object, as far as that can be seen from here."""
    url = storage.presign_get(key, PROBE_SECONDS)
    place = url.partition("?")[0].removesuffix(key)
    storage.put_bytes(key, b"here", "text/plain")
    try:
        status = httpx2.get(url, timeout=TIMEOUT_SECONDS, trust_env=not is_loopback(url)).status_code
    except httpx2.HTTPError as error:
        yield warning(
            about,
            f"{place}, where clients are sent, is not reached from here: {one_line(error)}",
            "Look whether clients reach it (S3_PUBLIC_ENDPOINT_URL).",
        )
    else:
        if status != 200:
            yield wrong(
                about,
                f"a signed address at {place} is answered {status}",
                "S3_PUBLIC_ENDPOINT_URL has to lead to the same store, and a proxy has to pass on Host as it comes.",
            )
    finally:
        storage.delete(key)


def _rules(about: str, storage: S3Storage) -> Iterator[Finding]:
    try:
        left = [difference.what for difference in bucket.plan(storage, ()) if difference.is_known]
    except StorageRefused:
        return  # who runs services need not see them
    if left:
        yield warning(about, f"rules are missing: {', '.join(left)}", "Run `stemwright bucket apply`.")
