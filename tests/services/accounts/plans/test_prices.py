"""Prices over the API: shown to everybody, set by administrators, never changed after the fact."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import delete, select

from services.accounts.accounts import Accounts
from services.accounts.plans.errors import PriceNotFound
from services.accounts.plans.models import Price, PriceKind
from services.accounts.plans.service import RATES_MAX, NewPrice, on_sale, set_price
from services.kit.database import Database
from services.kit.migrations import migrate
from services.kit.protos import prices_pb2
from tests.clocks import Clock
from tests.databases import on_sqlite
from tests.ids import numbered
from tests.services.accounts.conftest import Join, Outbox, Person

PACK = {
    "kind": "pack",
    "code": "big",
    "name": "Big",
    "credits": 1000,
    "amount_minor": 990,
    "currency": "eur",
}
PLAN = {**PACK, "kind": "plan", "code": "free"}
RATE = {"kind": "rate", "name": "Separation", "model": "*", "tier": "fast", "millicredits_per_second": 1500}

Prices = Callable[[], dict[str, Any]]


@pytest.fixture
def prices(client: TestClient, database: Database) -> Prices:
    """What anybody sees; the list is empty at first."""
    with database.write() as session:
        session.execute(delete(Price))

    def read() -> dict[str, Any]:
        answer = client.get("/v1/billing/prices")
        assert answer.status_code == 200
        found: dict[str, Any] = answer.json()
        return found

    return read


def _set(admin: Person, price: dict[str, Any], **more: Any) -> dict[str, Any]:
    answer = admin.post("/v1/admin/prices", json={**price, **more})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def test_everybody_sees_packs_plans_and_rates(admin: Person, prices: Prices) -> None:
    assert prices() == {"packs": [], "plans": [], "rates": [], "previews_per_day": 3}

    pack, plan, rate = _set(admin, PACK), _set(admin, PLAN), _set(admin, RATE)

    terms = {"name": "Big", "amount_minor": 990, "currency": "eur"}
    assert prices() == {
        "packs": [{"id": pack["id"], "code": "big", "credits": 1000, **terms}],
        "plans": [{"id": plan["id"], "code": "free", "credits_per_month": 1000, "previews_per_day": 3, **terms}],
        "rates": [{"id": rate["id"], "model": "*", "tier": "fast", "credits_per_second": 1.5}],
        "previews_per_day": 3,
    }


def test_a_new_price_takes_the_place_of_the_old_one_which_stays_known(
    admin: Person, prices: Prices, clock: Clock
) -> None:
    old = _set(admin, PACK)
    clock.advance(hours=1)
    new = _set(admin, PACK, amount_minor=1090)

    assert [pack["id"] for pack in prices()["packs"]] == [new["id"]]
    versions = admin.get("/v1/admin/prices").json()["items"]
    assert [version["amount_minor"] for version in versions] == [1090, 990]
    assert versions[1] == {**old, "valid_to": new["valid_from"]}


def test_a_price_that_begins_later_holds_from_then_on(admin: Person, prices: Prices, clock: Clock) -> None:
    _set(admin, PACK)
    begins = clock.now.isoformat()
    clock.advance(days=-2)
    _set(admin, PACK, amount_minor=500, valid_from=begins)
    assert prices()["packs"] == []

    clock.advance(days=2)
    assert [pack["amount_minor"] for pack in prices()["packs"]] == [500]


def test_the_last_word_counts_where_two_are_to_begin_later(admin: Person, prices: Prices, clock: Clock) -> None:
    _set(admin, PACK)
    soon, later = clock.now.replace(year=2090), clock.now.replace(year=2091)
    _set(admin, PACK, amount_minor=2, valid_from=later.isoformat())
    _set(admin, PACK, amount_minor=1, valid_from=soon.isoformat())

    for moment, amount in [(clock.now, 990), (soon, 1), (later, 1)]:
        clock.now = moment
        assert [pack["amount_minor"] for pack in prices()["packs"]] == [amount]


def test_a_price_is_withdrawn(admin: Person, prices: Prices) -> None:
    pack = _set(admin, PACK)
    for _ in range(2):
        assert admin.delete(f"/v1/admin/prices/{pack['id']}").status_code == 204
    assert prices()["packs"] == []
    unknown = admin.delete("/v1/admin/prices/prc_01jd3k0000000000000000000a")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "price_not_found")


def _told(outbox: Outbox) -> list[tuple[str, str, int, bool]]:
    """The newest list of rates that others were told: model, tier, rate, and whether it has an end."""
    message = outbox.messages(prices_pb2.RatesTold)[-1]
    return [(told.model, told.tier, told.millicredits_per_second, told.HasField("valid_to")) for told in message.rates]


def test_whoever_computes_with_rates_is_told_of_each_change(
    admin: Person, prices: Prices, outbox: Outbox, clock: Clock
) -> None:
    assert prices()["rates"] == []
    _set(admin, RATE)
    assert _told(outbox) == [("*", "fast", 1500, False)]

    clock.advance(hours=1)
    own = _set(admin, {**RATE, "model": "big-model", "millicredits_per_second": 4000})
    _set(admin, {**RATE, "millicredits_per_second": 1200})
    expected = {("*", "fast", 1500, True), ("big-model", "fast", 4000, False), ("*", "fast", 1200, False)}
    assert set(_told(outbox)) == expected

    clock.advance(hours=1)
    assert admin.delete(f"/v1/admin/prices/{own['id']}").status_code == 204
    assert set(_told(outbox)) == expected - {("big-model", "fast", 4000, False)} | {("big-model", "fast", 4000, True)}
    clock.advance(days=3)
    _set(admin, {**RATE, "tier": "relaxed", "millicredits_per_second": 700})
    assert set(_told(outbox)) == {("*", "fast", 1200, False), ("*", "relaxed", 700, False)}
    assert len(outbox.messages(prices_pb2.RatesTold)) == 5


def test_a_pack_is_nobodys_rate(admin: Person, outbox: Outbox) -> None:
    _set(admin, PACK)
    assert outbox.messages(prices_pb2.RatesTold) == []


def test_the_rate_of_every_model_is_replaced_and_never_withdrawn(admin: Person, prices: Prices, clock: Clock) -> None:
    now = _set(admin, RATE)
    later = _set(admin, RATE, valid_from=clock.now.replace(year=2090).isoformat())

    for version in (now, later):
        refused = admin.delete(f"/v1/admin/prices/{version['id']}")
        assert (refused.status_code, refused.json()["code"]) == (409, "price_needed")
    assert [rate["credits_per_second"] for rate in prices()["rates"]] == [1.5]


def test_no_more_rates_than_can_be_told(admin: Person, prices: Prices, database: Database, outbox: Outbox) -> None:
    assert prices()["rates"] == []
    fallback = _set(admin, RATE)
    with database.write() as session:
        begins = session.now()
        session.add_all(
            Price(
                id=numbered("prc", number),
                kind="rate",
                code=f"model-{number}/fast",
                name="A model",
                rate_millicredits=1000,
                valid_from=begins,
                created_at=begins,
            )
            for number in range(1, RATES_MAX)
        )

    refused = admin.post("/v1/admin/prices", json={**RATE, "model": "one-more"})
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_rates")
    _set(admin, {**RATE, "model": "model-7"})
    told = outbox.messages(prices_pb2.RatesTold)[-1]
    assert fallback["id"] in {rate.rate_id for rate in told.rates}
    assert len(told.rates) == RATES_MAX


def test_only_what_is_sold_now_can_be_bought(admin: Person, accounts: Accounts, clock: Clock) -> None:
    pack = _set(admin, PACK)
    rate = _set(admin, RATE)["id"]
    future = _set(admin, {**PACK, "code": "other"}, valid_from=clock.now.replace(year=2090).isoformat())
    over = _set(admin, {**PACK, "code": "over"})
    admin.delete(f"/v1/admin/prices/{over['id']}")

    with accounts.database.read() as session:
        assert on_sale(session, pack["id"]).credits == 1000
        for refused in (rate, future["id"], over["id"]):
            with pytest.raises(PriceNotFound):
                on_sale(session, refused)


@on_sqlite
@pytest.mark.parametrize(
    "wrong",
    [
        {"currency": "Eur"},
        {"currency": "euro"},
        {"amount_minor": -1},
        {"amount_minor": 9.9},
        {"credits": 0},
        {"credits": 2**53},
        {"code": "A b"},
        {"kind": "gift"},
        {"tier": "fast"},
        {"kind": "rate"},
        {"valid_from": "2030-01-01T00:00:00"},
    ],
    ids=str,
)
def test_a_price_that_makes_no_sense_is_refused(admin: Person, prices: Prices, wrong: dict[str, Any]) -> None:
    assert admin.post("/v1/admin/prices", json={**PACK, **wrong}).status_code == 422
    assert prices()["packs"] == []


@on_sqlite
@pytest.mark.parametrize(
    "wrong",
    [
        {"millicredits_per_second": 0},
        {"millicredits_per_second": 1_000_001},
        {"millicredits_per_second": 1.5},
        {"tier": "slow"},
        {"model": "a/b"},
        {"model": "x" * 33},
        {"model": ""},
        {"credits": 5},
    ],
    ids=str,
)
def test_a_rate_that_makes_no_sense_is_refused(admin: Person, prices: Prices, wrong: dict[str, Any]) -> None:
    assert admin.post("/v1/admin/prices", json={**RATE, **wrong}).status_code == 422
    assert prices()["rates"] == []


def test_no_price_is_set_for_the_past(admin: Person, clock: Clock) -> None:
    clock.advance(hours=1)
    past = (clock.now.replace(year=2020)).isoformat()
    refused = admin.post("/v1/admin/prices", json={**PACK, "valid_from": past})
    assert (refused.status_code, refused.json()["code"]) == (422, "price_in_the_past")


def test_the_same_order_sent_twice_sets_one_price(admin: Person) -> None:
    before = len(admin.get("/v1/admin/prices").json()["items"])
    key = {"Idempotency-Key": "one"}
    made = [admin.post("/v1/admin/prices", headers=key, json=PACK).json()["id"] for _ in range(2)]

    assert made[0] == made[1]
    assert len(admin.get("/v1/admin/prices").json()["items"]) == before + 1


def test_prices_are_listed_in_pages(admin: Person, database: Database) -> None:
    with database.write() as session:
        session.execute(delete(Price))
    ids = [_set(admin, {**PACK, "code": f"pack-{number}"})["id"] for number in range(3)]

    first = admin.get("/v1/admin/prices", params={"limit": 2}).json()
    second = admin.get("/v1/admin/prices", params={"limit": 2, "cursor": first["next_cursor"]}).json()

    assert [item["id"] for item in first["items"] + second["items"]] == ids[::-1]
    assert second["next_cursor"] is None


def test_prices_are_not_a_users_to_set(join: Join) -> None:
    person = join()
    assert person.post("/v1/admin/prices", json=PACK).status_code == 403
    assert person.get("/v1/admin/prices").status_code == 403


def test_who_set_and_withdrew_a_price_is_in_the_audit_log(admin: Person) -> None:
    pack = _set(admin, PACK)
    for _ in range(2):
        assert admin.delete(f"/v1/admin/prices/{pack['id']}").status_code == 204

    entries = admin.get("/v1/admin/audit-log", params={"limit": 10}).json()["items"]
    about = [entry for entry in entries if entry["kind"].startswith("price_")]
    assert [(entry["kind"], entry["actor"], entry["details"]["price"]) for entry in about] == [
        ("price_withdrawn", admin.account_id, pack["id"]),
        ("price_set", admin.account_id, pack["id"]),
    ]
    assert about[1]["details"]["code"] == "pack big"


@pytest.mark.parametrize(("set_by_the_operator", "relaxed"), [(False, [500]), (True, [])])
def test_relaxed_work_gets_a_rate_where_nobody_has_set_any(
    tmp_path: Path, set_by_the_operator: bool, relaxed: list[int]
) -> None:
    url = f"sqlite:///{tmp_path}/accounts.db"
    migrate(url, "accounts", revision="0024")
    database = Database(url, "accounts")
    try:
        if set_by_the_operator:
            with database.write() as session:
                set_price(session, NewPrice(PriceKind.RATE, "*/fast", "Separation", rate_millicredits=300))
        migrate(url, "accounts")
        with database.read() as session:
            rates = session.scalars(select(Price.rate_millicredits).where(Price.code == "*/relaxed")).all()
        assert rates == relaxed
    finally:
        database.close()
