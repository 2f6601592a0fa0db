"""What else one can do with a job than wait for it."""

import io
import json
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest

from services.local.client import FINAL, ApiError, Client
from tests.e2e.jobs import FinishedJob, NewAccount, balance, eventually, settled
from tests.e2e.songs import Samples, music, write_wav_16
from tests.segments import decoded, wav_24

pytestmark = pytest.mark.e2e


def test_twenty_orders_with_one_key_are_one_job_and_one_reservation(account: Client, tmp_path: Path) -> None:
    upload = account.upload(write_wav_16(tmp_path / "song.wav", music(4)))
    start = threading.Barrier(20)

    def order(_: int) -> str:
        start.wait()
        return str(account.create_job(upload["id"], key="the-same-key")["id"])

    with ThreadPoolExecutor(20) as pool:
        ids = set(pool.map(order, range(20)))
    assert len(ids) == 1
    assert account.wait_for_job(ids.pop())["status"] == "succeeded"
    assert len(account.call("GET", "/v1/jobs")["items"]) == 1
    settled(account)
    assert account.call("GET", "/v1/billing/balance") == balance(596)
    kinds = [entry["kind"] for entry in account.call("GET", "/v1/billing/ledger")["items"]]
    assert sorted(kinds) == ["capture", "grant", "reserve"]


def test_another_order_with_the_same_key_is_refused(finished: FinishedJob, tmp_path: Path) -> None:
    client, upload_id = finished.client, finished.upload["id"]
    wanted: dict[str, Any] = {"mode": "preview", "preview": {"duration_seconds": 1}}
    job = client.create_job(upload_id, key="once", **wanted)
    assert client.create_job(upload_id, key="once", **wanted)["id"] == job["id"]
    with pytest.raises(ApiError) as refused:
        client.create_job(upload_id, key="once", mode="preview", preview={"duration_seconds": 2})
    assert (refused.value.status, refused.value.code) == (422, "idempotency_conflict")
    client.wait_for_job(job["id"])


def test_a_queued_or_running_job_can_be_cancelled_and_costs_nothing(account: Client, tmp_path: Path) -> None:
    upload = account.upload(write_wav_16(tmp_path / "song.wav", music(120)))
    running = account.create_job(upload["id"])
    for event in account.events(running["id"]):
        if event.type == "progress" and event.data["stage"] == "separating":
            break
    queued = account.create_job(upload["id"])
    assert account.call("POST", f"/v1/jobs/{queued['id']}/cancel")["status"] == "canceled"
    account.call("POST", f"/v1/jobs/{running['id']}/cancel")
    for job in (queued, running):
        assert account.wait_for_job(job["id"])["status"] == "canceled"
    settled(account)
    assert account.call("GET", "/v1/billing/balance") == balance(600)
    with pytest.raises(ApiError) as refused:
        account.send("GET", f"/v1/jobs/{running['id']}/stems/vocals")
    assert (refused.value.status, refused.value.code) == (409, "job_not_finished")


def test_a_cancelled_job_can_be_tried_again(account: Client, tmp_path: Path) -> None:
    upload = account.upload(write_wav_16(tmp_path / "song.wav", music(30)))
    job = account.create_job(upload["id"])
    assert account.call("POST", f"/v1/jobs/{job['id']}/cancel")["status"] == "canceled"
    again = account.call("POST", f"/v1/jobs/{job['id']}/retry")
    assert again["retry_of"] == job["id"]
    assert account.wait_for_job(again["id"])["status"] == "succeeded"
    assert account.job(job["id"])["status"] == "canceled"


def test_events_tell_the_whole_story_and_can_be_resumed(account: Client, tmp_path: Path) -> None:
    upload = account.upload(write_wav_16(tmp_path / "song.wav", music(30)))
    job = account.create_job(upload["id"])
    events = list(account.events(job["id"]))
    statuses = [event.data["status"] for event in events if event.type == "status"]
    assert statuses[-1] == "succeeded"
    assert [status for status in statuses if status in FINAL] == ["succeeded"]
    # Of attempts: a worker that a busy machine keeps silent is given up, and the song begins anew.
    made = [(event.data["attempt"], event.data["fraction"]) for event in events if event.type == "progress"]
    assert made
    assert all(0 <= fraction <= 1 for _, fraction in made)
    assert made == sorted(made)
    assert {event.data["stage"] for event in events if event.type == "progress"} <= {
        "downloading",
        "separating",
        "uploading",
    }

    ids = [event.id for event in events if event.type == "status" and event.id is not None]
    assert len(ids) >= 2
    resumed = list(account.events(job["id"], last_event_id=ids[0]))
    assert [event.id for event in resumed if event.id is not None] == ids[1:]
    assert resumed[-1].data["status"] == "succeeded"


def test_the_archive_holds_both_stems(finished: FinishedJob) -> None:
    answer = finished.client.send("GET", f"/v1/jobs/{finished.job['id']}/archive")
    assert answer.headers["Content-Type"] == "application/zip"
    sizes = {stem["name"]: stem["size_bytes"] for stem in finished.job["stems"]}
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        found = {Path(info.filename).stem.rpartition(" ")[2]: info.file_size for info in archive.infolist()}
    for name, size in sizes.items():
        assert size in found.values(), (name, found)


