import threading
from concurrent.futures import ThreadPoolExecutor

from services.orchestrator.signals import Signals


def test_who_waits_is_woken_by_a_change() -> None:
    signals = Signals()
    state: list[str] = []
    looked = threading.Event()

    def look() -> str | None:
        looked.set()
        return state[0] if state else None

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(signals.wait_for, look, 60.0)
        assert looked.wait(60)
        state.append("done")
        signals.job_changed()
        assert waiting.result(timeout=60) == "done"


def test_nobody_who_tells_of_a_change_waits_for_those_who_look() -> None:
    signals = Signals()
    looking, go_on = threading.Event(), threading.Event()

    def slow_look() -> bool:
        looking.set()
        return go_on.wait(60)

    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(signals.wait_for, slow_look, 60.0)
        assert looking.wait(60)
        pool.submit(signals.job_changed).result(timeout=60)
        go_on.set()
        assert waiting.result(timeout=60)


def test_a_wait_ends_with_nothing_at_its_time_and_at_once_where_too_many_wait() -> None:
    assert Signals().wait_for(lambda: None, 0.0) is None
    assert Signals(waiting_requests=0).wait_for(lambda: None, 600.0) is None
