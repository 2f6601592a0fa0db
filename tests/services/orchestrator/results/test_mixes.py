"""A mix of the stems as one WAV, made while it is downloaded."""

from typing import Any

import numpy as np
import pytest

from services.kit.ids import new_id
from services.kit.object_keys import stems_prefix
from services.kit.playback import segment_key
from tests.databases import on_sqlite
from tests.segments import SEGMENT, song, wav_24
from tests.services.orchestrator.results.listened import WORKER, finished
from tests.services.orchestrator.siblings import succeeded
from tests.services.orchestrator.world import World, bearer

LENGTH = 3 * SEGMENT + 99


@pytest.fixture
def account() -> str:
    return new_id("usr")


def ask(world: World, account: str, job_id: str, **faders: float | str) -> Any:
    return world.client.get(f"/v1/jobs/{job_id}/mix", params=faders, headers=bearer(account))


def unread(world: World, job_id: str, track: str, segments: int = 4) -> None:
    """Takes a track out of the store, or its beginning, so that no mix can be made of that."""
    for number in range(segments):
        del world.storage.objects[segment_key(stems_prefix(job_id, 1), track, number)]


def test_with_no_fader_moved_it_is_the_song_and_its_length_is_told(world: World, account: str) -> None:
    tracks = song(LENGTH)
    job_id = finished(world, account, tracks)
    unread(world, job_id, "mixture")
    answer = ask(world, account, job_id)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/wav")
    assert '(mix).wav"' in answer.headers["content-disposition"]
    assert int(answer.headers["content-length"]) == len(answer.content) == 44 + 6 * LENGTH
    assert np.array_equal(wav_24(answer.content), tracks["mixture"].astype(np.int32) * 256)


@on_sqlite
def test_it_is_mixed_as_the_faders_stand(world: World, account: str) -> None:
    tracks = song(LENGTH)
    job_id = finished(world, account, tracks)
    answer = ask(world, account, job_id, vocals_gain_db=-6, instrumental_pan=0.5, master_gain_db=-3)
    vocals, instrumental = (tracks[stem].astype(np.float64) * 256 for stem in ("vocals", "instrumental"))
    across = instrumental[:, 0] * np.sqrt(0.5)
    panned = np.stack([across, instrumental[:, 1] + across], axis=1)
    expected = 10 ** (-3 / 20) * (10 ** (-6 / 20) * vocals + panned)
    assert np.abs(wav_24(answer.content) - expected).max() < 0.51


@on_sqlite
def test_what_is_silent_is_not_read(world: World, account: str) -> None:
    tracks = song(LENGTH)
    job_id = finished(world, account, tracks)
    unread(world, job_id, "vocals")
    answer = ask(world, account, job_id, vocals_gain_db=-60)
    assert np.array_equal(wav_24(answer.content), tracks["instrumental"].astype(np.int32) * 256)


@on_sqlite
def test_a_mix_of_nothing_is_silence_of_the_song_s_length(world: World, account: str) -> None:
    answer = ask(world, account, finished(world, account, song(LENGTH)), vocals_gain_db=-60, instrumental_gain_db=-60)
    assert np.array_equal(wav_24(answer.content), np.zeros((LENGTH, 2)))


@on_sqlite
def test_a_stem_that_nobody_ordered_is_what_remains(world: World, account: str) -> None:
    tracks = song(LENGTH)
    ordered = {name: tracks[name] for name in ("mixture", "vocals")}
    answer = ask(world, account, finished(world, account, ordered), vocals_gain_db=-60)
    assert np.array_equal(wav_24(answer.content), tracks["instrumental"].astype(np.int32) * 256)