def test_the_file_for_dj_software_has_the_song_and_its_stems(finished: FinishedJob) -> None:
    answer = finished.client.send("GET", f"/v1/jobs/{finished.job['id']}/stem-file")
    assert answer.headers["Content-Type"] == "audio/mp4"
    song, instrumental, *silent, vocals = decoded(answer.content)
    assert len(song) == len(finished.mixture)
    # Steady sounds, of which AAC keeps nearly all; to the sample where they were, or little would cancel.
    left = song - finished.mixture
    assert np.mean(left**2) < 0.01 * np.mean(song**2)
    left = instrumental + vocals - song
    assert np.mean(left**2) < 0.01 * np.mean(song**2)
    assert max(np.abs(track).max() for track in silent) < 1e-3


def test_a_mix_without_faders_is_the_song_and_those_of_one_stem_each_sum_to_it(finished: FinishedJob) -> None:
    def mix(faders: str) -> Samples:
        answer = finished.client.send("GET", f"/v1/jobs/{finished.job['id']}/mix{faders}")
        assert answer.headers["Content-Type"] == "audio/wav"
        assert int(answer.headers["Content-Length"]) == len(answer.content)
        return (wav_24(answer.content) / 2**23).astype(np.float32)

    assert np.array_equal(mix(""), finished.mixture)
    vocals, instrumental = mix("?instrumental_gain_db=-60"), mix("?vocals_gain_db=-60")
    assert np.abs(vocals).max() > 0.01
    assert np.array_equal(vocals + instrumental, finished.mixture)


def test_waveforms_follow_the_audio(finished: FinishedJob) -> None:
    waveforms = finished.client.call("GET", f"/v1/jobs/{finished.job['id']}/waveforms")
    assert waveforms["duration_seconds"] == pytest.approx(20)
    assert set(waveforms["tracks"]) == {"mixture", "vocals", "instrumental"}
    per_peak = waveforms["samples_per_peak"] * 44_100 // waveforms["sample_rate_hz"]
    peaks = np.array(waveforms["tracks"]["mixture"]).reshape(-1, 2)
    assert len(peaks) == -(-len(finished.mixture) // per_peak)
    first = finished.mixture[:per_peak]
    assert peaks[0, 0] <= first.mean(axis=1).min() + 0.05
    assert peaks[0, 1] >= first.mean(axis=1).max() - 0.05
    assert peaks[:, 0].min() >= -1
    assert peaks[:, 1].max() <= 1


def test_the_manifest_is_the_workers_proof(finished: FinishedJob) -> None:
    manifest = finished.client.call("GET", f"/v1/jobs/{finished.job['id']}/manifest")
    text = json.dumps(manifest)
    assert finished.upload["sha256"] in text
    assert finished.job["model"]["digest"] in text
    assert manifest["timings_seconds"]


def test_the_mixture_can_be_had_beside_the_stems(finished: FinishedJob, tmp_path: Path) -> None:
    path = tmp_path / "mixture"
    finished.client.download(f"/v1/jobs/{finished.job['id']}/stems/mixture", path)
    assert path.read_bytes() == finished.song.read_bytes()


def test_feedback_is_kept(finished: FinishedJob) -> None:
    path = f"/v1/jobs/{finished.job['id']}/feedback"
    given = {"rating": 4, "stem": "vocals", "tags": ["bleed"], "comment": "Nice."}
    finished.client.call("PUT", path, json=given)
    kept = finished.client.call("GET", path)
    assert {name: kept[name] for name in given} == given


def test_what_a_client_attached_comes_back(finished: FinishedJob) -> None:
    assert finished.job["metadata"] == {"mine": "yes"}


def test_a_deleted_job_and_a_deleted_upload_are_gone_with_their_objects(account: Client, tmp_path: Path) -> None:
    upload = account.upload(write_wav_16(tmp_path / "song.wav", music(3)))
    job = account.wait_for_job(account.create_job(upload["id"])["id"])
    link = account.send("GET", f"/v1/jobs/{job['id']}/stems/vocals").headers["Location"]
    assert httpx2.get(link, timeout=180).status_code == 200
    for path in (f"/v1/jobs/{job['id']}", f"/v1/uploads/{upload['id']}"):
        assert account.send("DELETE", path).status_code == 204
        with pytest.raises(ApiError) as gone:
            account.call("GET", path)
        assert gone.value.status == 404
    eventually(lambda: httpx2.get(link, timeout=180).status_code == 404, "the stem to be gone")


def test_lists_come_in_pages(new_account: NewAccount, tmp_path: Path) -> None:
    account = new_account()
    song = write_wav_16(tmp_path / "song.wav", music(1))
    ids = {account.upload(song)["id"] for _ in range(3)}
    first = account.call("GET", "/v1/uploads", params={"limit": 2})
    rest = account.call("GET", "/v1/uploads", params={"limit": 2, "cursor": first["next_cursor"]})
    assert (len(first["items"]), len(rest["items"]), rest["next_cursor"]) == (2, 1, None)
    assert {item["id"] for item in (*first["items"], *rest["items"])} == ids
