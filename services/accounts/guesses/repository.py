"""Queries about wrong guesses."""

from collections.abc import Mapping
from datetime import datetime
from typing import cast

from sqlalchemy import Table, bindparam, case, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from services.accounts.guesses.models import WrongGuesses
from services.kit.database import ReadSession, WriteSession

_WRONG_GUESSES = cast(Table, WrongGuesses.__table__)
_FIND = select(_WRONG_GUESSES.c.key, _WRONG_GUESSES.c.number, _WRONG_GUESSES.c.heard_from).where(
    _WRONG_GUESSES.c.key.in_(bindparam("keys", expanding=True)), _WRONG_GUESSES.c.last_at > bindparam("after")
)


def find(session: ReadSession, keys: tuple[str, ...], after: datetime) -> Mapping[str, tuple[int, datetime | None]]:
    """By key, how many there were and when the next is heard; of those whose last was after that moment."""
    rows = session.execute(_FIND, {"keys": keys, "after": after})
    return {key: (number, heard_from) for key, number, heard_from in rows}


def count(session: WriteSession, key: str, now: datetime, after: datetime) -> int:
    """One more; the count begins anew where the last was not after that moment. Returns how many there are now.

    Whoever counts the same key waits until this transaction has ended.
    """
    dialect = sqlite if session.database.is_sqlite else postgresql
    insert = dialect.insert(_WRONG_GUESSES).values(key=key, number=1, last_at=now, heard_from=None)
    goes_on = _WRONG_GUESSES.c.last_at > after
    counted = insert.on_conflict_do_update(
        index_elements=[_WRONG_GUESSES.c.key],
        set_={
            "number": case((goes_on, _WRONG_GUESSES.c.number + 1), else_=1),
            "heard_from": case((goes_on, _WRONG_GUESSES.c.heard_from), else_=None),
            "last_at": now,
        },
    )
    number: int = session.execute(counted.returning(_WRONG_GUESSES.c.number)).scalar_one()
    return number


def wait(session: WriteSession, key: str, until: datetime) -> None:
    session.execute(update(_WRONG_GUESSES).where(_WRONG_GUESSES.c.key == key).values(heard_from=until))


def forget(session: WriteSession, key: str) -> None:
    session.execute(delete(_WRONG_GUESSES).where(_WRONG_GUESSES.c.key == key))


def delete_old(session: WriteSession, before: datetime, kept: int) -> None:
    """Those whose last was before that moment; and of the others all but so many, the oldest first."""
    newest = select(_WRONG_GUESSES.c.last_at).order_by(_WRONG_GUESSES.c.last_at.desc()).offset(kept).limit(1)
    session.execute(delete(_WRONG_GUESSES).where(_WRONG_GUESSES.c.last_at <= before))
    session.execute(delete(_WRONG_GUESSES).where(_WRONG_GUESSES.c.last_at <= newest.scalar_subquery()))
