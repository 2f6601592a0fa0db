"""The hub: who hears what, and what it costs."""

import asyncio
import threading

from services.gateway.hub import Hub, Progress


async def settled() -> None:
    """Lets what other threads have scheduled run."""
    for _ in range(3):
        await asyncio.sleep(0)


def test_only_watched_jobs_take_memory() -> None:
    async def run() -> None:
        hub = Hub()
        subscription = hub.subscribe("job_a")
        for number in range(1000):
            hub.publish(f"job_{number}", Progress(1, "separating", 0.5))
        await settled()
        assert hub.jobs == 1
        assert subscription.take_progress() is None
        hub.unsubscribe(subscription)
        hub.unsubscribe(subscription)
        assert hub.jobs == 0

    asyncio.run(run())


def test_a_slow_watcher_holds_the_latest_report_only() -> None:
    async def run() -> None:
        hub = Hub()
        slow, other = hub.subscribe("job_a"), hub.subscribe("job_a")
        for number in range(1000):
            hub.publish("job_a", Progress(1, "separating", number / 1000))
        await settled()
        assert slow.take_progress() == other.take_progress() == Progress(1, "separating", 0.999)
        assert slow.take_progress() is None

    asyncio.run(run())


def test_reports_that_come_late_are_no_news() -> None:
    known = Progress(2, "separating", 0.5)
    assert not Progress(2, "separating", 0.5).follows(known)
    assert not Progress(2, "downloading", 0.1).follows(known)
    assert not Progress(1, "uploading", 0.9).follows(known)
    assert Progress(2, "uploading", 0.6).follows(known)
    assert Progress(3, "downloading", 0.0).follows(known)
    assert Progress(2, "separating", 0.5, playable_seconds=6).follows(known)
    assert not Progress(2, "separating", 0.5, 6).follows(Progress(2, "separating", 0.5, 12))
    assert known.follows(None)


def test_news_from_another_thread_wakes_a_watcher() -> None:
    async def run() -> None:
        hub = Hub()
        subscription = hub.subscribe("job_a")
        thread = threading.Thread(target=hub.publish, args=("job_a", None))
        thread.start()
        await subscription.wait(60)
        thread.join()
        assert subscription.take_status_changed()
        assert not subscription.take_status_changed()

    asyncio.run(run())


def test_waiting_ends_without_news() -> None:
    async def run() -> None:
        subscription = Hub().subscribe("job_a")
        await subscription.wait(0.01)
        assert subscription.take_progress() is None

    asyncio.run(run())


def test_closing_ends_present_and_future_subscriptions() -> None:
    async def run() -> None:
        hub = Hub()
        before = hub.subscribe("job_a")
        hub.close()
        await before.wait(60)
        assert before.closed
        assert hub.subscribe("job_b").closed

    asyncio.run(run())


def test_news_after_the_loop_is_gone_are_dropped() -> None:
    hub = Hub()

    async def run() -> None:
        hub.subscribe("job_a")

    asyncio.run(run())
    hub.publish("job_a", None)
