"""What people send by mistake or on purpose: each gets a reason a person understands, and costs nothing."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.local.client import ApiError, Client
from tests.e2e.jobs import FinishedJob, balance, quote_of
from tests.e2e.songs import music, silent_flac, video_only, write_wav_16

pytestmark = pytest.mark.e2e


def text(folder: Path) -> Path:
    path = folder / "text.mp3"
    path.write_text("This is not a song.\n" * 500)
    return path


def playlist(folder: Path) -> Path:
    path = folder / "playlist.mp3"
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n")
    return path


def header_only(folder: Path) -> Path:
    whole = write_wav_16(folder / "whole.wav", music(1))
    path = folder / "header only.wav"
    path.write_bytes(whole.read_bytes()[:44])
    return path


def video(folder: Path) -> Path:
    return video_only(folder / "video.mp4")


def three_hours(folder: Path) -> Path:
    return silent_flac(folder / "three hours.flac", hours=3)


def test_an_empty_file_is_refused_before_it_is_sent(account: Client, tmp_path: Path) -> None:
    (tmp_path / "nothing.mp3").touch()
    with pytest.raises(ApiError) as refused:
        account.upload(tmp_path / "nothing.mp3")
    assert refused.value.status == 422


@pytest.mark.parametrize("make", [text, playlist, header_only, video, three_hours])
def test_a_file_that_is_no_song_is_rejected_with_a_reason(
    account: Client, tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    upload = account.upload(make(tmp_path))
    assert upload["status"] == "rejected", upload
    assert upload["code"]
    assert len(upload["reason"]) > 10
    assert "Traceback" not in upload["reason"]

    # The orchestrator hears of the rejection a moment later than we do; until then it takes the order and rejects it.
    try:
        job = account.wait_for_job(account.create_job(upload["id"])["id"])
    except ApiError as refused:
        status = refused.status
    else:
        assert job["status"] == "rejected", job
        status = 422
    assert 400 <= status < 500
    assert account.call("GET", "/v1/billing/balance") == balance(600)


def test_a_truncated_song_has_a_defined_result(account: Client, tmp_path: Path) -> None:
    whole = write_wav_16(tmp_path / "whole.wav", music(6))
    cut = tmp_path / "cut.wav"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    upload = account.upload(cut)
    assert upload["status"] == "ready", upload
    assert upload["audio"]["duration_seconds"] == pytest.approx(3, abs=0.01)
    job = account.wait_for_job(account.create_job(upload["id"])["id"])
    assert job["status"] == "succeeded", job
    assert job["stems"][0]["duration_seconds"] == pytest.approx(upload["audio"]["duration_seconds"])


@pytest.mark.parametrize(
    "samples",
    [
        pytest.param(np.zeros((44_100 * 2, 2), np.float32), id="silence"),
        pytest.param(np.full((1, 2), 0.5, np.float32), id="one sample"),
    ],
)
def test_a_song_with_next_to_nothing_in_it_is_separated(account: Client, tmp_path: Path, samples: np.ndarray) -> None:
    job = account.create_job(account.upload(write_wav_16(tmp_path / "song.wav", samples))["id"])
    job = account.wait_for_job(job["id"])
    assert job["status"] == "succeeded", job
    assert all(stem["duration_seconds"] == pytest.approx(len(samples) / 44_100) for stem in job["stems"])


@pytest.mark.parametrize(
    "wanted",
    [
        {"stems": ["drums"]},
        {"stems": []},
        {"stems": ["vocals", "vocals"]},
        {"output": {"format": "wma"}},
        {"output": {"format": "flac", "bit_depth": 32}},
        {"output": {"format": "mp3", "bitrate_kbps": 1}},
        {"mode": "half"},
        {"model": "no-such-model"},
        {"mode": "preview", "preview": {"start_seconds": -1}},
        {"mode": "preview", "preview": {"start_seconds": 1e9}},
        {"mode": "preview", "preview": {"start_seconds": 1000}},
    ],
)
def test_an_order_for_what_there_is_not_is_422(finished: FinishedJob, wanted: dict[str, Any]) -> None:
    before = finished.client.call("GET", "/v1/billing/balance")
    with pytest.raises(ApiError) as refused:
        finished.client.create_job(finished.upload["id"], **wanted)
    assert refused.value.status == 422
    assert refused.value.code
    assert finished.client.call("GET", "/v1/billing/balance") == before


def test_an_order_for_an_upload_that_nobody_knows_is_404(account: Client) -> None:
    with pytest.raises(ApiError) as refused:
        account.create_job("upl_01jzzzzzzzzzzzzzzzzzzzzzzz")
    assert refused.value.status == 404


def test_without_credits_the_order_is_402_and_nothing_is_held(account: Client, tmp_path: Path) -> None:
    song = silent_flac(tmp_path / "long.flac", hours=0.2)
    upload = account.upload(song)
    quote = quote_of(account, upload)
    assert quote["affordable"] is False
    try:
        order = account.create_job(upload["id"])
    except ApiError as refused:
        assert (refused.status, refused.code) == (402, "insufficient_credits")  # noqa: PT017 - one of two right ways
    else:
        # Where accounts is busy the order is taken first, 202, and rejected then.
        assert order["status"] == "reserving"
        assert account.wait_for_job(order["id"])["error"]["code"] == "insufficient_credits"
    assert account.call("GET", "/v1/billing/balance") == balance(600)
    assert [job["status"] for job in account.call("GET", "/v1/jobs")["items"]] == ["rejected"]


def test_ids_that_only_look_like_ours_stop_nobody(account: Client, tmp_path: Path) -> None:
    """Forty at once from one account, of letters that no id of ours has."""

    def order(number: int) -> int:
        with pytest.raises(ApiError) as refused:
            account.call("POST", "/v1/quotes" if number % 2 else "/v1/jobs", json={"upload_id": "upl_" + "i" * 26})
        return refused.value.status

    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(order, range(40))) == {422}
    upload = account.upload(write_wav_16(tmp_path / "song.wav", music(1)))
    assert quote_of(account, upload)["price_credits"] == 1
