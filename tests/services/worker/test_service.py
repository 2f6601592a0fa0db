import threading

import pytest

from services.kit.protos import separation_pb2
from services.worker.attempts import AbortReason, AssignmentDecision, Attempt, Stage
from services.worker.errors import AttemptAborted, AttemptStuck
from services.worker.service import News, WorkerService, check
from tests.clocks import MonotonicClock
from tests.services.worker.assignments import assigned, succeeded

ME = "wrk_me"


@pytest.fixture
def clock() -> MonotonicClock:
    return MonotonicClock()


@pytest.fixture
def service(clock: MonotonicClock) -> WorkerService:
    return WorkerService(worker_id=ME, slots=1, monotonic=clock)


def news(service: WorkerService) -> News:
    """What there is to tell now, with a heartbeat in any case."""
    return service.wait_for_news(0.0)


def start(service: WorkerService, job_id: str = "job_a", attempt: int = 1) -> Attempt:
    assert service.assign(assigned(ME, job_id=job_id, attempt=attempt), account_id="usr_a") is AssignmentDecision.TAKE
    taken = service.next_attempt()
    assert taken is not None
    return taken


def canceled(job_id: str, attempt: int = 1, worker_id: str = ME) -> separation_pb2.SeparationCanceled:
    return separation_pb2.SeparationCanceled(worker_id=worker_id, job_id=job_id, attempt=attempt)


def test_an_assignment_reaches_a_slot_and_is_told_at_once(service: WorkerService) -> None:
    attempt = start(service)
    assert attempt.account_id == "usr_a"
    told = service.wait_for_news(float("inf"))
    assert told.heartbeat
    assert [entry.job_id for entry in told.running] == ["job_a"]


def test_an_end_is_told_at_once_by_its_event_and_by_the_heartbeat(service: WorkerService) -> None:
    attempt = start(service)
    service.finish(attempt, succeeded())
    told = service.wait_for_news(float("inf"))
    assert told.running == []
    assert [entry.message for entry in told.ended] == told.finished
    message = told.finished[0]
    assert (message.worker_id, message.job_id, message.attempt) == (ME, "job_a", 1)
    assert message.WhichOneof("outcome") == "succeeded"
    assert told.ended[0].account_id == "usr_a"


def test_an_end_that_the_broker_did_not_take_is_told_again(service: WorkerService) -> None:
    service.finish(start(service), succeeded())
    told = news(service)
    service.told(told, heartbeat=False, ended=[])
    again = news(service)
    assert again.ended == told.ended
    assert again.finished == told.finished
    service.told(again, heartbeat=True, ended=again.ended)
    assert news(service).ended == []
    assert news(service).finished == []


def test_more_work_than_slots_is_handed_back(service: WorkerService) -> None:
    start(service)
    assert service.assign(assigned(ME, job_id="job_b")) is AssignmentDecision.BUSY
    [message] = news(service).finished
    assert message.job_id == "job_b"
    assert (message.failed.code, message.failed.retryable) == ("worker_busy", True)
    assert service.assign(assigned(ME, job_id="job_b")) is AssignmentDecision.FINISHED


def test_work_for_a_stopping_worker_is_handed_back(service: WorkerService) -> None:
    service.drain()
    assert service.assign(assigned(ME)) is AssignmentDecision.STOPPING
    told = news(service)
    assert told.stopping
    assert told.finished[0].aborted.reason == "shutdown"


@pytest.mark.parametrize("job_id", ["job_a", "job_b"])
def test_a_foreign_assignment_wakes_nobody(service: WorkerService, job_id: str, clock: MonotonicClock) -> None:
    news(service)
    service.assign(assigned("wrk_other", job_id=job_id))
    assert not service.wait_for_news(clock.now).running


def test_a_cancellation_reaches_the_running_attempt(service: WorkerService) -> None:
    attempt = start(service)
    check(attempt)
    service.cancel(canceled("job_a"))
    with pytest.raises(AttemptAborted) as caught:
        check(attempt)
    assert caught.value.reason is AbortReason.CANCELED


