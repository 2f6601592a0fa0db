"""How often a password may be guessed."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select

from services.accounts.guesses import repository
from services.accounts.guesses.models import WrongGuesses
from services.accounts.guesses.throttle import (
    ATTACK_TRIES,
    FORGOTTEN_AFTER,
    LONGEST_WAIT,
    TRIES,
    Attempt,
    Throttle,
    tidy,
)
from services.accounts.sessions.errors import TooManyGuesses
from services.accounts.sessions.tokens import SigningKeys
from services.accounts.users.errors import TooManyMails
from services.kit.database import Database
from tests.clocks import Clock
from tests.services.accounts.conftest import PASSWORD, Join

HERE, THERE = "192.0.2.1", "192.0.2.2"


class Desk:
    """A process at which people try to sign in, with a clock that we move."""

    def __init__(self, database: Database, clock: Clock, keys: SigningKeys) -> None:
        self._database = database
        self.clock = clock
        self.throttle = Throttle(keys, TooManyGuesses)

    @contextmanager
    def trying(self, network: str = HERE, account: str = "ada") -> Iterator[Attempt]:
        """A try that was admitted and is being judged."""
        with self.throttle.attempt(account, network) as attempt:
            with self._database.read() as session:
                attempt.admit(session)
            yield attempt

    def wrong(self, network: str = HERE, account: str = "ada") -> int | None:
        """Makes a try, which is wrong; how long it would have to wait, if it is not judged."""
        try:
            with self.trying(network, account) as attempt, self._database.write() as session:
                attempt.count(session)
        except TooManyGuesses as error:
            return int(error.headers["Retry-After"])
        return None

    def heard(self, times: int, network: str = HERE, account: str = "ada") -> int:
        """How many of so many wrong tries, made at this moment, are judged."""
        return sum(self.wrong(network, account) is None for _ in range(times))

    def right(self, network: str = HERE) -> None:
        with self.trying(network) as attempt:
            assert attempt.remembered
            with self._database.write() as session:
                attempt.forget(session)


@pytest.fixture
def desk(database: Database, clock: Clock, keys: SigningKeys) -> Desk:
    return Desk(database, clock, keys)


def test_a_network_that_keeps_being_wrong_waits_twice_as_long_each_time(desk: Desk) -> None:
    assert desk.heard(20) == TRIES
    waits = []
    for _ in range(14):
        wait = desk.wrong()
        assert wait is not None
        waits.append(wait)
        desk.clock.advance(seconds=wait)
        assert desk.wrong() is None
    assert waits[:5] == [1, 2, 4, 8, 16]
    assert waits[-1] == LONGEST_WAIT.total_seconds()


def test_another_process_counts_on(desk: Desk, database: Database, keys: SigningKeys) -> None:
    other = Desk(database, desk.clock, keys)
    assert desk.heard(TRIES - 1) + other.heard(10) == TRIES
    desk.clock.advance(seconds=1)
    assert other.wrong() is None
    assert desk.wrong() == 2


def test_two_hundred_guesses_from_four_networks_are_mostly_not_judged(desk: Desk) -> None:
    judged = sum(desk.heard(50, f"192.0.2.{number}") for number in range(4))
    assert judged == 4 * TRIES
    assert desk.heard(50, "192.0.2.9") == 1


def test_who_guesses_elsewhere_locks_nobody_out(desk: Desk) -> None:
    for number in range(2 * ATTACK_TRIES):
        desk.heard(2, f"198.51.100.{number}")
    assert desk.wrong(HERE) is None
    desk.clock.advance(seconds=1)
    desk.right()
    assert desk.wrong(HERE) is None
    assert desk.heard(10, "198.51.100.1", "somebody else") == TRIES


def test_a_right_password_starts_the_count_of_its_network_anew(desk: Desk) -> None:
    for _ in range(TRIES + 2):
        assert desk.heard(1) == 1
        desk.right()
    assert desk.heard(20) == TRIES


def test_tries_are_forgotten_after_a_day(desk: Desk, database: Database) -> None:
    desk.heard(10)
    desk.clock.advance(seconds=FORGOTTEN_AFTER.total_seconds())
    assert desk.heard(10) == TRIES
    desk.clock.advance(seconds=FORGOTTEN_AFTER.total_seconds())
    with database.write() as session:
        tidy(session)
    assert _rows(database) == 0


def test_of_too_many_the_oldest_are_forgotten(desk: Desk, database: Database) -> None:
    for number in range(4):
        desk.wrong(THERE, f"nobody{number}")
        desk.clock.advance(seconds=1)
    with database.write() as session:
        repository.delete_old(session, desk.clock() - FORGOTTEN_AFTER, kept=4)
    assert _rows(database) == 4
    assert desk.heard(10, THERE, "nobody3") == TRIES - 1
    assert desk.heard(10, THERE, "nobody0") == TRIES


def test_many_guesses_at_once_are_as_many(desk: Desk) -> None:
    judged = [desk.trying() for _ in range(TRIES)]
    for one in judged:
        one.__enter__()
    with pytest.raises(TooManyGuesses), desk.trying():
        pass
    with desk.trying(THERE):
        pass
    for one in judged:
        one.__exit__(None, None, None)
    with desk.trying():
        pass


def test_after_a_wait_one_is_heard_at_a_time(desk: Desk) -> None:
    desk.heard(TRIES)
    desk.clock.advance(seconds=1)
    with desk.trying(), pytest.raises(TooManyGuesses), desk.trying():
        pass


def test_mails_and_passwords_are_counted_apart_and_nobody_is_named(
    desk: Desk, database: Database, keys: SigningKeys
) -> None:
    desk.heard(10, account="ada@example.com")
    with Throttle(keys, TooManyMails).attempt("ada@example.com", HERE) as attempt, database.read() as session:
        attempt.admit(session)
        assert not attempt.remembered
        keys_there = session.scalars(select(WrongGuesses.key)).all()
    assert len(keys_there) == 2
    assert not any("ada@" in key or HERE in key for key in keys_there)  # "ada" alone may stand in a digest


def _rows(database: Database) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(WrongGuesses)) or 0


@pytest.mark.parametrize("known", [True, False])
def test_guessing_over_http_is_slowed_down_and_the_owner_elsewhere_is_not(
    client: TestClient, join: Join, known: bool
) -> None:
    email = join().email if known else "nobody@example.com"

    def sign_in(password: str, address: str) -> int:
        form = {"grant_type": "password", "username": email, "password": password}
        answer = client.post("/v1/auth/token", data=form, headers={"X-Forwarded-For": address})
        assert (answer.status_code == 429) == ("retry-after" in answer.headers)
        return answer.status_code

    assert [sign_in("a wrong password", THERE) for _ in range(TRIES + 2)] == [400] * TRIES + [429] * 2
    assert sign_in(PASSWORD, THERE) == 429
    assert sign_in(PASSWORD, HERE) == (200 if known else 400)
