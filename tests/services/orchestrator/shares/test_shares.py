"""Links to listen: who has one hears what its owner hears, and nothing more, until it ends."""

import json
import re
from typing import Any

import pytest
from sqlalchemy import select

from services.kit.erasures import Eraser
from services.kit.ids import new_id
from services.kit.object_keys import stems_prefix
from services.kit.playback import segment_key
from services.kit.protos import billing_pb2
from services.orchestrator.erasing import Forgetting
from services.orchestrator.jobs.models import Job
from services.orchestrator.results.deletions import Forgetter
from services.orchestrator.shares.models import Share
from tests.erasing import counts_of, hear, receipts
from tests.services.orchestrator.results.test_playback import MADE, code
from tests.services.orchestrator.siblings import succeeded
from tests.services.orchestrator.test_erasing import round_of
from tests.services.orchestrator.world import World, bearer

WORKER = new_id("wrk")
PEAKS = {"sample_rate_hz": 44100, "samples_per_peak": 1024, "duration_seconds": 90.5, "tracks": {"vocals": [0, 0.5]}}
NOTHING = (404, "share_not_found")


@pytest.fixture
def account() -> str:
    return new_id("usr")


@pytest.fixture
def job_id(world: World, account: str) -> str:
    """A separation that can be listened to."""
    job_id = world.running_job(WORKER, account, metadata={"note": "for Ada's mother"})
    prefix = stems_prefix(job_id, 1)
    world.storage.objects |= {
        segment_key(prefix, "vocals", 0): b"the first six seconds",
        f"{prefix}waveforms.json": json.dumps(PEAKS).encode(),
    }
    world.hear(succeeded(WORKER, job_id, 1, playback=MADE))
    return job_id


def post(world: World, account: str, job_id: str, **wanted: Any) -> Any:
    return world.client.post(f"/v1/jobs/{job_id}/shares", json=wanted, headers=bearer(account))


def made(world: World, account: str, job_id: str, **wanted: Any) -> dict[str, Any]:
    answer = post(world, account, job_id, **wanted)
    assert answer.status_code == 201, answer.text
    share: dict[str, Any] = answer.json()
    return share


def follow(world: World, share: dict[str, Any], path: str = "") -> Any:
    return world.client.get(f"/v1/shares/{share['token']}{path}")


def listed(world: World, account: str, job_id: str) -> list[str]:
    answer = world.client.get(f"/v1/jobs/{job_id}/shares", headers=bearer(account)).json()
    return [share["id"] for share in answer["items"]]


def test_whoever_has_the_link_hears_what_the_owner_hears(world: World, account: str, job_id: str) -> None:
    share = made(world, account, job_id, title="Rough mix")

    for path in ("/playback", "/playback/vocals/0", "/waveforms"):
        owned = world.client.get(f"/v1/jobs/{job_id}{path}", headers=bearer(account))
        shared = follow(world, share, path)
        assert owned.status_code == shared.status_code == 200
        assert (shared.content, shared.headers["content-type"]) == (owned.content, owned.headers["content-type"])
        # What a browser keeps could still be heard after the end.
        assert "cache-control" not in shared.headers
    assert code(follow(world, share, "/playback/drums/0")) == (404, "segment_not_found")


def test_it_tells_nothing_but_the_title_that_its_owner_chose(world: World, account: str, job_id: str) -> None:
    assert follow(world, made(world, account, job_id, title="<b>Rough</b> mix")).json() == {"title": "<b>Rough</b> mix"}
    unnamed = made(world, account, job_id)
    assert follow(world, unnamed).json() == {"title": None}

    told = "".join(follow(world, unnamed, path).text for path in ("", "/playback", "/waveforms"))
    for secret in ("Song.mp3", "mother", account, job_id, world.job(job_id).upload_id):
        assert secret not in told


def test_a_token_is_long_shown_once_and_stored_as_a_digest(world: World, account: str, job_id: str) -> None:
    shares = [made(world, account, job_id) for _ in range(2)]

    tokens = [share["token"] for share in shares]
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{22}", token) for token in tokens)
    assert len(set(tokens)) == 2
    assert listed(world, account, job_id) == [share["id"] for share in shares[::-1]]
    again = world.client.get(f"/v1/jobs/{job_id}/shares", headers=bearer(account)).text
    with world.database.read() as session:
        stored = str([vars(share) for share in session.scalars(select(Share))])
    for token in tokens:
        assert token not in again
        assert token not in stored


def end(world: World, account: str, job_id: str, share: dict[str, Any]) -> None:
    world.client.delete(f"/v1/shares/{share['id']}", headers=bearer(account))


def expire(world: World, _account: str, _job_id: str, _share: dict[str, Any]) -> None:
    world.clock.advance(3600)


def delete(world: World, account: str, job_id: str, _share: dict[str, Any]) -> None:
    world.client.delete(f"/v1/jobs/{job_id}", headers=bearer(account))


def outlive(world: World, _account: str, job_id: str, _share: dict[str, Any]) -> None:
    with world.database.write() as session:
        job = session.get(Job, job_id)
        assert job is not None
        job.result_prefix = None  # as when its stems were kept long enough


