from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.orchestrator.queue.placement import FREE_HANDICAP_SECONDS, RELAXED_SECONDS, Candidate, Slot, choose

NOW = datetime(2026, 11, 22, tzinfo=UTC)
DIGEST = "sha256:1"
SLOT = Slot("wrk_1", {"net": DIGEST}, free=1, speed=40.0)


def candidate(account: str, *, mode: str = "full", tier: str = "fast", waited: float = 0.0) -> Candidate:
    return Candidate(account, mode, tier, "net", None, NOW - timedelta(seconds=waited), waited)


def chosen(*candidates: Candidate, running: dict[str, int] | None = None) -> str | None:
    pair = choose(candidates, [SLOT], running or {})
    return pair[0].account_id if pair else None


def test_a_paid_job_goes_before_a_free_one_that_came_earlier() -> None:
    assert chosen(candidate("free", mode="preview", waited=60), candidate("paid", waited=1)) == "paid"


def test_a_free_job_that_has_waited_long_enough_goes_before_a_fresh_paid_one() -> None:
    assert chosen(candidate("free", mode="preview", waited=FREE_HANDICAP_SECONDS + 1), candidate("paid")) == "free"


def test_an_account_with_jobs_running_lets_others_pass() -> None:
    greedy, modest = candidate("greedy", waited=30), candidate("modest", waited=1)
    assert chosen(greedy, modest) == "greedy"
    assert chosen(greedy, modest, running={"greedy": 1}) == "modest"


def test_of_equal_jobs_the_first_goes_first() -> None:
    equal = [candidate(account, waited=9) for account in ("c", "a", "b")]
    assert chosen(*equal) == "c"


def test_a_pinned_job_waits_for_a_worker_with_its_model() -> None:
    pinned = replace(candidate("pinned", waited=9), model_digest="sha256:0")
    assert chosen(pinned) is None
    assert chosen(pinned, candidate("other")) == "other"


def test_the_fastest_worker_with_room_is_taken() -> None:
    slots = [SLOT, replace(SLOT, worker_id="wrk_2", speed=90.0), replace(SLOT, worker_id="wrk_3", speed=99.0, free=0)]
    pair = choose([candidate("job")], slots, {})
    assert pair is not None
    assert pair[1].worker_id == "wrk_2"


@given(st.floats(0, 7200), st.integers(1, 50))
def test_no_free_job_starves_however_many_paid_ones_keep_coming(waited: float, fresh: int) -> None:
    paid = [candidate(f"paid{n}", waited=min(waited, n)) for n in range(fresh)]
    old = candidate("free", mode="preview", waited=waited + FREE_HANDICAP_SECONDS + fresh)
    assert chosen(*paid, old) == "free"


@given(
    st.lists(st.tuples(st.floats(0, 86_400), st.integers(0, 50), st.sampled_from(["full", "preview"])), min_size=1),
    st.floats(0, RELAXED_SECONDS, exclude_max=True),
)
def test_relaxed_work_never_goes_before_fast_work(fast: list[tuple[float, int, str]], waited: float) -> None:
    """Not before that of an account with many running either, nor before a preview."""
    others = [candidate(f"fast{n}", mode=mode, waited=since) for n, (since, _, mode) in enumerate(fast)]
    running = {f"fast{n}": number for n, (_, number, _) in enumerate(fast)}
    assert chosen(candidate("relaxed", tier="relaxed", waited=waited), *others, running=running) != "relaxed"


@given(st.floats(0, 86_400), st.integers(1, 50))
def test_relaxed_work_does_not_starve_however_much_fast_work_keeps_coming(waited: float, fresh: int) -> None:
    others = [candidate(f"fast{n}", waited=min(waited, n)) for n in range(fresh)]
    assert chosen(*others, candidate("relaxed", tier="relaxed", waited=waited + RELAXED_SECONDS + fresh)) == "relaxed"


def test_relaxed_work_takes_the_slot_that_no_fast_work_can_use() -> None:
    pinned = replace(candidate("fast", waited=9), model_digest="sha256:0")
    assert chosen(pinned, candidate("relaxed", tier="relaxed")) == "relaxed"


def test_relaxed_work_is_fair_among_itself() -> None:
    greedy, modest = (candidate(name, tier="relaxed", waited=9) for name in ("greedy", "modest"))
    assert chosen(greedy, modest, running={"greedy": 1}) == "modest"