@pytest.mark.parametrize("other", [canceled("job_a", 2), canceled("job_b"), canceled("job_a", worker_id="wrk_other")])
def test_a_cancellation_of_something_else_leaves_the_attempt_alone(
    service: WorkerService, other: separation_pb2.SeparationCanceled
) -> None:
    attempt = start(service)
    service.cancel(other)
    check(attempt)


def test_a_cancellation_before_the_assignment_wins(service: WorkerService) -> None:
    service.cancel(canceled("job_a"))
    assert service.assign(assigned(ME, job_id="job_a")) is AssignmentDecision.FINISHED
    assert [message.aborted.reason for message in news(service).finished] == ["canceled"]


def test_a_late_cancellation_is_answered_with_how_it_ended(service: WorkerService) -> None:
    service.finish(start(service), succeeded())
    told = news(service)
    service.told(told, heartbeat=True, ended=told.ended)
    assert news(service).finished == []
    service.cancel(canceled("job_a"))
    assert [message.WhichOneof("outcome") for message in news(service).finished] == ["succeeded"]


def test_a_cancellation_ends_a_pause(service: WorkerService) -> None:
    attempt = start(service)
    caught: list[BaseException] = []

    def waiting() -> None:
        try:
            service.pause(attempt, 60)
        except AttemptAborted as error:
            caught.append(error)

    thread = threading.Thread(target=waiting)
    thread.start()
    service.cancel(canceled("job_a"))
    thread.join(60)
    assert len(caught) == 1


def test_progress_is_told_a_few_times_a_second_and_only_forward(service: WorkerService, clock: MonotonicClock) -> None:
    attempt = start(service)
    news(service)
    fractions = []
    for step in range(100):
        service.progress(attempt, Stage.SEPARATING, step / 100 if step != 50 else 0.1)
        clock.now += 0.05
        told = service.wait_for_news(clock.now)
        fractions += [entry.message.fraction for entry in told.moved]
    assert 15 <= len(fractions) <= 21
    assert fractions == sorted(fractions)


def test_progress_carries_whose_it_is(service: WorkerService) -> None:
    service.progress(start(service), Stage.UPLOADING, 0.5)
    [entry] = news(service).moved
    message = entry.message
    assert (message.worker_id, message.job_id, message.attempt, message.account_id) == (ME, "job_a", 1, "usr_a")
    assert (message.stage, message.fraction) == ("uploading", 0.5)


def test_an_attempt_that_is_stuck_is_noticed(service: WorkerService, clock: MonotonicClock) -> None:
    """Its heartbeats would renew its lease for ever."""
    attempt = start(service)
    clock.now += 800
    service.progress(attempt, Stage.SEPARATING, 0.5)
    clock.now += 800
    news(service)
    clock.now += 101
    with pytest.raises(AttemptStuck):
        news(service)


def test_an_idle_worker_is_not_stuck(service: WorkerService, clock: MonotonicClock) -> None:
    service.finish(start(service), succeeded())
    clock.now += 10_000
    news(service)


def test_an_ended_attempt_makes_no_more_progress(service: WorkerService) -> None:
    attempt = start(service)
    service.progress(attempt, Stage.UPLOADING, 0.5)
    service.finish(attempt, succeeded())
    assert news(service).moved == []


def test_at_rest_the_slots_are_let_go_and_the_last_word_is_told(service: WorkerService) -> None:
    attempt = start(service)
    service.drain()
    assert not service.wait_idle(0)
    service.abort_all(AbortReason.SHUTDOWN)
    with pytest.raises(AttemptAborted):
        check(attempt)
    service.finish(attempt, succeeded())
    assert service.wait_idle(0)
    service.rest()
    assert service.next_attempt() is None
    assert not service.said_all
    told = news(service)
    service.told(told, heartbeat=True, ended=told.ended)
    assert service.said_all
