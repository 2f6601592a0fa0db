"""What a link to listen leads to is for whoever has it, in no index, and its token in no log."""

import logging

import pytest

from tests.services.gateway.standin import Platform, Reply, eventually, platform, problem

TOKEN = "Zk3vQ0pXw9sB7yH2mN4tRg"


@pytest.mark.parametrize("path", [f"/v1/shares/{TOKEN}", f"/v1/shares/{TOKEN}/playback/vocals/0", f"/s/{TOKEN}"])
def test_nobody_is_told_of_it_by_an_index_a_referrer_a_cache_or_a_log(
    gateway: Platform, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    answer = gateway.client.get(path, headers={"Cookie": "stemwright-session=" + "a" * 43})

    assert answer.status_code == 200
    assert answer.headers["x-robots-tag"] == "noindex"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] in {"no-store", "no-cache"}

    def ours() -> list[logging.LogRecord]:
        return [record for record in caplog.records if record.name.startswith("services.")]

    # A request is logged when its answer has been sent, which may have been read by then.
    eventually(lambda: any(f"{record.__dict__.get('path')}".endswith(path.split(TOKEN)[1]) for record in ours()))
    assert [record for record in ours() if TOKEN in record.getMessage() + str(vars(record))] == []
    # Who listens does so as nobody, whoever is signed in.
    assert [seen.header("authorization") for seen in gateway.orchestrator.seen] in ([], [None])


def test_a_link_that_has_ended_is_told_so_and_kept_from_indexes_too(gateway: Platform) -> None:
    gone = b'{"status": 404, "code": "share_not_found"}'
    gateway.orchestrator.answer = lambda _seen: Reply(404, {"content-type": "application/problem+json"}, gone)
    answer = gateway.client.get(f"/v1/shares/{TOKEN}")
    assert (answer.status_code, answer.json()["code"]) == (404, "share_not_found")
    assert answer.headers["x-robots-tag"] == "noindex"


def test_who_tries_one_after_the_other_is_stopped() -> None:
    with platform(address_rate="3/minute") as running:
        answers = [running.client.get(f"/v1/shares/{number:022d}") for number in range(4)]
    assert [answer.status_code for answer in answers[:3]] == [200] * 3
    problem(answers[3], 429, "rate_limited")