@pytest.mark.parametrize("ending", [end, expire, delete, outlive])
def test_once_it_has_ended_however_it_is_as_if_it_had_never_been(
    world: World, account: str, job_id: str, ending: Any
) -> None:
    share, other = (made(world, account, job_id, expires_in_seconds=seconds) for seconds in (3600, 7200))
    assert follow(world, share).status_code == 200

    ending(world, account, job_id, share)

    never = {"token": "A" * 22}
    for path in ("", "/playback", "/playback/vocals/0", "/waveforms"):
        answer, unknown = follow(world, share, path), follow(world, never, path)
        assert code(answer) == NOTHING
        assert answer.json() == unknown.json()
    alone = follow(world, other).status_code
    assert alone == (200 if ending in (end, expire) else 404)


def test_what_is_no_token_is_no_link(world: World) -> None:
    for token in ("vocals", "A" * 21, "A" * 23, "%00" * 22, "' OR 1=1 --" * 2, "A" * 5000, "é" * 22):
        assert code(world.client.get(f"/v1/shares/{token}")) == NOTHING
        assert code(world.client.get(f"/v1/shares/{token}/playback")) == NOTHING


def test_only_its_owner_makes_sees_and_ends_it(world: World, account: str, job_id: str) -> None:
    share, stranger = made(world, account, job_id), new_id("usr")

    assert code(post(world, stranger, job_id)) == (404, "job_not_found")
    seen = world.client.get(f"/v1/jobs/{job_id}/shares", headers=bearer(stranger))
    assert code(seen) == (404, "job_not_found")
    for name in (share["id"], share["token"], new_id("shr")):
        assert code(world.client.delete(f"/v1/shares/{name}", headers=bearer(stranger))) == NOTHING
    # Who merely listens cannot end it either.
    assert world.client.delete(f"/v1/shares/{share['id']}").status_code == 401
    assert code(world.client.delete(f"/v1/shares/{share['token']}", headers=bearer(account))) == NOTHING
    assert follow(world, share).status_code == 200


WRONG = (
    {"expires_in_seconds": 59},
    {"expires_in_seconds": 365 * 86400 + 1},
    {"expires_in_seconds": float("inf")},
    {"expires_in_seconds": "3600"},
    {"title": ""},
    {"title": "x" * 201},
    {"title": "two\nlines"},
    {"title": "\x1b[31mred"},
    {"account_id": "usr_1"},
)


def test_what_a_link_cannot_be_is_refused(world: World, account: str, job_id: str) -> None:
    headers = {**bearer(account), "Content-Type": "application/json"}
    for wanted in WRONG:
        content = json.dumps(wanted).replace("Infinity", "1e400")
        answer = world.client.post(f"/v1/jobs/{job_id}/shares", content=content, headers=headers)
        assert code(answer) == (422, "invalid_request"), wanted
    assert listed(world, account, job_id) == []


def test_what_is_not_made_yet_cannot_be_shared_and_links_have_a_limit(world: World, account: str, job_id: str) -> None:
    assert code(post(world, account, world.queued_job(account))) == (409, "job_not_finished")
    shares = [made(world, account, job_id) for _ in range(20)]
    assert code(post(world, account, job_id)) == (409, "too_many_shares")
    end(world, account, job_id, shares[0])
    made(world, account, job_id)


def test_those_of_a_disabled_account_rest_until_it_is_enabled(world: World, account: str, job_id: str) -> None:
    share = made(world, account, job_id)

    def answers() -> set[tuple[int, str]]:
        return {code(follow(world, share, path)) for path in ("", "/playback", "/playback/vocals/0", "/waveforms")}

    world.change_account(account, disabled=False, at=0)
    world.change_account(new_id("usr"), disabled=True, at=9)
    assert follow(world, share).status_code == 200
    world.change_account(account, disabled=True, at=2)
    assert answers() == {NOTHING}
    world.change_account(account, disabled=False, at=1)  # told late
    assert answers() == {NOTHING}
    world.change_account(account, disabled=False, at=3)
    assert follow(world, share, "/playback").status_code == 200


def test_of_links_that_ended_nothing_is_kept(world: World, account: str, job_id: str) -> None:
    made(world, account, job_id, expires_in_seconds=60)
    kept = made(world, account, job_id, expires_in_seconds=7200)
    world.clock.advance(3600)

    assert listed(world, account, job_id) == [kept["id"]]
    Forgetter(world.database, world.settings).forget()

    with world.database.read() as session:
        assert [share.id for share in session.scalars(select(Share))] == [kept["id"]]
    delete(world, account, job_id, kept)
    with world.database.read() as session:
        assert session.scalars(select(Share)).all() == []


def test_they_are_in_the_export_and_go_with_the_account(world: World, account: str, job_id: str) -> None:
    shares = [made(world, account, job_id, title="Rough mix") for _ in range(3)]
    pages = [world.client.get("/internal/shares", params={"limit": 2}, headers=bearer(account)).json()]
    after = {"limit": 2, "cursor": pages[0]["next_cursor"]}
    pages.append(world.client.get("/internal/shares", params=after, headers=bearer(account)).json())
    assert [share["id"] for page in pages for share in page["items"]] == [share["id"] for share in shares[::-1]]
    assert pages[1]["next_cursor"] is None

    world.settle(job_id, billing_pb2.SETTLEMENT_CAPTURED)
    eraser = Eraser(world.database, Forgetting(world.database, world.storage, world.lifecycle))  # type: ignore[arg-type]
    hear(eraser, account)
    assert round_of(world, eraser)

    assert code(follow(world, shares[0])) == NOTHING
    assert counts_of(receipts(world.database)[0])["shares"] == 3
