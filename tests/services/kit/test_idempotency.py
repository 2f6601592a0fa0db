import threading
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import pytest
from pydantic import BaseModel

from services.kit.database import Database, WriteSession
from services.kit.errors import Conflict
from services.kit.idempotency import (
    WAITING_MAX,
    Answer,
    IdempotencyConflict,
    IdempotencyInProgress,
    idempotent,
)
from tests.databases import PATIENCE_SECONDS, MakeDatabase


class Body(BaseModel):
    name: str = "song"


class Maker:
    """Makes numbered things and counts them."""

    def __init__(self) -> None:
        self.made = 0
        self.answered = 0
        self.fail = False
        self.hold: threading.Event | None = None

    def create(self, _session: WriteSession) -> str:
        if self.fail:
            raise Conflict("not now")
        self.made += 1
        return f"thing-{self.made}"

    def respond(self, resource_id: str) -> Answer:
        if self.hold is not None:
            self.hold.wait(PATIENCE_SECONDS)
        self.answered += 1
        return 201, {"id": resource_id, "answer": self.answered}

    def post(self, database: Database, **changes: Any) -> Any:
        call = {"account_id": "usr_1", "key": "k", "operation": "make", "body": Body(), **changes}
        return idempotent(database, create=self.create, respond=self.respond, **call)


def begun(maker: Maker, first: "Future[Any]") -> None:
    """Waits until the first request is under way, which is held."""
    while not maker.made:
        assert not first.done()
        threading.Event().wait(0.01)


def test_the_first_answer_is_given_again(database: Database) -> None:
    maker = Maker()
    first, second = maker.post(database), maker.post(database)
    assert first.body == second.body
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.headers["idempotent-replay"] == "true"
    assert maker.made == 1


def test_without_a_key_every_request_makes_a_thing(database: Database) -> None:
    maker = Maker()
    maker.post(database, key=None)
    maker.post(database, key=None)
    assert maker.made == 2


def test_another_body_or_operation_under_the_key_is_refused(database: Database) -> None:
    maker = Maker()
    maker.post(database)
    for change in ({"body": Body(name="other")}, {"operation": "other"}):
        with pytest.raises(IdempotencyConflict):
            maker.post(database, **change)


def test_keys_of_two_accounts_have_nothing_to_do_with_each_other(database: Database) -> None:
    maker = Maker()
    maker.post(database)
    maker.post(database, account_id="usr_2", body=Body(name="other"))
    assert maker.made == 2


def test_fifty_in_a_row_as_many_at_once_as_may_wait_make_one_thing_and_get_one_answer(database: Database) -> None:
    maker = Maker()
    with ThreadPoolExecutor(1 + WAITING_MAX) as pool:
        answers = {bytes(answer.body) for answer in pool.map(lambda _: maker.post(database), range(50))}
    assert maker.made == 1
    assert len(answers) == 1


def test_a_failure_leaves_the_key_free(database: Database) -> None:
    maker = Maker()
    maker.fail = True
    with pytest.raises(Conflict):
        maker.post(database)
    maker.fail = False
    assert maker.post(database).status_code == 201


def test_who_asks_while_the_first_answer_is_long_in_coming_is_told_to_come_back(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.kit.idempotency.WAIT_SECONDS", 0.1)
    maker = Maker()
    maker.hold = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(maker.post, database)
        try:
            begun(maker, first)
            with pytest.raises(IdempotencyInProgress) as refused:
                maker.post(database)
        finally:
            maker.hold.set()
        assert first.result(timeout=60).status_code == 201
    assert refused.value.headers["Retry-After"] == "1"


def test_of_many_that_ask_meanwhile_few_wait_and_the_others_are_told_to_come_back_at_once(
    make_database: MakeDatabase,
) -> None:
    now = datetime(2026, 12, 1, tzinfo=UTC)
    database = make_database("orchestrator", clock=lambda: now)
    maker = Maker()
    maker.hold = threading.Event()
    with ThreadPoolExecutor(64) as pool:
        requests = [pool.submit(maker.post, database) for _ in range(64)]
        try:
            # The first answer is not there before the others are: none of those that wait ends by itself.
            others = list(islice(as_completed(requests, timeout=PATIENCE_SECONDS / 2), 63 - WAITING_MAX))
        finally:
            maker.hold.set()
    for other in others:
        assert isinstance(other.exception(), IdempotencyInProgress)
    answers = {bytes(request.result().body) for request in requests if request not in others}
    assert len(answers) == 1
    assert maker.made == 1


def test_a_place_to_wait_is_free_again_whatever_came_of_waiting(database: Database, monkeypatch: Any) -> None:
    monkeypatch.setattr("services.kit.idempotency.WAIT_SECONDS", 0)
    maker = Maker()
    maker.hold = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(maker.post, database)
        try:
            begun(maker, first)
            for _ in range(2 * WAITING_MAX):
                with pytest.raises(IdempotencyInProgress):
                    maker.post(database)
        finally:
            maker.hold.set()
    assert maker.post(database).body == first.result().body


def test_the_answer_of_a_process_that_died_in_between_is_made_anew(make_database: MakeDatabase) -> None:
    now = datetime(2026, 11, 22, tzinfo=UTC)
    database = make_database("orchestrator", clock=lambda: now)
    maker = Maker()

    def die(_resource_id: str) -> Answer:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        idempotent(
            database, account_id="usr_1", key="k", operation="make", body=Body(), create=maker.create, respond=die
        )
    now += timedelta(seconds=11)
    assert maker.post(database).status_code == 201
    assert maker.made == 1
