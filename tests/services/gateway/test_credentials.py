"""Tokens and keys: what is asked, how often, and what is remembered."""

import asyncio

import pytest

from services.gateway.credentials import Credentials, bearer
from services.gateway.errors import BadRequest, InvalidKey, UpstreamDown
from services.gateway.revocations import Revocations, RevokedSince
from services.kit.auth import InvalidToken, Principal
from services.kit.errors import Unauthorized
from tests.clocks import MonotonicClock


class Verifier:
    """Knows tokens of the form `token-of-<account>`."""

    def __init__(self) -> None:
        self.asked = 0

    def verify(self, token: str) -> Principal:
        self.asked += 1
        if not token.startswith("token-of-"):
            raise InvalidToken
        return Principal(token.removeprefix("token-of-"), frozenset(), frozenset(), "id")


class Accounts:
    """Exchanges `sk_<account>`, except `sk_bad`."""

    def __init__(self) -> None:
        self.asked = 0
        self.away = False

    async def exchange(self, key: str) -> str | None:
        self.asked += 1
        await asyncio.sleep(0)
        if self.away:
            raise UpstreamDown
        return None if key == "sk_bad" else f"token-of-{key.removeprefix('sk_')}"


class Scene:
    def __init__(self, entries: int = 100) -> None:
        self.verifier, self.accounts, self.clock = Verifier(), Accounts(), MonotonicClock(0)
        self.ended: list[str] = []
        self.changed: dict[str, int] = {}
        revocations = Revocations(self.told, fresh_seconds=1, outage_seconds=60, clock=self.clock)
        self.credentials = Credentials(
            self.verifier, self.accounts.exchange, revocations, key_seconds=60, entries=entries, clock=self.clock
        )

    async def told(self, _mark: str | None) -> RevokedSince:
        return RevokedSince(self.ended, "now", self.changed)


def test_a_token_is_checked_once_and_passed_on() -> None:
    async def run() -> None:
        scene = Scene()
        for _ in range(5):
            credential = await scene.credentials.of("token-of-usr_a")
            assert credential.account_id == "usr_a"
            assert credential.authorization == b"Bearer token-of-usr_a"
        assert scene.verifier.asked == 1

    asyncio.run(run())


def test_a_bad_token_is_refused_every_time() -> None:
    async def run() -> None:
        scene = Scene()
        for _ in range(3):
            with pytest.raises(InvalidToken):
                await scene.credentials.of("nonsense")

    asyncio.run(run())


def test_a_key_is_exchanged_and_never_passed_on() -> None:
    async def run() -> None:
        scene = Scene()
        credential = await scene.credentials.of("sk_usr_a")
        assert credential.authorization == b"Bearer token-of-usr_a"
        assert credential.account_id == "usr_a"

    asyncio.run(run())


def test_a_hundred_requests_with_one_key_ask_once() -> None:
    async def run() -> None:
        scene = Scene()
        await asyncio.gather(*(scene.credentials.of("sk_usr_a") for _ in range(100)))
        await scene.credentials.of("sk_usr_a")
        assert scene.accounts.asked == 1

    asyncio.run(run())


def test_a_key_is_asked_about_again_after_its_time() -> None:
    async def run() -> None:
        scene = Scene()
        await scene.credentials.of("sk_usr_a")
        scene.clock.now = 59.9
        await scene.credentials.of("sk_usr_a")
        assert scene.accounts.asked == 1
        scene.clock.now = 60.0
        await scene.credentials.of("sk_usr_a")
        assert scene.accounts.asked == 2

    asyncio.run(run())


def test_a_wrong_key_is_refused_without_asking_again_at_once() -> None:
    async def run() -> None:
        scene = Scene()
        for _ in range(10):
            with pytest.raises(InvalidKey):
                await scene.credentials.of("sk_bad")
        assert scene.accounts.asked == 1
        scene.clock.now = 11.0
        with pytest.raises(InvalidKey):
            await scene.credentials.of("sk_bad")
        assert scene.accounts.asked == 2

    asyncio.run(run())


@pytest.mark.parametrize(("presented", "error"), [("token-of-usr_a", InvalidToken), ("sk_usr_a", InvalidKey)])
def test_what_was_ended_is_refused_a_second_later_whatever_is_kept(presented: str, error: type[Exception]) -> None:
    async def run() -> None:
        scene = Scene()
        await scene.credentials.of(presented)
        scene.ended = ["id"]
        scene.clock.now = 1.0
        with pytest.raises(error):
            await scene.credentials.of(presented)

    asyncio.run(run())


def test_accounts_being_away_is_not_remembered() -> None:
    async def run() -> None:
        scene = Scene()
        scene.accounts.away = True
        with pytest.raises(UpstreamDown):
            await scene.credentials.of("sk_usr_a")
        scene.accounts.away = False
        assert (await scene.credentials.of("sk_usr_a")).account_id == "usr_a"

    asyncio.run(run())


def test_a_caller_who_leaves_does_not_cancel_the_others() -> None:
    async def run() -> None:
        scene = Scene()
        first = asyncio.create_task(scene.credentials.of("sk_usr_a"))
        second = asyncio.create_task(scene.credentials.of("sk_usr_a"))
        await asyncio.sleep(0)
        first.cancel()
        assert (await second).account_id == "usr_a"

    asyncio.run(run())


def test_what_is_remembered_is_bounded_and_holds_no_credential() -> None:
    async def run() -> None:
        scene = Scene(entries=10)
        for number in range(100):
            await scene.credentials.of(f"sk_{number}")
        keys, accounts = scene.credentials._of_secrets, scene.credentials._verified
        assert (len(keys), len(accounts)) == (10, 10)
        assert all(len(digest) == 32 for digest in [*keys, *accounts])
        assert not scene.credentials._under_way

    asyncio.run(run())


@pytest.mark.parametrize(
    ("header", "credential"),
    [(None, None), (b"Bearer abc", "abc"), (b"bearer  abc ", "abc"), (b"BEARER sk_x", "sk_x")],
)
def test_the_credential_of_a_header(header: bytes | None, credential: str | None) -> None:
    assert bearer(header) == credential


@pytest.mark.parametrize("header", [b"", b"Bearer", b"Bearer ", b"Basic abc", b"Bearer a b", b"abc"])
def test_headers_without_a_credential(header: bytes) -> None:
    with pytest.raises(Unauthorized):
        bearer(header)


def test_headers_that_are_no_credential() -> None:
    with pytest.raises(BadRequest):
        bearer(b"Bearer \xff")
    with pytest.raises(InvalidToken):
        bearer(b"Bearer " + b"a" * 5000)


def test_a_token_from_before_a_change_of_the_account_is_refused_and_a_key_is_exchanged_anew() -> None:
    async def run() -> None:
        scene = Scene()
        await scene.credentials.of("token-of-usr_a")
        await scene.credentials.of("sk_usr_a")
        scene.changed = {"usr_a": 1000}
        scene.clock.now += 2

        with pytest.raises(InvalidToken):
            await scene.credentials.of("token-of-usr_a")
        assert (await scene.credentials.of("sk_usr_a")).account_id == "usr_a"
        assert scene.accounts.asked == 2
        assert (await scene.credentials.of("token-of-usr_b")).account_id == "usr_b"

    asyncio.run(run())
