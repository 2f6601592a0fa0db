"""Requests that meet a transaction which has not ended yet."""

import time
from concurrent.futures import Future
from typing import Any

import pytest
from sqlalchemy import text

from services.kit.database import WriteSession

DEADLINE_SECONDS = 120.0


def wait_until_it_waits(session: WriteSession, asked: Future[Any]) -> None:
    """Until another transaction waits for this one. On SQLite one writes at a time, and there is nothing to see."""
    if session.database.is_sqlite:
        return
    ours = session.execute(text("SELECT pg_backend_pid()")).scalar_one()
    waiting = text("SELECT count(*) FROM pg_stat_activity WHERE :ours = ANY(pg_blocking_pids(pid))")
    until = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < until and not asked.done():
        with session.database.read() as reading:
            if reading.execute(waiting, {"ours": ours}).scalar_one():
                return
        time.sleep(0.01)
    pytest.fail(f"nothing waited: {asked.result(0).text if asked.done() else 'no answer'}")
