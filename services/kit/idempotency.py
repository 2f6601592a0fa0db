"""`Idempotency-Key`: the same request sent again makes nothing new and gets the first answer.

The key is noted in the transaction that makes the thing, so of many parallel requests one makes it. The answer is
stored when it is known; a request that comes in between waits for it a little, then gets 409 with `Retry-After`. Few
may wait at once, for each keeps one of the threads that answer everybody; the others get the 409 at once.
"""

import hashlib
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel
from sqlalchemy import Row, delete, select, update
from starlette.responses import JSONResponse

from services.kit.database import Database, ReadSession, WriteSession
from services.kit.errors import PROBLEM_MEDIA_TYPE, Conflict, Invalid, StemwrightError
from services.kit.inserting import insert_unless_present
from services.kit.tables import IDEMPOTENCY

WAIT_SECONDS = 5.0
"""How long a repeated request waits for the answer of the first."""

ABANDONED_AFTER = timedelta(seconds=10)
"""The process that made the thing has died if it has not stored an answer by then; the answer is made anew."""

POLL_SECONDS = 0.05

WAITING_MAX = 8
"""Requests that may wait at once in a process, of the forty threads that it answers with."""

_room_to_wait = threading.BoundedSemaphore(WAITING_MAX)


class IdempotencyConflict(Invalid):
    code = "idempotency_conflict"
    title = "This Idempotency-Key was used for another request"


class IdempotencyInProgress(Conflict):
    code = "idempotency_in_progress"
    title = "The first request with this Idempotency-Key is still being answered"

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "1"})


Answer = tuple[int, dict[str, Any]]


def idempotent(
    database: Database,
    *,
    account_id: str,
    key: str | None,
    operation: str,
    body: BaseModel,
    create: Callable[[WriteSession], str],
    respond: Callable[[str], Answer],
) -> JSONResponse:
    """Makes a thing once per key and answers each request for it alike. Blocks.

    `create` makes it in the given transaction and returns its id; `respond` turns the id into status and body, outside
    of any transaction, and may wait. Whatever `create` raises undoes everything, the key included. Raises
    IdempotencyConflict for another body or operation under the same key, IdempotencyInProgress when the first answer
    is too long in coming or too many requests wait for theirs.
    """
    if key is None:
        with database.write() as session:
            resource_id = create(session)
        status, content = respond(resource_id)
        return _answer(status, content)

    request_hash = hashlib.sha256(f"{operation}\n{body.model_dump_json()}".encode()).hexdigest()
    with database.read() as session:
        known = _find(session, account_id, key) is not None
    created = None
    if not known:
        with database.write() as session:
            created = _create_once(session, account_id, key, operation, request_hash, create)
    if created is None:
        return _replay(database, account_id, key, request_hash, respond)
    status, content = respond(created)
    _store(database, account_id, key, status, content)
    return _answer(status, content)


def replace_answers(session: WriteSession, account_id: str, resource_id: str, error: StemwrightError) -> None:
    """From now on the keys that made this thing are answered with the error: the thing is gone, and what the first
    answer said of it shall not stay."""
    session.execute(
        update(IDEMPOTENCY)
        .where(IDEMPOTENCY.c.account_id == account_id, IDEMPOTENCY.c.resource_id == resource_id)
        .values(status=error.status, body=error.problem())
    )


def forget_answers(session: WriteSession, account_id: str) -> None:
    """Deletes every key of an account, and with it what its answers said."""
    session.execute(delete(IDEMPOTENCY).where(IDEMPOTENCY.c.account_id == account_id))


def _answer(status: int, content: dict[str, Any], *, replayed: bool = False) -> JSONResponse:
    return JSONResponse(
        content,
        status,
        headers={"Idempotent-Replay": "true"} if replayed else None,
        media_type=PROBLEM_MEDIA_TYPE if status >= 400 else None,
    )


def _create_once(
    session: WriteSession,
    account_id: str,
    key: str,
    operation: str,
    request_hash: str,
    create: Callable[[WriteSession], str],
) -> str | None:
    """The new thing's id, or None where another request has made it meanwhile."""
    row = {
        "account_id": account_id,
        "key": key,
        "operation": operation,
        "request_hash": request_hash,
        "resource_id": "",
        "created_at": session.now(),
    }
    if not insert_unless_present(session, IDEMPOTENCY, row):
        return None
    resource_id = create(session)
    session.execute(_row_of(account_id, key).values(resource_id=resource_id))
    return resource_id


def _replay(
    database: Database, account_id: str, key: str, request_hash: str, respond: Callable[[str], Answer]
) -> JSONResponse:
    row, _ = _repeated(database, account_id, key, request_hash)
    if row.status is not None:
        return _answer(row.status, row.body, replayed=True)
    if not _room_to_wait.acquire(blocking=False):
        raise IdempotencyInProgress
    try:
        return _wait_for_answer(database, account_id, key, request_hash, respond)
    finally:
        _room_to_wait.release()


def _wait_for_answer(
    database: Database, account_id: str, key: str, request_hash: str, respond: Callable[[str], Answer]
) -> JSONResponse:
    pause = threading.Event()
    for _ in range(int(WAIT_SECONDS / POLL_SECONDS)):
        row, now = _repeated(database, account_id, key, request_hash)
        if row.status is not None:
            return _answer(row.status, row.body, replayed=True)
        if row.created_at < now - ABANDONED_AFTER:
            status, content = respond(row.resource_id)
            _store(database, account_id, key, status, content)
            return _answer(status, content)
        pause.wait(POLL_SECONDS)
    raise IdempotencyInProgress


def _repeated(database: Database, account_id: str, key: str, request_hash: str) -> tuple[Row[Any], datetime]:
    """What is noted of the first request, and when it was looked up."""
    with database.read() as session:
        row = _find(session, account_id, key)
        now = session.now()
    if row is None:
        # The first request failed and undid its row: the client may send it again.
        raise IdempotencyInProgress
    if row.request_hash != request_hash:
        raise IdempotencyConflict
    return row, now


def _store(database: Database, account_id: str, key: str, status: int, content: dict[str, Any]) -> None:
    with database.write() as session:
        # Not over the answer that a deletion has put there meanwhile.
        session.execute(
            _row_of(account_id, key).where(IDEMPOTENCY.c.status.is_(None)).values(status=status, body=content)
        )


def _find(session: ReadSession, account_id: str, key: str) -> Row[Any] | None:
    return session.execute(
        select(IDEMPOTENCY).where(IDEMPOTENCY.c.account_id == account_id, IDEMPOTENCY.c.key == key)
    ).one_or_none()


def _row_of(account_id: str, key: str) -> Any:
    return update(IDEMPOTENCY).where(IDEMPOTENCY.c.account_id == account_id, IDEMPOTENCY.c.key == key)
