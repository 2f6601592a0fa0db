"""A person with an authenticator app."""

from typing import Any

from services.accounts.second_factor import codes
from tests.clocks import Clock
from tests.services.accounts.conftest import PASSWORD, Person

PATH = "/v1/me/second-factor"


class App:
    """What a person's authenticator app does."""

    def __init__(self, secret: str, clock: Clock) -> None:
        self.secret = secret
        self._clock = clock

    def code(self) -> str:
        """The next code that was not shown yet."""
        self._clock.advance(seconds=codes.STEP_SECONDS)
        return codes.code_at(self.secret, self._clock.now)


def begin(person: Person, password: str = PASSWORD) -> Any:
    return person.post(PATH, json={"password": password})


def turn_on(person: Person, clock: Clock) -> tuple[App, list[str]]:
    """The app and the recovery codes of a person who has turned it on."""
    begun = begin(person)
    assert begun.status_code == 201, begun.text
    assert begun.headers["cache-control"] == "no-store"
    app = App(begun.json()["secret"], clock)
    confirmed = person.post(f"{PATH}/confirm", json={"code": app.code()})
    assert confirmed.status_code == 200, confirmed.text
    return app, confirmed.json()["recovery_codes"]
