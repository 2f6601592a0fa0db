"""How often a password may be guessed."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi.testclient import TestClient

from services.accounts.errors import TooManyGuesses
from services.accounts.guesses import (
    ATTACK_TRIES,
    FORGOTTEN_AFTER_SECONDS,
    LONGEST_WAIT_SECONDS,
    MOST_REMEMBERED,
    TRIES,
    Guesses,
)
from tests.services.accounts.conftest import PASSWORD, Join

HERE, THERE = "192.0.2.1", "192.0.2.2"


class Desk:
    """Guesses at a desk with a clock that we move."""

    def __init__(self) -> None:
        self.now = 0.0
        self.guesses = Guesses(lambda: self.now)

    def heard(self, times: int, network: str = HERE, account: str = "ada") -> int:
        """How many of so many tries, made at this moment, are judged."""
        return sum(self.wait(network, account) is None for _ in range(times))

    def wait(self, network: str = HERE, account: str = "ada") -> int | None:
        """Makes a try; how long it would have to wait, if it is not judged."""
        try:
            self.guesses.begin(account, network)
        except TooManyGuesses as error:
            return int(error.headers["Retry-After"])
        return None


def test_an_address_that_keeps_being_wrong_waits_twice_as_long_each_time() -> None:
    desk = Desk()
    assert desk.heard(20) == TRIES
    waits = []
    for _ in range(14):
        wait = desk.wait()
        assert wait is not None
        waits.append(wait)
        desk.now += wait
        assert desk.wait() is None
    assert waits[:5] == [1, 2, 4, 8, 16]
    assert waits[-1] == LONGEST_WAIT_SECONDS


def test_two_hundred_guesses_from_four_addresses_are_mostly_not_judged() -> None:
    desk = Desk()
    judged = sum(desk.heard(50, f"192.0.2.{number}") for number in range(4))
    assert judged == 4 * TRIES
    assert desk.heard(50, "192.0.2.9") == 1


def test_who_guesses_elsewhere_locks_nobody_out() -> None:
    desk = Desk()
    for number in range(100):
        desk.heard(10, f"198.51.100.{number}")
    assert desk.wait(HERE) is None
    desk.guesses.right("ada", HERE)
    assert desk.wait(HERE) is None
    assert desk.heard(10, "198.51.100.1", "somebody else") == TRIES


def test_a_right_password_starts_the_count_of_its_address_anew() -> None:
    desk = Desk()
    for _ in range(ATTACK_TRIES + 5):
        assert desk.heard(1) == 1
        desk.guesses.right("ada", HERE)
    assert desk.heard(20) == TRIES


def test_tries_are_forgotten_after_a_day_and_bounded_in_number() -> None:
    desk = Desk()
    desk.heard(10)
    desk.now += FORGOTTEN_AFTER_SECONDS
    assert desk.heard(10) == TRIES
    for number in range(MOST_REMEMBERED + 10):
        desk.guesses.begin(f"nobody{number}", THERE)
    assert len(desk.guesses._addresses._of) == MOST_REMEMBERED
    assert len(desk.guesses._accounts._of) == MOST_REMEMBERED


def test_many_guesses_at_once_are_as_many() -> None:
    desk = Desk()
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda _: desk.wait() is None, range(64))) == TRIES


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
