"""A person's own waiting jobs: seen in their turn, and any of them put first, at nobody else's cost."""

import io
import zipfile
from typing import Any

from sqlalchemy import select, update

from services.kit.ids import new_id
from services.orchestrator.jobs.models import Job
from services.orchestrator.results.service import Results
from services.orchestrator.settings import Settings
from services.orchestrator.uploads.models import KnownUpload
from tests.databases import on_sqlite
from tests.services.orchestrator.results.test_results import Stored
from tests.services.orchestrator.siblings import succeeded
from tests.services.orchestrator.world import World, bearer

ADA, BOB, WORKER = new_id("usr"), new_id("usr"), new_id("wrk")


def queue(world: World, account: str = ADA, **query: int) -> list[str]:
    answer = world.client.get("/v1/queue", params=query, headers=bearer(account)).json()
    return [job["id"] for job in answer["items"]]


def expedite(world: World, job_id: str, account: str = ADA) -> Any:
    return world.client.post(f"/v1/jobs/{job_id}/expedite", headers=bearer(account))


def placed(world: World) -> str:
    """The job that the next free slot gets; it ends at once."""
    world.beat(WORKER)
    assert world.dispatcher.place()
    (event,) = [event for event in world.told() if event.type.endswith("SeparationAssigned")]
    job_id: str = event.data.job_id
    world.beat(WORKER, running=[(job_id, 1)])
    world.hear(succeeded(WORKER, job_id, 1))
    return job_id


def queued(world: World, *accounts: str) -> list[str]:
    """A job of each, a minute after the other."""
    jobs = []
    for account in accounts:
        jobs.append(world.queued_job(account))
        world.clock.advance(60)
    world.told()
    return jobs


def test_what_is_put_first_is_next_and_the_others_keep_their_order(world: World) -> None:
    first, second, third, fourth = queued(world, ADA, ADA, ADA, ADA)
    assert queue(world) == [first, second, third, fourth]
    assert queue(world, limit=2) == [first, second]

    answers = [expedite(world, third) for _ in range(2)]
    assert [(answer.status_code, answer.json()["id"]) for answer in answers] == [(200, third)] * 2

    assert queue(world) == [third, first, second, fourth]
    assert [placed(world) for _ in range(4)] == [third, first, second, fourth]
    assert queue(world) == []


def test_nobody_else_waits_longer_for_it(world: World) -> None:
    ada, bob, late = queued(world, ADA, BOB, ADA)

    expedite(world, late)

    # Ada has the two turns that she had.
    assert [placed(world) for _ in range(3)] == [late, bob, ada]


def test_only_what_waits_and_is_ones_own_is_put_first(world: World) -> None:
    (job,) = queued(world, ADA)
    ended = placed(world)
    assert job == ended
    refused = expedite(world, ended)
    assert (refused.status_code, refused.json()["code"]) == (409, "job_not_waiting")
    (bobs,) = queued(world, BOB)
    for stranger in (expedite(world, bobs), expedite(world, new_id("job"))):
        assert (stranger.status_code, stranger.json()["code"]) == (404, "job_not_found")
    assert queue(world) == []


def test_lists_name_the_song_until_its_upload_is_deleted(world: World) -> None:
    job_id = world.queued_job(ADA)
    for path in ("/v1/jobs", "/v1/queue"):
        (listed,) = world.client.get(path, headers=bearer(ADA)).json()["items"]
        assert (listed["id"], listed["filename"]) == (job_id, "Song.mp3")
    waiting = world.post_job(BOB, world.pending_upload(BOB))
    (listed,) = world.client.get("/v1/jobs", headers=bearer(BOB)).json()["items"]
    assert (listed["id"], listed["filename"]) == (waiting["id"], None)


def test_the_stems_of_several_jobs_come_in_folders(world: World) -> None:
    jobs = queued(world, ADA, ADA)
    for _ in jobs:
        placed(world)
    stored = Stored(vocals_flac=b"v" * 10, instrumental_flac=b"i" * 10)
    results = Results(world.database, stored, Settings())  # type: ignore[arg-type]

    length, content = results.archive_of_many(ADA, [*jobs, jobs[0]])
    packed = b"".join(content)

    assert len(packed) == length
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [
            f"{folder}/Song ({stem}).flac" for folder in ("Song", "Song (2)") for stem in ("vocals", "instrumental")
        ]


@on_sqlite
def test_each_of_several_jobs_has_a_folder_of_its_own_whatever_the_songs_are_called(world: World) -> None:
    names = ["A.mp3", "A.wav", "A (2).flac", "a.mp3", "Straße.mp3", "STRASSE.mp3"]
    names += ["X feat. Y", "\u00e9.mp3", "e\u0301.mp3"]
    jobs = queued(world, *[ADA] * len(names))
    for _ in jobs:
        placed(world)
    with world.database.write() as session:
        for job_id, name in zip(jobs, names, strict=True):
            song = select(Job.upload_id).where(Job.id == job_id).scalar_subquery()
            session.execute(update(KnownUpload).where(KnownUpload.id == song).values(filename=name))
    stored = Stored(vocals_flac=b"v" * 10, instrumental_flac=b"i" * 10)
    results = Results(world.database, stored, Settings())  # type: ignore[arg-type]

    with zipfile.ZipFile(io.BytesIO(b"".join(results.archive_of_many(ADA, jobs)[1]))) as archive:
        folders = [name.partition("/")[0] for name in archive.namelist()[::2]]

    assert folders == [
        "A",
        "A (2)",
        "A (2) (2)",
        "a (3)",
        "Straße",
        "STRASSE (2)",
        "X feat. Y",
        "\u00e9",
        "e\u0301 (2)",
    ]


def test_where_one_of_several_has_no_stems_it_is_named(world: World) -> None:
    done, waiting = queued(world, ADA, ADA)
    assert placed(world) == done
    world.storage.objects |= {f"stems/{done}/1/{name}.flac": b"0123456789" for name in ("vocals", "instrumental")}

    def ask(*job_ids: str, account: str = ADA) -> Any:
        return world.client.get("/v1/archives", params={"job_id": job_ids}, headers=bearer(account))

    refused = ask(done, waiting)
    assert (refused.status_code, refused.json()["code"]) == (409, "job_not_finished")
    assert refused.json()["job_id"] == waiting
    foreign = ask(done, account=BOB)
    assert (foreign.status_code, foreign.json()["code"]) == (404, "job_not_found")
    assert ask().status_code == 422
    assert ask(*(new_id("job") for _ in range(51))).status_code == 422
    assert ask("../x").status_code == 422
