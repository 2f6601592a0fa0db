"""Events in, events out, without a broker between."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.message import Message
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from services.accounts.accounts import Accounts
from services.accounts.consumers import handlers
from services.accounts.ledger.transfers import Balance
from services.accounts.mail.models import OutgoingMail
from services.accounts.plans.models import PriceKind
from services.accounts.plans.service import NewPrice, set_price
from services.accounts.security_events import repository as security_events
from services.accounts.security_events.kinds import Kind
from services.kit.events.codec import Event
from services.kit.events.contracts import broken
from services.kit.events.errors import InvalidMessage, RetryLater
from services.kit.events.topics import AUDIT, JOBS_EVENTS, JOBS_INTERNAL, WEBHOOKS, Topic, type_of
from services.kit.ids import new_id
from services.kit.protos import audit_pb2, billing_pb2, jobs_pb2, prices_pb2, webhooks_pb2
from tests.databases import on_sqlite
from tests.messages import sample
from tests.services.accounts.conftest import Outbox
from tests.services.accounts.ledger.billing_cases import Money

Deliver = Callable[..., None]


@pytest.fixture
def money(accounts: Accounts) -> Money:
    return Money.of_new_user(accounts)


@pytest.fixture
def deliver(accounts: Accounts) -> Deliver:
    known = handlers(accounts)

    def send(data: Any, kind: str | None = None) -> None:
        problem = broken(data) if isinstance(data, Message) else None
        if problem is not None:
            raise InvalidMessage(problem)
        handler = known[type(data) if isinstance(data, Message) else str(kind)]
        handler(_heard(data, JOBS_INTERNAL if isinstance(data, Message) else JOBS_EVENTS, kind))

    return send


def _heard(data: Any, topic: Topic, kind: str | None = None) -> Event:
    return Event(
        id=new_id("evt"),
        type=type_of(type(data)) if isinstance(data, Message) else str(kind),
        source="/stemwright/orchestrator",
        subject=None,
        time=datetime.now(UTC),
        traceparent=None,
        topic=topic.name,
        partition=0,
        offset=0,
        key="key",
        data=data,
        account_id=None,
    )


def _asked(money: Money, job_id: str, price: int = 100, mode: Any = jobs_pb2.JOB_MODE_FULL) -> Message:
    return jobs_pb2.ReservationRequested(job_id=job_id, account_id=money.account_id, price_credits=price, mode=mode)


def _job(money: Money, job_id: str) -> dict[str, Any]:
    return {"job": {"id": job_id, "account_id": money.account_id, "mode": "full", "price_credits": 100}}


@pytest.mark.parametrize(
    ("kind", "settlement", "available"),
    [
        ("job.succeeded", billing_pb2.SETTLEMENT_CAPTURED, 500),
        ("job.failed", billing_pb2.SETTLEMENT_RELEASED, 600),
        ("job.canceled", billing_pb2.SETTLEMENT_RELEASED, 600),
        ("job.rejected", billing_pb2.SETTLEMENT_RELEASED, 600),
    ],
)
def test_each_end_of_a_job_settles_as_it_should_however_often_it_comes(
    deliver: Deliver, money: Money, outbox: Outbox, kind: str, settlement: int, available: int
) -> None:
    job_id = new_id("job")
    for _ in range(3):
        deliver(_asked(money, job_id))
    for _ in range(3):
        deliver(_job(money, job_id), kind)

    assert len(outbox.messages(billing_pb2.ReservationGranted)) == 3
    assert [told.settlement for told in outbox.messages(billing_pb2.ReservationSettled)] == [settlement] * 3
    assert money.balance == Balance(available=available, reserved=0, version=3)


def test_a_preview_is_told_by_its_mode(deliver: Deliver, money: Money, outbox: Outbox) -> None:
    deliver(_asked(money, new_id("job"), price=0, mode=jobs_pb2.JOB_MODE_PREVIEW))

    assert isinstance(outbox.last(), billing_pb2.ReservationGranted)
    assert money.balance.version == 1


def test_a_balance_is_told_to_whoever_asks(deliver: Deliver, money: Money, outbox: Outbox) -> None:
    deliver(jobs_pb2.BalanceRequested(account_id=money.account_id))

    assert outbox.last() == billing_pb2.BalanceChanged(
        account_id=money.account_id,
        balance=billing_pb2.Balance(available_credits=600, reserved_credits=0, version=1, previews_left=3),
    )


def test_what_a_second_costs_is_told_to_whoever_asks(deliver: Deliver, outbox: Outbox, accounts: Accounts) -> None:
    with accounts.database.write() as session:
        made = set_price(session, NewPrice(PriceKind.RATE, "*/fast", "Separation", rate_millicredits=1200)).id
    for _ in range(2):
        deliver(jobs_pb2.RatesRequested(product="separation"))

    told = outbox.messages(prices_pb2.RatesTold)
    assert len(told) == 3
    rates = {rate.rate_id: (rate.model, rate.tier, rate.millicredits_per_second) for rate in told[-1].rates}
    assert rates[made] == ("*", "fast", 1200)
    assert told[2].rates == told[1].rates == told[0].rates


def test_an_unknown_account_has_nothing(deliver: Deliver, outbox: Outbox) -> None:
    deliver(jobs_pb2.BalanceRequested(account_id=new_id("usr")))

    assert outbox.last().balance == billing_pb2.Balance()


@on_sqlite
@pytest.mark.parametrize(
    "change",
    [
        {"job_id": ""},
        {"job_id": "job_x"},
        {"job_id": "upl_01jd3k0000000000000000000a"},
        {"account_id": ""},
        {"account_id": "usr_" + "0" * 100},
        {"mode": jobs_pb2.JOB_MODE_UNSPECIFIED},
        {"mode": 99},
        {"price_credits": 0},
        {"mode": jobs_pb2.JOB_MODE_PREVIEW},
    ],
)
def test_a_question_that_makes_no_sense_is_no_message_for_us(
    deliver: Deliver, money: Money, outbox: Outbox, change: dict[str, Any]
) -> None:
    told = len(outbox.messages())
    asked = _asked(money, new_id("job"))
    for name, value in change.items():
        setattr(asked, name, value)

    with pytest.raises(InvalidMessage):
        deliver(asked)

    assert len(outbox.messages()) == told


def test_a_job_of_another_account_is_no_message_for_us(accounts: Accounts, deliver: Deliver, money: Money) -> None:
    job_id = new_id("job")
    deliver(_asked(money, job_id))
    stranger = Money.of_new_user(accounts)

    with pytest.raises(InvalidMessage):
        deliver(_job(stranger, job_id), "job.canceled")

    assert money.balance.reserved == 100


def test_while_the_database_is_away_the_question_waits(
    accounts: Accounts, deliver: Deliver, money: Money, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise OperationalError("SELECT 1", {}, Exception("connection refused"))

    monkeypatch.setattr(accounts.billing, "reserve", away)

    with pytest.raises(RetryLater):
        deliver(_asked(money, new_id("job")))


def test_an_answer_and_its_effect_are_one_transaction(
    accounts: Accounts, deliver: Deliver, money: Money, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = len(outbox.messages())

    def fails(*_: object) -> None:
        raise RuntimeError("the process dies here")

    monkeypatch.setattr("services.kit.outbox.add", fails)

    with pytest.raises(RuntimeError):
        deliver(_asked(money, new_id("job")))

    assert money.balance == Balance(available=600, reserved=0, version=1)
    assert len(outbox.messages()) == told


def test_a_preview_that_ran_and_was_canceled_counts(deliver: Deliver, money: Money, outbox: Outbox) -> None:
    """Whoever cancels at the last moment has had a processor for nothing."""
    for started, left in ((None, 3), ("2026-01-01T00:00:00Z", 2)):
        job_id = new_id("job")
        deliver(_asked(money, job_id, price=0, mode=jobs_pb2.JOB_MODE_PREVIEW))
        assert outbox.last().balance.previews_left == 2
        ended = _job(money, job_id)
        ended["job"]["started_at"] = started
        deliver(ended, "job.canceled")
        assert outbox.last().balance.previews_left == left


def test_a_preview_that_failed_gives_its_place_back(deliver: Deliver, money: Money, outbox: Outbox) -> None:
    job_id = new_id("job")
    deliver(_asked(money, job_id, price=0, mode=jobs_pb2.JOB_MODE_PREVIEW))
    ended = _job(money, job_id)
    ended["job"]["started_at"] = "2026-01-01T00:00:00Z"
    deliver(ended, "job.failed")
    assert outbox.last().balance.previews_left == 3


def test_the_owner_of_a_webhook_that_is_disabled_is_written_to_once(accounts: Accounts, money: Money) -> None:
    told = sample(webhooks_pb2.WebhookEndpointDisabled)
    told.account_id = money.account_id
    heard = _heard(told, WEBHOOKS)
    for _ in range(2):
        handlers(accounts)[webhooks_pb2.WebhookEndpointDisabled](heard)
    with accounts.database.read() as session:
        [mail] = session.scalars(select(OutgoingMail).where(OutgoingMail.template == "webhook-disabled")).all()
        [noted] = security_events.page(session, kind=Kind.WEBHOOK_ENDPOINT_DISABLED, before=None, limit=10)
    assert mail.values["url"] == told.endpoint_url
    assert (noted.account_id, noted.actor, noted.details["target"]) == (money.account_id, None, told.endpoint_id)

    told.account_id = new_id("usr")  # who was erased
    handlers(accounts)[webhooks_pb2.WebhookEndpointDisabled](_heard(told, WEBHOOKS))
    with accounts.database.read() as session:
        assert len(session.scalars(select(OutgoingMail)).all()) == 1


def test_what_an_operator_did_is_in_the_audit_log_once(accounts: Accounts) -> None:
    operator, owner, job = new_id("usr"), new_id("usr"), new_id("job")
    acted = audit_pb2.OperatorActed(
        operator_id=operator, action="job_requeued", account_id=owner, target_id=job, reason="A full disk"
    )
    acted.acted_at.FromDatetime(datetime(2026, 11, 22, 12, tzinfo=UTC))
    heard = _heard(acted, AUDIT)
    for _ in range(2):
        handlers(accounts)[audit_pb2.OperatorActed](heard)

    with accounts.database.read() as session:
        [noted] = security_events.page(session, kind=Kind.JOB_REQUEUED, before=None, limit=10)
    assert (noted.actor, noted.account_id, noted.details) == (operator, owner, {"target": job, "reason": "A full disk"})
    acted.action = "signed_in"  # which is for nobody to say but the account
    with pytest.raises(InvalidMessage):
        handlers(accounts)[audit_pb2.OperatorActed](_heard(acted, AUDIT))
