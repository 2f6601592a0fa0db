"""Event streams through a real gateway, fed by the hub or by nothing at all."""

import time

import pytest
from fastapi import routing

from services.gateway.hub import Progress
from tests.ids import numbered
from tests.services.gateway.standin import Platform, Reply, bearer, eventually, platform
from tests.services.gateway.watching import EVENTS, JOB_ID, Job, Reader, token_of, watched


def test_a_stream_tells_what_happens_until_it_is_over(gateway: Platform) -> None:
    job = Job()
    job.move("queued")
    with watched(gateway, job) as reader:
        eventually(lambda: reader.statuses() == ["queued"])
        assert reader.response is not None
        assert reader.response.headers["content-type"].startswith("text/event-stream")
        assert reader.response.headers["cache-control"] == "no-cache"
        assert reader.response.headers["ratelimit-limit"]
        assert reader.retry == "2000"
        job.attempt = 1
        job.move("running")
        gateway.hub.publish(JOB_ID, None)
        eventually(lambda: reader.statuses() == ["queued", "running"])
        for fraction, shown in ((0.25, 0.25), (0.5, 0.5), (0.4, 0.5), (0.75, 0.75)):
            gateway.hub.publish(JOB_ID, Progress(1, "separating", fraction, playable_seconds=24 * fraction))
            eventually(lambda last=shown: reader.fractions()[-1:] == [last])  # type: ignore[misc]
        job.move("succeeded")
        gateway.hub.publish(JOB_ID, None)
        reader.wait_for_end()
    assert reader.fractions() == [0.25, 0.5, 0.75]
    assert reader.statuses() == ["queued", "running", "succeeded"]
    assert [event_id for event, event_id, _ in reader.events if event == "status"] == [
        numbered("evt", 1),
        numbered("evt", 2),
        numbered("evt", 3),
    ]
    assert reader.events[2][2] == {"stage": "separating", "fraction": 0.25, "playable_seconds": 6.0, "attempt": 1}
    eventually(lambda: gateway.hub.jobs == 0)


def test_a_job_that_has_no_event_yet_shows_its_state(gateway: Platform) -> None:
    job = Job()
    with watched(gateway, job) as reader:
        eventually(lambda: reader.statuses() == ["reserving"])
        assert reader.events[0][1] is None
        job.move("rejected")
        gateway.hub.publish(JOB_ID, None)
    assert reader.statuses() == ["reserving", "rejected"]


def test_a_job_that_is_over_is_told_at_once(gateway: Platform) -> None:
    job = Job()
    for status in ("queued", "running", "failed"):
        job.move(status)
    with watched(gateway, job) as reader:
        reader.wait_for_end()
    assert reader.statuses() == ["queued", "running", "failed"]


def test_a_stream_resumes_after_the_last_event_seen(gateway: Platform) -> None:
    job = Job()
    for status in ("queued", "running", "succeeded"):
        job.move(status)
    with watched(gateway, job, **{"Last-Event-ID": numbered("evt", 1)}) as reader:
        reader.wait_for_end()
    assert reader.statuses() == ["running", "succeeded"]
    assert job.asked == [f"/internal/jobs/{JOB_ID}/events?after={numbered('evt', 1)}"]


def test_who_saw_the_end_is_told_not_to_come_back(gateway: Platform) -> None:
    job = Job()
    job.move("succeeded")
    gateway.orchestrator.answer = job.answer
    headers = {**bearer(token_of("usr_alice")), "Last-Event-ID": numbered("evt", 1)}
    response = gateway.client.get(EVENTS, headers=headers)
    assert (response.status_code, response.content) == (204, b"")


def test_a_last_event_id_that_is_none_is_ignored(gateway: Platform) -> None:
    job = Job()
    job.move("succeeded")
    for nonsense in ("a b", "../x", "x" * 65, "a&after=b"):
        with watched(gateway, job, **{"Last-Event-ID": nonsense}) as reader:
            reader.wait_for_end()
        assert reader.statuses() == ["succeeded"]
    assert set(job.asked) == {f"/internal/jobs/{JOB_ID}/events"}


