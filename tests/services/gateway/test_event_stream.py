"""The stream of an account through a real gateway, before a feed that a test fills."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from services.gateway import event_stream
from tests.services.gateway.standin import (
    PATIENCE_SECONDS,
    Platform,
    Reply,
    Seen,
    bearer,
    eventually,
    platform,
    problem,
    token,
)
from tests.services.gateway.watching import Reader

STREAM = "/v1/events/stream"
# Made when the tests are collected, which may be long before they run.
PARTNER = token("usr_alice", roles=["user", "partner"])


class Feed:
    """The notifier's feed of one account."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.oldest = 1
        self.asked: list[dict[str, list[str]]] = []
        self.away = False

    def happen(self, kind: str = "job.succeeded") -> None:
        sequence = len(self.events) + 1
        self.events.append({"id": f"evt_{sequence}", "type": kind, "sequence": sequence, "data": {"job": {}}})

    def answer(self, seen: Seen) -> Reply:
        assert seen.target.startswith("/v1/events?")
        assert seen.header("authorization") == f"Bearer {PARTNER}"
        query = parse_qs(urlsplit(seen.target).query)
        self.asked.append(query)
        if self.away:
            return Reply(503)
        if "no.such" in query.get("types", ()):
            return Reply(422, {"content-type": "application/problem+json"}, b'{"detail": "types is not one of them"}')
        after, limit = int(query["after"][0]), int(query["limit"][0])
        last = len(self.events)
        found = [e for e in self.events if e["sequence"] > max(after, self.oldest - 1)][:limit]
        following = found[-1]["sequence"] if len(found) == limit else last
        page = {"items": found, "next_after": following, "oldest_sequence": self.oldest if self.events else None}
        return Reply(body=json.dumps(page).encode())


@contextmanager
def watched(gateway: Platform, feed: Feed, path: str = STREAM, **headers: str) -> Iterator[Reader]:
    gateway.notifier.answer = feed.answer
    yield Reader(gateway.url + path, **{**bearer(PARTNER), **headers})


def numbers(reader: Reader) -> list[int]:
    return [data["sequence"] for event, _, data in list(reader.events) if event != "gap"]


def test_a_stream_begins_now_and_tells_what_the_feed_tells() -> None:
    with platform(stream_poll_seconds=600) as gateway:
        feed = Feed()
        feed.happen()
        with watched(gateway, feed) as reader:
            eventually(lambda: gateway.hub.jobs == 1 and reader.retry == "2000")
            feed.happen("job.started")
            gateway.hub.publish("usr_alice", None)
            eventually(lambda: numbers(reader) == [2])
            # Where the notifier is told at the same moment, its answer may take until it has the event.
            assert feed.asked[-1]["wait"] == [str(event_stream.NEWS_WAIT_SECONDS)]
            asked = len(feed.asked)
            gateway.hub.publish("usr_bob", None)
            feed.happen("batch.completed")
            gateway.hub.publish("usr_alice", None)
            eventually(lambda: numbers(reader) == [2, 3])
            assert len(feed.asked) == asked + 1
        assert [(event, event_id) for event, event_id, _ in reader.events] == [
            ("job.started", "2"),
            ("batch.completed", "3"),
        ]
        assert reader.events[1][2] == feed.events[2]
        gateway.accounts.revoked = ["test"]
        # It ends when access does.
        assert reader.ended.wait(PATIENCE_SECONDS)
        eventually(lambda: gateway.hub.jobs == 0)


def test_comments_keep_an_idle_stream_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "PING_SECONDS", 0.05)
    monkeypatch.setattr(event_stream, "CHECK_SECONDS", 0.02)
    with platform(stream_poll_seconds=600) as gateway, watched(gateway, Feed()) as reader:
        eventually(lambda: reader.comments >= 2)


