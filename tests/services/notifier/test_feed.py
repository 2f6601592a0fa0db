"""Reading events over HTTP, and waiting for the next."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from services.notifier.settings import Settings
from tests.databases import PATIENCE_SECONDS
from tests.ids import numbered
from tests.services.notifier.conftest import ADA, BOB, Notifier, job_event


def until_somebody_waits(notifier: Notifier) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not notifier.readers.count:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_pages_follow_each_other_and_filters_miss_nothing(notifier: Notifier) -> None:
    for number in range(3):
        notifier.hear(*(job_event(kind, numbered("job", number)) for kind in ("queued", "started", "succeeded")))

    first = notifier.get("/v1/events", limit=4)
    second = notifier.get("/v1/events", after=first["next_after"], limit=100)
    ends = notifier.get("/v1/events", types=["job.succeeded", "job.failed"], limit=2)
    last = notifier.get("/v1/events", types=["job.succeeded"], after=ends["next_after"])

    assert [event["sequence"] for event in first["items"] + second["items"]] == list(range(1, 10))
    assert [event["sequence"] for event in ends["items"] + last["items"]] == [3, 6, 9]
    assert notifier.get("/v1/events", types=["job.failed"])["next_after"] == 9
    assert notifier.get("/v1/events", after=9) == {"items": [], "next_after": 9, "oldest_sequence": 1}
    # A number that was never given, as after a restored backup, leads back to where the events are.
    assert notifier.get("/v1/events", after=99)["next_after"] == 9


def test_who_waits_is_answered_by_the_next_event(notifier: Notifier) -> None:
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(notifier.feed, wait=25)
        until_somebody_waits(notifier)
        notifier.hear(job_event("queued", numbered("job", 7), account_id=BOB), job_event("queued", numbered("job", 1)))

        [event] = answer.result(PATIENCE_SECONDS)
    assert event["data"]["job"]["id"] == numbered("job", 1)


def test_a_process_that_stops_sends_those_who_wait_home(notifier: Notifier) -> None:
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(notifier.feed, wait=25)
        until_somebody_waits(notifier)
        notifier.readers.close()

        assert answer.result(PATIENCE_SECONDS) == []
    assert notifier.feed(wait=25) == []


class TestFewPlaces:
    @pytest.fixture
    def settings(self) -> Settings:
        return Settings(feed_poll_seconds=0.05, max_waiting_readers=2, max_waiting_readers_per_account=1)

    def test_more_than_may_wait_are_answered_at_once(self, notifier: Notifier) -> None:
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(notifier.feed, wait=25)
            until_somebody_waits(notifier)

            assert notifier.feed(wait=25) == []
            assert not answer.done()
            notifier.hear(job_event("queued", numbered("job", 1)))
            assert len(answer.result(PATIENCE_SECONDS)) == 1


@pytest.mark.parametrize(
    "query", [{"after": -1}, {"after": "x"}, {"types": "job.stolen"}, {"wait": 26}, {"limit": 0}, {"limit": 101}]
)
def test_what_cannot_be_meant_is_refused(notifier: Notifier, query: dict[str, Any]) -> None:
    answer = notifier.client.get("/v1/events", params=query, headers={"Authorization": f"Bearer {ADA}"})

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


def test_the_feed_is_for_partners_and_the_export_for_the_account(notifier: Notifier) -> None:
    notifier.hear(*(job_event("queued", numbered("job", number)) for number in range(3)))

    for token, status in ((f"{ADA}:user", 403), (f"{ADA}:webhooks", 403), (f"{ADA}:events", 200), ("nobody", 401)):
        headers = {"Authorization": f"Bearer {token}"}
        assert notifier.client.get("/v1/events", headers=headers).status_code == status, token
    first = notifier.get("/internal/events", f"{ADA}:user", limit=2)
    second = notifier.get("/internal/events", f"{ADA}:user", limit=2, cursor=first["next_cursor"])
    assert [event["sequence"] for event in first["items"] + second["items"]] == [1, 2, 3]
    assert second["next_cursor"] is None