def test_without_any_news_the_gateway_asks_by_itself_and_the_stream_ends() -> None:
    with platform(stream_poll_seconds=0.1) as gateway:
        job = Job()
        job.move("queued")
        with watched(gateway, job) as reader:
            eventually(lambda: reader.statuses() == ["queued"])
            job.attempt = 1
            job.progress = {"stage": "separating", "fraction": 0.5}
            job.move("running")
            eventually(lambda: reader.fractions() == [0.5])
            job.move("succeeded")
            reader.wait_for_end()
        assert reader.statuses() == ["queued", "running", "succeeded"]


def test_a_worker_that_has_not_spoken_yet_makes_no_progress(gateway: Platform) -> None:
    job = Job()
    job.attempt = 1
    job.progress = {"stage": None, "fraction": 0.0}
    job.move("running")
    with watched(gateway, job) as reader:
        eventually(lambda: reader.statuses() == ["running"])
        gateway.hub.publish(JOB_ID, Progress(1, "separating", 0.0))
        eventually(lambda: reader.fractions() == [0.0])
        job.move("succeeded")
        gateway.hub.publish(JOB_ID, None)
        reader.wait_for_end()
    assert [data["stage"] for event, _, data in reader.events if event == "progress"] == ["separating"]


def test_a_stream_outlives_a_restart_of_the_orchestrator() -> None:
    with platform(stream_poll_seconds=0.05) as gateway:
        job = Job()
        job.move("queued")
        with watched(gateway, job) as reader:
            eventually(lambda: reader.statuses() == ["queued"])
            job.away = True
            asked = len(job.asked)
            eventually(lambda: len(job.asked) >= asked + 3)
            assert not reader.ended.is_set()
            job.move("running")
            job.move("succeeded")
            job.away = False
            reader.wait_for_end()
        assert reader.statuses() == ["queued", "running", "succeeded"]


def test_many_streams_together_ask_no_more_often_than_the_orchestrator_bears() -> None:
    with platform(stream_poll_seconds=0.01, stream_polls_per_second=1) as gateway:
        job = Job()
        job.move("queued")
        begun = time.monotonic()
        with watched(gateway, job) as first, watched(gateway, job) as second:
            eventually(lambda: first.statuses() and second.statuses())
            time.sleep(0.4)  # nothing to wait for: what is shown is that nothing happens
            # One poll a second, a fifth sooner at most, beside those that the two streams begin with. Counted from
            # before they began, and before the clock is read again: however long that took, it is no more.
            asked = len(job.asked)
            assert asked <= 2 + (time.monotonic() - begun) / 0.8
            job.move("succeeded")
            gateway.hub.publish(JOB_ID, None)


def test_news_about_the_past_do_not_end_or_repeat_anything(gateway: Platform) -> None:
    job = Job()
    job.attempt = 2
    job.move("queued")
    with watched(gateway, job) as reader:
        eventually(lambda: reader.statuses() == ["queued"])
        for _ in range(50):
            gateway.hub.publish(JOB_ID, None)
            gateway.hub.publish(JOB_ID, Progress(2, "separating", 0.5))
            gateway.hub.publish(JOB_ID, Progress(1, "uploading", 0.9))
        eventually(lambda: reader.fractions() == [0.5])
        job.move("canceled")
        gateway.hub.publish(JOB_ID, None)
    assert reader.statuses() == ["queued", "canceled"]
    assert reader.fractions() == [0.5]


def test_problems_are_answered_before_a_stream_begins(gateway: Platform) -> None:
    job = Job()
    gateway.orchestrator.answer = job.answer
    stranger = gateway.client.get(EVENTS, headers=bearer(token_of("usr_stranger")))
    assert (stranger.status_code, stranger.json()["code"]) == (404, "job_not_found")
    assert gateway.client.get(EVENTS).status_code == 401
    assert gateway.client.get(EVENTS, headers=bearer("nonsense")).status_code == 401
    job.away = True
    away = gateway.client.get(EVENTS, headers=bearer(token_of("usr_alice")))
    assert (away.status_code, away.headers["retry-after"]) == (503, "2")
    gateway.orchestrator.answer = lambda _: Reply(403, body=b'{"detail": "this key lacks the scope"}')
    assert gateway.client.get(EVENTS, headers=bearer()).json()["detail"] == "this key lacks the scope"
    assert gateway.hub.jobs == 0


