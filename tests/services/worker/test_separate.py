import errno
import io
import json
import threading
from io import BufferedReader
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from separation.errors import UndecodableAudio
from separation.manifest import Manifest
from services.kit.object_keys import source_key
from services.kit.protos import separation_pb2
from services.worker import arriving
from services.worker.attempts import AbortReason
from services.worker.errors import (
    AttemptAborted,
    EngineFailed,
    NoSpace,
    SourceChanged,
    SourceMissing,
    SourceUnreadable,
    StorageFailed,
)
from tests.services.worker.bench import ME, SONG, SOURCE, Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture(autouse=True)
def _nothing_is_left_behind(bench: Bench) -> object:
    yield
    assert [path.name for path in (bench.root / ME).iterdir()] == ["lock"]


def test_the_manifest_is_the_last_object(bench: Bench) -> None:
    result = bench.separate(bench.attempt())
    assert bench.storage.order[-1] == result.manifest_key == "stems/job_a/1/manifest.json"
    assert bench.stored() == [
        f"stems/job_a/1/{name}" for name in ("instrumental.flac", "manifest.json", "vocals.flac", "waveforms.json")
    ]
    assert bench.storage.objects[result.manifest_key] == result.manifest


def test_the_manifest_says_what_where_and_how_long(bench: Bench) -> None:
    data = bench.separate(bench.attempt()).manifest
    manifest = json.loads(data)
    assert (manifest["job_id"], manifest["attempt"], manifest["worker_id"]) == ("job_a", 1, ME)
    assert manifest["timings_seconds"].keys() == {"download", "engine", "network", "upload", "total"}
    assert Manifest.from_json(data).stems[0].file == "vocals.flac"


def test_music_is_counted_beside_the_time_that_it_took(bench: Bench) -> None:
    def told() -> tuple[float, float]:
        total = REGISTRY.get_sample_value("stemwright_worker_stage_seconds_count", {"stage": "total"})
        return REGISTRY.get_sample_value("stemwright_worker_audio_seconds_total") or 0.0, total or 0.0

    music, results = told()
    bench.separate(bench.attempt())
    assert told() == (music + 1, results + 1)
    bench.separate(bench.attempt(2))  # whose result is the first attempt's
    assert told() == (music + 1, results + 1)


@pytest.mark.parametrize("residual", [-60.0, 0.0])
def test_stems_that_do_not_sum_to_the_song_are_not_published(bench: Bench, residual: float) -> None:
    bench.residual = residual
    with pytest.raises(EngineFailed) as caught:
        bench.separate(bench.attempt())
    assert (caught.value.code, caught.value.retryable) == ("stems_do_not_null", True)
    assert bench.storage.order == []


def test_a_rounding_error_is_no_difference(bench: Bench) -> None:
    bench.residual = -150.0
    assert bench.separate(bench.attempt()).manifest_key


def test_a_finished_lower_attempt_is_used(bench: Bench) -> None:
    first = bench.separate(bench.attempt(1))
    again = bench.separate(bench.attempt(3))
    assert again == first
    assert bench.runs == 1
    assert bench.stored(3) == []


@pytest.mark.parametrize(
    "change",
    [
        {"stems": ["vocals"]},
        {"bit_depth": 24},
        {"digest": "sha256:" + "1" * 64},
        {"window": separation_pb2.Window(start_seconds=0, duration_seconds=30)},
    ],
)
def test_a_lower_attempt_with_other_parameters_is_not_used(bench: Bench, change: dict[str, object]) -> None:
    bench.separate(bench.attempt(1))
    assert bench.separate(bench.attempt(2, **change)).manifest_key == "stems/job_a/2/manifest.json"


@pytest.mark.parametrize("damage", ["no object", "short object", "no JSON", "not a manifest", "a list"])
def test_a_lower_attempt_that_is_not_whole_is_not_used(bench: Bench, damage: str) -> None:
    manifest = bench.separate(bench.attempt(1)).manifest_key
    match damage:
        case "no object":
            del bench.storage.objects["stems/job_a/1/vocals.flac"]
        case "short object":
            bench.storage.objects["stems/job_a/1/vocals.flac"] = b"the"
        case "no JSON":
            bench.storage.objects[manifest] = b"\xff"
        case "not a manifest":
            bench.storage.objects[manifest] = b"{}"
        case _:
            bench.storage.objects[manifest] = b"[]"
    assert bench.separate(bench.attempt(2)).manifest_key == "stems/job_a/2/manifest.json"


def test_a_source_that_is_gone_is_final(bench: Bench) -> None:
    bench.storage.objects.clear()
    with pytest.raises(SourceMissing) as caught:
        bench.separate(bench.attempt())
    assert not caught.value.retryable


@pytest.mark.parametrize("other", [SONG + b"!", SONG[:-1], b""])
def test_a_source_of_another_length_is_not_read(bench: Bench, other: bytes) -> None:
    bench.storage.objects[SOURCE] = other
    with pytest.raises(SourceChanged):
        bench.separate(bench.attempt())
    assert bench.read == b""


@pytest.mark.parametrize("engine_fails", [False, True])
def test_of_a_source_that_is_not_the_one_that_was_checked_nothing_stays(bench: Bench, *, engine_fails: bool) -> None:
    """It is heard of after it was read; the next attempt fetches it again, and a song is never at fault for it."""
    bench.storage.objects[SOURCE] = bytes(reversed(SONG))
    bench.segments = (44100,)

    def fail() -> None:
        raise EngineFailed(UndecodableAudio("The audio in the file is damaged."))

    if engine_fails:
        bench.during = fail
    with pytest.raises(SourceChanged) as caught:
        bench.separate(bench.attempt())
    assert caught.value.retryable
    assert bench.stored() == []