def test_a_stream_ends_when_its_reader_has_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "CHECK_SECONDS", 0.02)
    with platform(stream_poll_seconds=600) as gateway:
        gateway.notifier.answer = Feed().answer
        with httpx2.stream(
            "GET", gateway.url + STREAM, headers=bearer(PARTNER), trust_env=False, timeout=PATIENCE_SECONDS
        ) as response:
            assert response.status_code == 200
            assert response.headers["content-type"].startswith("text/event-stream")
            assert len(response.headers.get_list("ratelimit-limit")) == 1
            eventually(lambda: gateway.hub.jobs == 1)
        eventually(lambda: gateway.hub.jobs == 0)


def test_a_stream_resumes_after_the_last_event_seen_however_much_was_missed() -> None:
    with platform(stream_poll_seconds=600) as gateway:
        feed = Feed()
        for _ in range(2 * event_stream.PAGE_ITEMS + 5):
            feed.happen()
        with watched(gateway, feed, **{"Last-Event-ID": "3"}) as reader:
            eventually(lambda: len(reader.events) == len(feed.events) - 3)
        assert numbers(reader) == list(range(4, len(feed.events) + 1))


def test_what_is_not_kept_any_more_is_said_to_be_missing() -> None:
    with platform(stream_poll_seconds=600) as gateway:
        feed = Feed()
        for _ in range(4):
            feed.happen()
        feed.oldest = 3
        with watched(gateway, feed, **{"Last-Event-ID": "1"}) as reader:
            eventually(lambda: numbers(reader) == [3, 4])
        assert reader.events[0] == ("gap", None, {"oldest_sequence": 3})


def test_without_any_news_a_stream_looks_by_itself_and_outlives_a_restart_of_the_notifier() -> None:
    with platform(stream_poll_seconds=0.02) as gateway:
        feed = Feed()
        with watched(gateway, feed) as reader:
            eventually(lambda: len(feed.asked) > 1)
            feed.away = True
            feed.happen()
            away = len(feed.asked)
            eventually(lambda: len(feed.asked) > away + 1)
            feed.away = False
            eventually(lambda: numbers(reader) == [1])
            assert {query["wait"][0] for query in feed.asked} == {"0"}


def test_types_are_the_feeds_affair() -> None:
    with platform(stream_poll_seconds=600) as gateway:
        feed = Feed()
        with watched(gateway, feed, f"{STREAM}?types=job.failed&types=batch.completed"):
            eventually(lambda: feed.asked)
            assert feed.asked[0]["types"] == ["job.failed", "batch.completed"]
            answer = gateway.client.get(f"{STREAM}?types=no.such", headers=bearer(PARTNER))
            problem(answer, 422, "invalid_request")


def test_a_last_event_id_that_is_none_begins_now() -> None:
    with platform(stream_poll_seconds=600) as gateway:
        feed = Feed()
        feed.happen()
        for number, nonsense in enumerate(("a", "-1", "1.5", "0x1"), 1):
            with watched(gateway, feed, **{"Last-Event-ID": nonsense}):
                eventually(lambda many=number: len(feed.asked) == many)  # type: ignore[misc]
        assert {query["after"][0] for query in feed.asked} == {str(event_stream.LAST)}


def test_who_may_not_read_the_feed_has_no_stream(gateway: Platform) -> None:
    problem(gateway.client.get(STREAM), 401, "unauthorized")
    problem(gateway.client.get(STREAM, headers=bearer(token("usr_alice"))), 403, "forbidden")
    narrow = token("usr_alice", roles=["user", "partner"], scope="jobs")
    problem(gateway.client.get(STREAM, headers=bearer(narrow)), 403, "forbidden")
    assert gateway.notifier.seen == []


def test_streams_of_accounts_and_of_jobs_are_capped_together() -> None:
    with platform(streams_per_account=2, stream_poll_seconds=600) as gateway:
        feed = Feed()
        with watched(gateway, feed), watched(gateway, feed):
            eventually(lambda: len(feed.asked) == 2)
            answer = gateway.client.get(STREAM, headers=bearer(PARTNER))
            problem(answer, 429, "too_many_at_once")
