from datetime import UTC, datetime, timedelta

import pytest

from services.kit.protos import separation_pb2
from services.worker.attempts import (
    FINISHED_BYTES,
    FINISHED_KEPT,
    FINISHED_KEPT_SECONDS,
    JOBS_REMEMBERED,
    AbortReason,
    AssignmentDecision,
    Attempt,
    AttemptKey,
    AttemptTable,
)
from tests.clocks import MonotonicClock
from tests.services.worker.assignments import assigned, succeeded

ME = "wrk_me"


@pytest.fixture
def clock() -> MonotonicClock:
    return MonotonicClock()


@pytest.fixture
def table(clock: MonotonicClock) -> AttemptTable:
    return AttemptTable(ME, 1, clock)


def take(table: AttemptTable, job_id: str, attempt: int = 1) -> Attempt:
    assignment = assigned(ME, job_id=job_id, attempt=attempt)
    assert table.decide(assignment) is AssignmentDecision.TAKE
    entry = Attempt(assignment, "usr_a", None)
    table.take(entry)
    return entry


def finish(table: AttemptTable, job_id: str, attempt: int = 1, manifest: bytes = b"{}") -> None:
    message = separation_pb2.SeparationFinished(worker_id=ME, job_id=job_id, attempt=attempt)
    message.MergeFrom(succeeded(manifest))
    table.finish(message)


def decide(table: AttemptTable, job_id: str, attempt: int = 1) -> AssignmentDecision:
    return table.decide(assigned(ME, job_id=job_id, attempt=attempt))


def names(table: AttemptTable) -> list[str]:
    return [message.job_id for message in table.finished()]


def test_an_assignment_for_another_worker_is_not_work(table: AttemptTable) -> None:
    assert table.decide(assigned("wrk_other")) is AssignmentDecision.FOREIGN


@pytest.mark.parametrize("ahead", [timedelta(seconds=20), timedelta(hours=1), timedelta(days=400)])
def test_a_clock_that_is_ahead_keeps_no_worker_from_its_work(table: AttemptTable, ahead: timedelta) -> None:
    """Whether the lease still stands is for the orchestrator to say, by its own clock."""
    assert table.decide(assigned(ME, deadline=datetime.now(UTC) - ahead)) is AssignmentDecision.TAKE


def test_the_same_attempt_is_taken_once(table: AttemptTable) -> None:
    take(table, "job_a")
    assert decide(table, "job_a") is AssignmentDecision.RUNNING
    finish(table, "job_a")
    assert decide(table, "job_a") is AssignmentDecision.FINISHED


def test_there_is_no_more_work_than_slots(table: AttemptTable) -> None:
    take(table, "job_a")
    assert decide(table, "job_b") is AssignmentDecision.BUSY
    finish(table, "job_a")
    assert decide(table, "job_b") is AssignmentDecision.TAKE


def test_a_higher_attempt_makes_the_running_one_stale_and_takes_its_slot(table: AttemptTable) -> None:
    first = take(table, "job_a", 1)
    take(table, "job_a", 2)
    assert first.abort is AbortReason.STALE
    assert [(entry.job_id, entry.attempt) for entry in table.running()] == [("job_a", 2)]
    assert table.busy_slots == 1
    assert not table.idle
    assert decide(table, "job_a", 1) is AssignmentDecision.RUNNING
    finish(table, "job_a", 1)
    assert decide(table, "job_a", 1) is AssignmentDecision.STALE
    assert decide(table, "job_a", 2) is AssignmentDecision.RUNNING


def test_a_lower_attempt_is_never_work(table: AttemptTable) -> None:
    take(table, "job_a", 3)
    finish(table, "job_a", 3)
    assert decide(table, "job_a", 2) is AssignmentDecision.STALE


def test_a_stopping_worker_takes_nothing_new(table: AttemptTable) -> None:
    take(table, "job_a")
    table.drain()
    assert decide(table, "job_b") is AssignmentDecision.STOPPING
    assert decide(table, "job_a") is AssignmentDecision.RUNNING


def test_the_first_reason_to_stop_stays(table: AttemptTable) -> None:
    attempt = take(table, "job_a")
    assert table.cancel(AttemptKey("job_a", 1))
    table.abort_all(AbortReason.SHUTDOWN)
    assert attempt.abort is AbortReason.CANCELED


def test_cancelling_what_does_not_run_says_so(table: AttemptTable) -> None:
    take(table, "job_a", 2)
    assert not table.cancel(AttemptKey("job_a", 1))
    assert not table.cancel(AttemptKey("job_b", 1))
    assert table.knows(AttemptKey("job_a", 1))
    assert not table.knows(AttemptKey("job_a", 3))


def test_what_ended_is_told_again_after_growing_pauses(table: AttemptTable, clock: MonotonicClock) -> None:
    take(table, "job_a")
    finish(table, "job_a")
    told_at = []
    begun = clock.now
    while clock.now < begun + FINISHED_KEPT_SECONDS:
        if due := table.finished():
            told_at.append(clock.now - begun)
            table.told(due)
        clock.now += 0.5
    assert told_at == [0, 1, 3, 7, 15, 31, 63, 127, 255, 511]


def test_what_the_broker_did_not_take_stays_due(table: AttemptTable, clock: MonotonicClock) -> None:
    take(table, "job_a")
    finish(table, "job_a")
    assert names(table) == ["job_a"]
    clock.now += 0.1
    assert names(table) == ["job_a"]


def test_what_ended_is_told_at_once_when_asked_again(table: AttemptTable) -> None:
    take(table, "job_a")
    finish(table, "job_a")
    table.told(table.finished())
    assert names(table) == []
    table.ask_again(AttemptKey("job_a", 1))
    assert names(table) == ["job_a"]


def test_the_list_of_what_ended_is_bounded_in_number_and_time(table: AttemptTable, clock: MonotonicClock) -> None:
    for number in range(FINISHED_KEPT + 3):
        take(table, f"job_{number}")
        finish(table, f"job_{number}")
    assert names(table) == [f"job_{number}" for number in range(3, FINISHED_KEPT + 3)]
    clock.now += FINISHED_KEPT_SECONDS + 1
    assert names(table) == []


def test_one_heartbeat_carries_a_bounded_number_of_bytes(table: AttemptTable) -> None:
    seen = []
    for number in range(4):
        take(table, f"job_{number}")
        finish(table, f"job_{number}", manifest=b" " * (FINISHED_BYTES // 2 - 200))
    while due := table.finished():
        assert sum(message.ByteSize() for message in due) <= FINISHED_BYTES
        seen.append([message.job_id for message in due])
        table.told(due)
    assert seen == [["job_0", "job_1"], ["job_2", "job_3"]]


def test_the_memory_of_jobs_is_bounded(table: AttemptTable) -> None:
    for number in range(JOBS_REMEMBERED + 1):
        take(table, f"job_{number}")
        finish(table, f"job_{number}")
    assert not table.knows(AttemptKey("job_0", 1))
    assert table.knows(AttemptKey("job_1", 1))