def test_a_song_is_read_from_both_ends_while_it_arrives(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first bytes and the last ones are there while the store has not given out what is between them."""
    monkeypatch.setattr(arriving, "END_BYTES", 8)
    asked, both_ends_read = threading.Event(), threading.Event()

    def between() -> None:
        asked.set()
        assert both_ends_read.wait(60)

    bench.storage.before = {4: between}
    seen = []

    def read(song: BufferedReader) -> bytes:
        song.seek(-8, io.SEEK_END)
        seen.append(song.read())
        song.seek(0)
        seen.append(song.read(4))
        assert asked.wait(60)
        both_ends_read.set()
        song.seek(0)
        return song.read()

    bench.reading = read
    bench.separate(bench.attempt())
    assert seen == [SONG[-8:], SONG[:4]]
    assert bench.read == SONG


def test_a_song_that_stops_arriving_is_fetched_on_from_there(bench: Bench) -> None:
    bench.storage.breaking = [4, 8]
    bench.separate(bench.attempt())
    assert bench.read == SONG
    assert bench.storage.asked == [0, 4, 8]


def test_a_song_that_does_not_arrive_ends_whoever_reads_it(bench: Bench) -> None:
    bench.storage.breaking = [4, 4, 4]
    with pytest.raises(StorageFailed):
        bench.separate(bench.attempt())


@pytest.mark.parametrize("key", ["original", "vocals.flac", "waveforms.json", "manifest.json"])
def test_a_store_that_is_away_for_a_moment_costs_nothing(bench: Bench, key: str) -> None:
    bench.storage.failures[key] = 2
    assert json.loads(bench.separate(bench.attempt()).manifest)
    assert len(bench.stored()) == 4


@pytest.mark.parametrize("key", ["original", "vocals.flac", "waveforms.json"])
def test_a_store_that_stays_away_is_another_attempt(bench: Bench, key: str) -> None:
    bench.storage.failures[key] = 3
    with pytest.raises(StorageFailed) as caught:
        bench.separate(bench.attempt())
    assert caught.value.retryable
    assert bench.stored() == []


def test_a_source_that_the_store_refuses_while_it_gives_out_others_is_the_song_s_fault(bench: Bench) -> None:
    """As a song's own fault it counts: of three such attempts the job ends."""
    other = source_key("upl_other")
    bench.storage.objects[other] = b"another song"
    bench.store.note_arrived(other)
    bench.storage.failures[SOURCE] = 3
    with pytest.raises(SourceUnreadable) as caught:
        bench.separate(bench.attempt())
    assert (caught.value.code, caught.value.retryable) == ("source_unreadable", True)
    assert bench.stored() == []


@pytest.mark.parametrize("others", ["unknown", "itself", "deleted", "refused"])
def test_a_store_of_which_nothing_better_is_known_is_away(bench: Bench, others: str) -> None:
    bench.storage.failures[SOURCE] = 3
    other = source_key("upl_other")
    if others != "unknown":
        bench.store.note_arrived(SOURCE if others == "itself" else other)
    if others == "refused":
        bench.storage.objects[other] = b"another song"
        bench.storage.failures[other] = 1
    with pytest.raises(StorageFailed):
        bench.separate(bench.attempt())


def test_a_song_that_arrived_whole_speaks_for_the_store(bench: Bench) -> None:
    bench.separate(bench.attempt())
    assert bench.store.serves_others(source_key("upl_other"))
    assert not bench.store.serves_others(SOURCE)


def test_a_source_that_went_with_its_bucket_is_waited_for(bench: Bench) -> None:
    bench.storage.objects.clear()
    bench.storage.has_bucket = False
    with pytest.raises(StorageFailed):
        bench.separate(bench.attempt())


def test_objects_stay_once_a_manifest_was_on_its_way(bench: Bench) -> None:
    """The store may have it although its answer was lost; then the next attempt finds it."""
    bench.storage.failures["manifest.json"] = 3
    with pytest.raises(StorageFailed):
        bench.separate(bench.attempt())
    assert len(bench.stored()) == 3


@pytest.mark.parametrize("files", [1, 3])
def test_what_arrives_short_is_put_again(bench: Bench, files: int) -> None:
    bench.storage.truncating = files
    bench.separate(bench.attempt())
    assert bench.storage.truncating == 0
    assert bench.storage.objects["stems/job_a/1/vocals.flac"] == b"the vocals"
    assert bench.storage.objects["stems/job_a/1/instrumental.flac"] == b"the instrumental"


def test_an_attempt_that_is_told_to_stop_leaves_nothing(bench: Bench) -> None:
    attempt = bench.attempt()
    bench.during = lambda: bench.service.cancel(
        separation_pb2.SeparationCanceled(worker_id=ME, job_id="job_a", attempt=1)
    )
    with pytest.raises(AttemptAborted) as caught:
        bench.separate(attempt)
    assert caught.value.reason is AbortReason.CANCELED
    assert bench.stored() == []


def test_a_full_disk_is_another_attempt(bench: Bench) -> None:
    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    bench.during = full
    with pytest.raises(NoSpace) as caught:
        bench.separate(bench.attempt())
    assert caught.value.retryable


def test_what_was_not_foreseen_leaves_nothing(bench: Bench) -> None:
    def broken() -> None:
        raise ZeroDivisionError

    bench.during = broken
    with pytest.raises(ZeroDivisionError):
        bench.separate(bench.attempt())
    assert bench.stored() == []
