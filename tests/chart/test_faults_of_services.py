"""Alerts on faults of accounts, orchestrator and worker that happen, as in `test_faults.py`."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from sqlalchemy import text, update

from tests.broker import Broker
from tests.chart.observed import Observed, needs_promtool, scraped
from tests.clocks import Clock
from tests.databases import MakeDatabase, on_sqlite
from tests.ids import numbered
from tests.made_settings import made_settings

if TYPE_CHECKING:  # services take a second to import, which the tests alone need
    from services.accounts.accounts import Accounts
    from tests.services.orchestrator.world import World

pytestmark = needs_promtool
ADDRESS = "ada@example.com"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def accounts(make_database: MakeDatabase, clock: Clock) -> "Accounts":
    from services.accounts.accounts import Accounts
    from services.accounts.sessions.tokens import SigningKeys
    from services.accounts.settings import Settings

    settings = made_settings(Settings, verify_email=False, password_memory_kib=8)
    return Accounts.build(settings, make_database("accounts", clock=clock), SigningKeys.generate())


@pytest.fixture
def person(accounts: "Accounts") -> str:
    """Somebody with an account."""
    from services.accounts.security_events.origin import Origin
    from services.accounts.users.emails import parse

    new = accounts.users.prepare(parse(ADDRESS), "correct horse battery", None)
    with accounts.database.write() as session:
        return accounts.users.register(session, new, Origin())


@on_sqlite
def test_a_balance_that_nobody_has_booked(accounts: "Accounts", person: str, tmp_path: Path) -> None:
    from services.accounts.ledger.check import check_and_tell
    from services.accounts.ledger.models import AccountBalance

    check_and_tell(accounts.database)
    observed = Observed("accounts")
    with accounts.database.write() as session:
        session.execute(update(AccountBalance).where(AccountBalance.account_id == person).values(available=1))
    assert not check_and_tell(accounts.database).ok
    assert observed.fires("StemwrightLedgerFault", tmp_path, minutes=1)


@on_sqlite
def test_a_check_of_the_books_that_ends_in_a_defect_each_night(
    accounts: "Accounts", clock: Clock, tmp_path: Path
) -> None:
    from services.accounts.sweeper import NightlyCheck
    from services.kit.periodic import Periodic

    stop, check = threading.Event(), NightlyCheck(accounts.database, accounts.provider_totals)
    checked = "stemwright_accounts_ledger_checked_timestamp_seconds"

    def one_round() -> None:
        stop.set()
        check()

    def night() -> float:
        """When the books were last checked, as it is told after this night."""
        clock.now += timedelta(days=1)
        stop.clear()
        Periodic("ledger-check", 0.001, one_round).run(stop)
        [told] = (value for name, value in scraped("accounts").items() if name.startswith(checked))
        return told

    assert night() == clock.now.timestamp()
    observed = Observed("accounts", clocks=[checked])
    with accounts.database.write() as session:
        session.execute(text("ALTER TABLE ledger_entries RENAME TO elsewhere"))
    assert night() < clock.now.timestamp()
    assert observed.fires("StemwrightLedgerUnchecked", tmp_path, minutes=27 * 60 + 2)


@on_sqlite
def test_a_payment_of_another_amount_than_was_ordered(accounts: "Accounts", tmp_path: Path) -> None:
    from services.accounts.payments.service import REFUSED
    from tests.services.accounts.payments.till import Shop

    REFUSED.clear()  # of this process nobody has been refused yet
    shop = Shop.of(accounts)
    checkout_id = shop.order()
    shop.becomes(checkout_id, amount_minor=1, total_minor=1)
    observed = Observed("accounts")
    assert shop.payments.fulfil(checkout_id).status == "failed"
    assert observed.fires("StemwrightPaymentsRefused", tmp_path, minutes=5)


@on_sqlite
def test_a_plan_that_nobody_here_has_ordered(accounts: "Accounts", person: str, clock: Clock, tmp_path: Path) -> None:
    from services.accounts.payments.providers import ProviderSubscription, SubscriptionState
    from tests.services.accounts.payments.till import Shop

    of_somebody = ProviderSubscription(
        "sub_1", person, "chk_1", "cus_1", "prc_1", SubscriptionState.ACTIVE, clock.now, ends_with_period=False
    )
    subscriptions = Shop.of(accounts).payments._subscriptions
    observed = Observed("accounts")
    with accounts.database.write() as session:
        assert subscriptions.settle(session, of_somebody) is None
    assert observed.fires("StemwrightPaymentsRefused", tmp_path, minutes=5)


@on_sqlite
def test_a_payment_that_is_told_again_with_another_amount(accounts: "Accounts", person: str, tmp_path: Path) -> None:
    from services.accounts.ledger.credits import SourceConflictError
    from services.accounts.ledger.transfers import Source, SourceType, TransferKind

    def post(amount: int) -> None:
        source = Source(SourceType.PAYMENT, "pay_1")
        with accounts.database.write() as session:
            accounts.credits.post(session, TransferKind.PURCHASE, person, amount, source, reason="Bought")

    post(1000)
    observed = Observed("accounts")
    with pytest.raises(SourceConflictError):
        post(1001)
    assert observed.fires("StemwrightLedgerConflicts", tmp_path, minutes=5)


@on_sqlite
def test_a_song_that_was_separated_without_a_hold(accounts: "Accounts", person: str, tmp_path: Path) -> None:
    from services.accounts.ledger.holds import Ending

    observed = Observed("accounts")
    with accounts.database.write() as session:
        accounts.billing.end_hold(session, numbered("job", 1), person, Ending.CAPTURE)
    assert observed.fires("StemwrightUnpaidJobs", tmp_path, minutes=5)


@on_sqlite
def test_a_mail_that_does_not_leave(accounts: "Accounts", clock: Clock, tmp_path: Path) -> None:
    from services.accounts.measures import account_measures

    [*_, measure] = account_measures(accounts.database)
    measure.renew()
    observed = Observed("accounts")
    with accounts.database.write() as session:
        accounts.mail.add(session, ADDRESS, "password-changed")
    clock.now += timedelta(minutes=16)
    measure.renew()
    assert observed.fires("StemwrightMailsStuck", tmp_path, minutes=10)


@on_sqlite
def test_an_erasure_that_the_others_do_not_answer(accounts: "Accounts", person: str, tmp_path: Path) -> None:
    from services.accounts.measures import account_measures

    [*_, measure] = account_measures(accounts.database)
    measure.renew()
    observed = Observed("accounts")
    with accounts.database.write() as session:
        accounts.erasures.request(session, person)
    measure.renew()
    assert observed.fires("StemwrightErasureUnfinished", tmp_path, minutes=70)


@pytest.fixture
def world(make_database: MakeDatabase) -> "Iterator[World]":
    from tests.services.orchestrator.world import running_world

    clock = Clock()
    with running_world(make_database("orchestrator", clock=clock), clock) as made:
        yield made


def give_up(world: "World", job_id: str) -> None:
    from services.orchestrator.jobs.models import Job

    with world.database.write() as session:
        world.lifecycle.give_up(session, session.get_one(Job, job_id), "no_space", "The disk is full.")


@on_sqlite
def test_songs_that_fail_for_what_is_ours(world: "World", tmp_path: Path) -> None:
    give_up(world, world.queued_job())
    observed = Observed("orchestrator")
    for _ in range(5):
        give_up(world, world.queued_job())
    assert observed.fires("StemwrightJobsFailFast", tmp_path, minutes=4)
    assert observed.fires("StemwrightJobsFailSlowly", tmp_path, minutes=4)


def begin(world: "World", worker: str, *, waited: float) -> None:
    job_id = world.queued_job()
    world.clock.advance(waited)
    world.beat(worker)
    assert world.dispatcher.place()
    assert world.job(job_id).status == "running"


@on_sqlite
def test_songs_that_wait(world: "World", tmp_path: Path) -> None:
    begin(world, numbered("wrk", 1), waited=1)
    observed = Observed("orchestrator")
    for number in range(2, 6):
        begin(world, numbered("wrk", number), waited=61)
    assert observed.fires("StemwrightSongsWaitFast", tmp_path, minutes=4)
    assert observed.fires("StemwrightSongsWaitSlowly", tmp_path, minutes=4)


@on_sqlite
def test_workers_that_vanish_with_their_songs(world: "World", tmp_path: Path) -> None:
    observed = Observed("orchestrator")
    for number in range(1, 7):
        world.running_job(numbered("wrk", number))
    world.pass_time(world.settings.lease_seconds + 30)
    assert observed.fires("StemwrightAttemptsLost", tmp_path, minutes=5)


@pytest.mark.kafka
@on_sqlite
def test_a_record_that_says_nothing(world: "World", broker: Broker, patient_clients: None, tmp_path: Path) -> None:
    from services.kit.erasures import Eraser
    from services.kit.events.codec import OutgoingEvent, encode
    from services.kit.events.topics import UPLOADS
    from tests.services.kit.events.consuming import Running, created, read_dead_letters, write_raw

    over_broker = {"kafka_bootstrap_servers": broker.bootstrap, "kafka_sole_consumers": True}
    settings = world.settings.model_copy(update=over_broker)
    consumer = world.handlers.consumer(settings, Eraser(world.database, lambda _account_id: True))
    good = encode(OutgoingEvent(UPLOADS, numbered("upl", 1), created(1)))
    observed = Observed("orchestrator")
    with Running(consumer):
        write_raw(broker.brokers, replace(good, value=b"\xff\xff"))
        assert read_dead_letters(broker.brokers, UPLOADS, 1)
    assert observed.fires("StemwrightDeadLetters", tmp_path, minutes=5)


@on_sqlite
def test_songs_that_nobody_is_there_for(world: "World", tmp_path: Path) -> None:
    from services.orchestrator.queue.measures import queue_measures

    [*_, measure] = queue_measures(world.database, world.settings)
    measure.renew()
    observed = Observed("orchestrator")
    world.queued_job()
    measure.renew()
    assert observed.fires("StemwrightNoWorkers", tmp_path, minutes=10)


@on_sqlite
def test_a_queue_that_cannot_be_counted(world: "World", tmp_path: Path) -> None:
    from services.orchestrator.queue.measures import queue_measures

    [*_, measure] = queue_measures(world.database, world.settings)
    measure.renew()
    observed = Observed("orchestrator", clocks=["stemwright_outstanding_measured_timestamp_seconds"])
    with world.database.write() as session:
        session.execute(text("ALTER TABLE jobs RENAME TO elsewhere"))
    world.clock.advance(60)
    measure.renew()
    assert observed.fires("StemwrightOutstandingUnknown", tmp_path, minutes=10)


class Network:
    """Answers rightly, until it is away."""

    device, runtime, passed_over = "cpu", "none", ()

    def __init__(self) -> None:
        self.stop = threading.Event()

    def open(self) -> None:
        """Nothing to load."""

    def models(self) -> tuple[()]:
        return ()

    def verify(self, _stopped: object) -> float:
        self.stop.set()
        return 20.0

    def ping(self) -> None:
        from services.worker.errors import InferenceUnavailable

        self.stop.set()
        raise InferenceUnavailable("The inference server is away.")


def test_a_network_that_does_not_answer_any_more(tmp_path: Path) -> None:
    from services.worker.app import Readiness

    network, service = Network(), SimpleNamespace(tell_soon=lambda: None)
    store = SimpleNamespace(look=lambda: False)
    readiness = Readiness(cast(Any, service), cast(Any, network), cast(Any, None), cast(Any, None), cast(Any, store))
    readiness._first.set()  # the store is not asked
    readiness.run(network.stop)
    observed = Observed("worker")
    network.stop.clear()
    readiness.run(network.stop)
    assert observed.fires("StemwrightWorkerNotReady", tmp_path, minutes=20)


def test_a_store_that_does_not_answer_workers(tmp_path: Path) -> None:
    from services.worker.errors import StorageFailed
    from services.worker.store import StoreWatch

    def separate(_: object) -> None:
        raise StorageFailed("The place where songs are kept did not answer.")

    watch = StoreWatch(cast(Any, None))
    observed = Observed("worker")
    with pytest.raises(StorageFailed):
        watch.watched(cast(Any, separate))(cast(Any, None))
    assert observed.fires("StemwrightStoreAway", tmp_path, minutes=12)


def test_a_runtime_that_answers_the_canary_wrongly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first choice computes another network than the model's, as a wrong build of it might."""
    from separation.models.repository import ModelRepository
    from separation.models.runtimes import choice
    from separation.models.runtimes.onnxruntime import OnnxRuntimeModel
    from separation.models.spec import ModelManifest
    from services.worker.inference.local import LocalInference
    from services.worker.metrics import INFERENCE_PASSED_OVER
    from tests.services.worker.tiny_model import NAME, VOCALS_SHARE, make_tiny_model

    INFERENCE_PASSED_OVER.clear()  # of a process that has just begun
    own, another = tmp_path / "own", tmp_path / "another"
    make_tiny_model(own)
    make_tiny_model(another, vocals_share=VOCALS_SHARE - 0.1)
    ModelRepository(own).make_canary(NAME)
    candidates, wrong_file = choice.candidates, ModelRepository(another).model_file(NAME)

    def with_a_wrong_one(path: Path, manifest: ModelManifest, **options: Any) -> list[choice.Candidate]:
        wrong = choice.Candidate("winograd", partial(OnnxRuntimeModel, wrong_file, manifest, threads=1))
        return [wrong, *candidates(path, manifest, **options)]

    monkeypatch.setattr(choice, "candidates", with_a_wrong_one)
    observed = Observed("worker")
    inference = LocalInference(own, [NAME], threads=1)
    inference.open()
    assert inference.verify() > 0, "a slower one serves"
    assert "canary wrongly" in inference.passed_over[0].reason
    assert observed.fires("StemwrightSlowerRuntime", tmp_path, minutes=11)
