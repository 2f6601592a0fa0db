"""A song in, its stems out."""

import hashlib
import math
from pathlib import Path

import numpy as np
import pytest

from services.local.client import Client, sha256_of
from services.local.demo import null_residual_dbfs
from tests.e2e.jobs import FinishedJob, quote_of, settled, stems_of
from tests.e2e.songs import music, read, steps_of_16_bit, whole_song, write_wav, write_wav_16

pytestmark = pytest.mark.e2e

FLOAT_WAV = {"format": "wav", "bit_depth": 32}


@pytest.mark.slow
def test_a_song_of_five_minutes_is_separated_through_the_api_alone(account: Client, tmp_path: Path) -> None:
    song = whole_song(tmp_path)
    mixture, rate_hz = read(song)
    upload = account.upload(song)
    assert upload["status"] == "ready", upload
    assert upload["sha256"] == sha256_of(song)
    assert (upload["audio"]["sample_rate_hz"], upload["audio"]["channels"]) == (rate_hz, mixture.shape[1])
    assert upload["audio"]["duration_seconds"] == pytest.approx(len(mixture) / rate_hz)

    quote = quote_of(account, upload)
    job = account.create_job(upload["id"], output={"format": "flac", "bit_depth": 16})
    assert job["price_credits"] == quote["price_credits"] == math.ceil(len(mixture) / rate_hz)
    job = account.wait_for_job(job["id"], timeout_seconds=600)
    assert job["status"] == "succeeded", job

    stems = stems_of(account, job, tmp_path)
    for samples, stem_rate_hz in stems.values():
        assert (samples.shape, stem_rate_hz) == (mixture.shape, rate_hz)
    assert steps_of_16_bit(stems["vocals"][0] + stems["instrumental"][0] - mixture) <= 1
    settled(account)
    assert account.call("GET", "/v1/billing/balance") == {
        "available_credits": 600 - quote["price_credits"],
        "reserved_credits": 0,
        "debt_credits": 0,
        "expiring": [],
    }


def test_stems_in_float_wav_sum_to_the_song_exactly(finished: FinishedJob, tmp_path: Path) -> None:
    stems = stems_of(finished.client, finished.job, tmp_path)
    vocals, instrumental = stems["vocals"][0], stems["instrumental"][0]
    assert vocals.shape == instrumental.shape == finished.mixture.shape
    assert np.array_equal(vocals + instrumental, finished.mixture)
    assert np.abs(vocals).max() > 0.001
    assert np.abs(instrumental).max() > 0.001


def test_stems_of_a_float_song_sum_to_it_within_a_rounding(account: Client, tmp_path: Path) -> None:
    """Two stems louder than the song cannot hold its last bits in 32-bit floats; nobody hears -140 dBFS."""
    song = write_wav(tmp_path / "song.wav", music(5))
    job = account.wait_for_job(account.create_job(account.upload(song)["id"], output=FLOAT_WAV)["id"])
    stems = stems_of(account, job, tmp_path)
    assert np.abs(stems["vocals"][0] + stems["instrumental"][0] - read(song)[0]).max() < 1e-7


def test_what_the_job_says_of_its_stems_is_so(finished: FinishedJob, tmp_path: Path) -> None:
    for stem in finished.job["stems"]:
        path = tmp_path / stem["name"]
        finished.client.download(f"/v1/jobs/{finished.job['id']}/stems/{stem['name']}", path)
        data = path.read_bytes()
        assert (stem["sha256"], stem["size_bytes"]) == (hashlib.sha256(data).hexdigest(), len(data))
        samples, rate_hz = read(path)
        assert (stem["sample_rate_hz"], stem["channels"]) == (rate_hz, samples.shape[1])
        assert stem["duration_seconds"] == pytest.approx(len(samples) / rate_hz)
        assert stem["peak_dbfs"] == pytest.approx(20 * math.log10(np.abs(samples).max()), abs=0.01)
        assert stem["silent"] is False


def test_48_khz_mono_comes_back_as_48_khz_mono(account: Client, tmp_path: Path) -> None:
    song = write_wav_16(tmp_path / "mono.wav", music(7.123, 48_000, channels=1), 48_000)
    mixture, _ = read(song)
    job = account.create_job(account.upload(song)["id"], output={"format": "flac", "bit_depth": 16})
    job = account.wait_for_job(job["id"])
    assert job["status"] == "succeeded", job
    stems = stems_of(account, job, tmp_path)
    assert {(samples.shape, rate_hz) for samples, rate_hz in stems.values()} == {(mixture.shape, 48_000)}
    assert steps_of_16_bit(stems["vocals"][0] + stems["instrumental"][0] - mixture) <= 1


@pytest.mark.parametrize("wanted", [{"format": "mp3", "bitrate_kbps": 192}, {"format": "flac", "bit_depth": 24}])
def test_other_formats_and_a_single_stem(account: Client, tmp_path: Path, wanted: dict[str, object]) -> None:
    song = write_wav(tmp_path / "song.wav", music(5))
    job = account.create_job(account.upload(song)["id"], stems=["vocals"], output=wanted)
    job = account.wait_for_job(job["id"])
    assert [(stem["name"], stem["format"]) for stem in job["stems"]] == [("vocals", wanted["format"])]
    vocals, rate_hz = stems_of(account, job, tmp_path)["vocals"]
    assert rate_hz == 44_100
    assert len(vocals) == pytest.approx(5 * 44_100, abs=0 if wanted["format"] == "flac" else 2500)


def test_a_preview_is_that_window_of_the_whole_and_free(finished: FinishedJob, tmp_path: Path) -> None:
    client = finished.client
    before = client.call("GET", "/v1/billing/balance")
    preview = {"start_seconds": 6.5, "duration_seconds": 8}
    job = client.create_job(finished.upload["id"], mode="preview", preview=preview, output=FLOAT_WAV)
    assert job["price_credits"] == 0
    job = client.wait_for_job(job["id"])
    assert job["status"] == "succeeded", job
    whole = stems_of(client, finished.job, tmp_path)
    for name, (samples, rate_hz) in stems_of(client, job, tmp_path).items():
        begin = round(6.5 * rate_hz)
        assert np.array_equal(samples, whole[name][0][begin : begin + 8 * rate_hz]), name
    assert client.call("GET", "/v1/billing/balance") == before


def test_a_small_client_can_send_the_file_in_one_request(account: Client, tmp_path: Path) -> None:
    song = write_wav_16(tmp_path / "song.wav", music(3))
    upload = account.call("POST", "/v1/uploads", json={"filename": "song.wav", "size_bytes": song.stat().st_size})
    account.send("PUT", f"/v1/uploads/{upload['id']}/content", content=song.read_bytes())
    assert account.wait_for_upload(upload["id"])["status"] == "ready"


def test_the_platforms_own_proof_agrees_with_ours(finished: FinishedJob, tmp_path: Path) -> None:
    stems = []
    for name in ("vocals", "instrumental"):
        stems.append(tmp_path / f"{name}.wav")
        finished.client.download(f"/v1/jobs/{finished.job['id']}/stems/{name}", stems[-1])
    assert null_residual_dbfs(finished.song, stems) == -math.inf
    assert finished.job["quality"]["null_residual_dbfs"] is None