def test_a_stream_ends_when_access_or_the_job_is_gone() -> None:
    with platform(stream_poll_seconds=0.05) as gateway:
        for status in (401, 403, 404):
            job = Job()
            job.move("queued")
            with watched(gateway, job) as reader:
                eventually(lambda: bool(reader.statuses()))
                gateway.orchestrator.answer = lambda _, code=status: Reply(code)  # type: ignore[misc]
                reader.wait_for_end()


def test_streams_at_once_are_capped_and_places_come_back() -> None:
    with platform(streams_per_account=2) as gateway:
        job = Job()
        job.move("queued")
        gateway.orchestrator.answer = job.answer
        readers = [Reader(gateway.url + EVENTS) for _ in range(2)]
        for reader in readers:
            eventually(lambda of=reader: bool(of.statuses()))  # type: ignore[misc]
        third = gateway.client.get(EVENTS, headers=bearer(token_of("usr_alice")))
        assert (third.status_code, third.json()["code"]) == (429, "too_many_at_once")
        job.move("succeeded")
        gateway.hub.publish(JOB_ID, None)
        for reader in readers:
            reader.wait_for_end()
        eventually(lambda: gateway.app.state.admission.streams.open("usr_alice") == 0)
        assert gateway.client.get(EVENTS, headers=bearer(token_of("usr_alice"))).status_code == 200


def test_a_client_that_leaves_is_forgotten(gateway: Platform) -> None:
    job = Job()
    job.move("queued")
    gateway.orchestrator.answer = job.answer
    for _ in range(5):
        with gateway.client.stream("GET", EVENTS, headers=bearer(token_of("usr_alice"))) as response:
            lines = response.iter_lines()
            next(lines)
            assert gateway.hub.jobs == 1
    eventually(lambda: gateway.hub.jobs == 0)
    eventually(lambda: gateway.app.state.admission.streams.open("usr_alice") == 0)


def test_an_idle_stream_is_kept_open_by_comments(gateway: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing, "_PING_INTERVAL", 0.05)
    job = Job()
    job.move("queued")
    with watched(gateway, job) as reader:
        eventually(lambda: reader.comments >= 3)
        job.move("succeeded")
        gateway.hub.publish(JOB_ID, None)


def test_a_stream_has_a_longest_life_and_is_resumed() -> None:
    with platform(stream_max_seconds=0.2) as gateway:
        job = Job()
        job.move("queued")
        with watched(gateway, job) as reader:
            reader.wait_for_end()
        assert reader.statuses() == ["queued"]


def test_streams_end_whole_when_the_gateway_stops() -> None:
    job = Job()
    job.move("queued")
    with platform() as gateway:
        gateway.orchestrator.answer = job.answer
        readers = [Reader(gateway.url + EVENTS) for _ in range(5)]
        for reader in readers:
            eventually(lambda of=reader: bool(of.statuses()))  # type: ignore[misc]
    for reader in readers:
        reader.wait_for_end()


def test_two_thousand_reports_a_second_do_not_pile_up(gateway: Platform) -> None:
    job = Job()
    job.attempt = 1
    job.move("running")
    with watched(gateway, job) as reader:
        eventually(lambda: bool(reader.statuses()))
        for number in range(2000):
            gateway.hub.publish(JOB_ID, Progress(1, "separating", number / 2000))
        eventually(lambda: reader.fractions()[-1:] == [0.9995])
        job.move("succeeded")
        gateway.hub.publish(JOB_ID, None)
    assert reader.fractions() == sorted(set(reader.fractions()))


def test_a_stream_ends_when_its_session_does() -> None:
    with platform(stream_poll_seconds=600, revocations_fresh_seconds=0.05) as gateway:
        job = Job()
        job.move("queued")
        with watched(gateway, job) as reader:
            eventually(lambda: reader.statuses() == ["queued"])
            gateway.accounts.revoked = ["test"]
            reader.wait_for_end()
        assert reader.statuses() == ["queued"]