@on_sqlite
def test_a_download_that_broke_off_goes_on_where_it_ended(world: World, account: str) -> None:
    job_id = finished(world, account, song(LENGTH))
    headers = bearer(account)
    path = f"/v1/jobs/{job_id}/mix?vocals_pan=0.3"
    whole = world.client.get(path, headers=headers)
    assert whole.headers["accept-ranges"] == "bytes"
    version = whole.headers["etag"]
    length = len(whole.content)
    of_a_segment = 6 * SEGMENT
    unread(world, job_id, "vocals", 1)
    for begin in (44 + of_a_segment, 45 + of_a_segment, 44 + 2 * of_a_segment - 1, 44 + 3 * of_a_segment, length - 1):
        rest = world.client.get(path, headers={**headers, "Range": f"bytes={begin}-", "If-Range": version})
        assert (rest.status_code, rest.headers["content-range"]) == (206, f"bytes {begin}-{length - 1}/{length}")
        assert int(rest.headers["content-length"]) == length - begin
        assert rest.content == whole.content[begin:]


@on_sqlite
def test_the_beginning_is_sent_where_that_is_all_there_is_to_go_on_from(world: World, account: str) -> None:
    job_id = finished(world, account, song(LENGTH))
    path = f"/v1/jobs/{job_id}/mix"
    whole = world.client.get(path, headers=bearer(account))
    for begin in (1, 44, 1000):
        rest = world.client.get(path, headers={**bearer(account), "Range": f"bytes={begin}-"})
        assert (rest.status_code, rest.content) == (206, whole.content[begin:])
    length = len(whole.content)
    other = world.client.get(path, params={"vocals_pan": 0.3}, headers=bearer(account)).headers["etag"]
    for headers in (
        {"Range": "bytes=1000-", "If-Range": other},
        {"Range": "bytes=1000-2000"},
        {"Range": "bytes=-1000"},
        {"Range": f"bytes={length}-"},
        {"Range": "samples=1-"},
    ):
        again = world.client.get(path, headers={**bearer(account), **headers})
        assert (again.status_code, again.content) == (200, whole.content), headers


@on_sqlite
@pytest.mark.parametrize(
    "wrong",
    [
        {"vocals_gain_db": -60.1},
        {"instrumental_gain_db": 6.1},
        {"master_gain_db": 7},
        {"vocals_pan": -1.1},
        {"instrumental_pan": 1.01},
        {"vocals_gain_db": "nan"},
        {"master_gain_db": "-inf"},
        {"vocals_pan": "nan"},
        {"vocals_pan": "left"},
        {"vocal_gain_db": -6},
    ],
)
def test_faders_stand_no_farther_than_those_of_the_page(
    world: World, account: str, wrong: dict[str, float | str]
) -> None:
    answer = ask(world, account, finished(world, account, song(SEGMENT)), **wrong)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


def test_what_is_refused_has_an_answer_of_its_own(world: World, account: str) -> None:
    job_id = finished(world, account, song(LENGTH))
    without = world.running_job(WORKER, account)
    world.hear(succeeded(WORKER, without, 1))
    assert ask(world, new_id("usr"), job_id).json()["code"] == "job_not_found"
    assert ask(world, account, without).json()["code"] == "result_gone"
    first = segment_key(stems_prefix(job_id, 1), "vocals", 0)
    flac = world.storage.objects.pop(first)
    assert ask(world, account, job_id).json()["code"] == "result_gone"
    # None of them has taken a place.
    world.storage.objects[first] = flac
    assert ask(world, account, job_id).status_code == 200


@on_sqlite
def test_a_mix_that_no_wav_could_hold_is_refused_before_anything_is_sent(world: World, account: str) -> None:
    most = (2**32 - 1 - 44) // 6
    for samples, code in ((most, "result_gone"), (most + 1, "mix_too_long")):
        job_id = world.running_job(WORKER, account)
        record = {
            "tracks": ["mixture", "vocals", "instrumental"],
            "segments": 1,
            "segment_seconds": 6,
            "sample_rate_hz": 192_000,
            "channels": 2,
            "samples": samples,
        }
        world.hear(succeeded(WORKER, job_id, 1, playback=record))
        assert ask(world, account, job_id).json()["code"] == code
