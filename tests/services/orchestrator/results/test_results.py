from collections.abc import Iterator

import pytest

from services.kit.ids import new_id
from services.kit.storage import ObjectInfo, ObjectNotFound
from services.orchestrator.results.errors import ResultDamaged, ResultGone
from services.orchestrator.results.service import Results, _file_name
from services.orchestrator.settings import Settings
from services.orchestrator.uploads.models import KnownUpload
from tests.databases import on_sqlite
from tests.services.orchestrator.siblings import succeeded
from tests.services.orchestrator.world import World


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("Song.mp3", "Song (vocals).flac"),
        ("../../../etc/cron.d/x.mp3", "x (vocals).flac"),
        ("..\\..\\x.mp3", "x (vocals).flac"),
        (".mp3", "mp3 (vocals).flac"),
        ("-rf.wav", "rf (vocals).flac"),
        ("--help -x.mp3", "help -x (vocals).flac"),
        ("- . -.wav", "song (vocals).flac"),
        ("a\nb\x7f\u202ec.wav", "a_b__c (vocals).flac"),
        ("/", "song (vocals).flac"),
        ("Beyoncé - Live.v2.wav", "Beyoncé - Live.v2 (vocals).flac"),
        (None, "song (vocals).flac"),
        ("a|b: c?.wav", "a_b_ c_ (vocals).flac"),
        ("日" * 80 + ".wav", "日" * 80 + " (vocals).flac"),
        ("日" * 85 + ".wav", "日" * 80 + " (vocals).flac"),
    ],
)
def test_files_are_named_after_the_song_and_lead_to_no_other_folder(given: str | None, name: str) -> None:
    assert _file_name(KnownUpload(filename=given), "vocals", "flac") == name


class Stored:
    """What a store has of one job, by the last part of the key."""

    def __init__(self, **objects: bytes) -> None:
        self._objects = {name.replace("_", "."): data for name, data in objects.items()}

    def head(self, key: str) -> ObjectInfo | None:
        data = self._objects.get(key.rpartition("/")[2])
        return None if data is None else ObjectInfo(key, len(data), "etag")

    def read_bytes(self, key: str, limit_bytes: int) -> bytes:
        try:
            return self._objects[key.rpartition("/")[2]][:limit_bytes]
        except KeyError:
            raise ObjectNotFound(key) from None

    def stream(self, key: str) -> Iterator[bytes]:
        yield self.read_bytes(key, 1 << 20)

    def presign_get(self, key: str, seconds: int, name: str) -> str:
        return f"https://store/{key}?name={name}&seconds={seconds}"


@pytest.fixture
def finished(world: World) -> tuple[str, str]:
    """Account and id of a job that has succeeded; its stems have ten bytes each."""
    account, worker = new_id("usr"), new_id("wrk")
    job = world.post_job(account, world.ready_upload(account, seconds=90.5))
    world.grant(job)
    world.beat(worker)
    assert world.dispatcher.place()
    world.beat(worker, running=[(job["id"], 1)])
    world.hear(succeeded(worker, job["id"], 1))
    return account, job["id"]


def results(world: World, **objects: bytes) -> Results:
    return Results(world.database, Stored(**objects), Settings())  # type: ignore[arg-type]


def test_stems_that_are_stored_as_they_were_made_are_handed_out(world: World, finished: tuple[str, str]) -> None:
    whole = results(world, vocals_flac=b"v" * 10, instrumental_flac=b"i" * 10, manifest_json=b"{}")
    link = whole.stem_link(*finished, "vocals")
    assert "vocals.flac" in link.url
    assert link.size_bytes == 10
    _, length, content = whole.archive(*finished)
    assert len(b"".join(content)) == length
    assert whole.manifest(*finished) == {}


@on_sqlite
@pytest.mark.parametrize(
    ("vocals", "error"),
    [(None, ResultGone), (b"", ResultDamaged), (b"v" * 9, ResultDamaged), (b"v" * 11, ResultDamaged)],
)
def test_a_stem_that_is_not_as_it_was_made_is_a_clear_problem(
    world: World, finished: tuple[str, str], vocals: bytes | None, error: type[Exception]
) -> None:
    stored = {"instrumental_flac": b"i" * 10} | ({} if vocals is None else {"vocals_flac": vocals})
    spoilt = results(world, **stored)
    with pytest.raises(error):
        spoilt.stem_link(*finished, "vocals")
    with pytest.raises(error):
        spoilt.archive(*finished)


@on_sqlite
@pytest.mark.parametrize("document", [b"", b"{", b"\xff\xfe", b"[]", b"null"])
def test_a_document_that_is_damaged_is_a_clear_problem(
    world: World, finished: tuple[str, str], document: bytes
) -> None:
    spoilt = results(world, manifest_json=document, waveforms_json=document)
    for read in (spoilt.manifest, spoilt.waveforms):
        with pytest.raises(ResultDamaged):
            read(*finished)
