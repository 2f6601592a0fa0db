"""What leaves the page of a separation as a file is what is heard on it, and sums to the song."""

import re
from pathlib import Path

import numpy as np
from playwright.sync_api import Route, expect

from tests.e2e.jobs import PATIENCE_SECONDS
from tests.e2e.songs import Samples, read
from tests.segments import decoded
from tests.web.listening import TRACKS, Listener
from tests.web.separated import Separated


def test_the_mix_is_saved_as_it_is_heard(separated: Separated, listener: Listener, tmp_path: Path) -> None:
    listener.open(separated.job["id"])
    page = listener.page

    def saved(name: str) -> Samples:
        with page.expect_download(timeout=PATIENCE_SECONDS * 1000) as download:
            listener.button("Save this mix as WAV").click()
        assert download.value.suggested_filename == "A song, «live» (mix).wav"
        download.value.save_as(tmp_path / name)
        return read(tmp_path / name)[0]

    assert np.array_equal(saved("neutral.wav"), separated.mixture)

    page.get_by_role("slider", name="Volume of Vocals").fill("-6")
    page.get_by_role("slider", name="Panorama of Instrumental").fill("0.5")
    page.get_by_role("slider", name="Master volume").fill("-3")
    stems = {}
    for stem in TRACKS[1:]:
        path = tmp_path / f"{stem}.flac"
        separated.client.download(f"/v1/jobs/{separated.job['id']}/stems/{stem}", path)
        stems[stem] = read(path)[0].astype(np.float64)
    # The StereoPanner of Web Audio: what the left side loses is heard on the right.
    left, right = stems["instrumental"].T
    panned = np.stack([left * np.cos(np.pi / 4), right + left * np.sin(np.pi / 4)], axis=1)
    expected = 10 ** (-3 / 20) * (10 ** (-6 / 20) * stems["vocals"] + panned)
    mixed = saved("mixed.wav")
    difference = mixed - expected
    assert 10 * np.log10((difference**2).sum() / (expected**2).sum()) < -100
    # The server mixes by the same arithmetic, of which browsers round the parts.
    faders = "vocals_gain_db=-6&instrumental_pan=0.5&master_gain_db=-3"
    separated.client.download(f"/v1/jobs/{separated.job['id']}/mix?{faders}", tmp_path / "served.wav")
    assert np.abs(read(tmp_path / "served.wav")[0] - mixed).max() <= 2 / 2**23

    page.keyboard.press(".")
    assert len(saved("faster.wav")) == round(len(separated.mixture) / 1.05)

    # What has begun can be stopped: here because the next part of the song never comes.
    page.route("**/playback/*/*", lambda _: None)
    listener.button("Save this mix as WAV").click()
    listener.button("Stop").click()
    expect(listener.button("Save this mix as WAV")).to_be_visible()


def test_the_mix_of_a_long_song_is_a_download_that_needs_no_page(
    separated: Separated, listener: Listener, tmp_path: Path
) -> None:
    page = listener.page

    def longer(route: Route) -> None:
        """As if there were an hour of it, which the page goes by; what comes is the song as it is."""
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "duration_seconds": 3600})

    page.route(re.compile(r"/playback$"), longer)
    listener.open(separated.job["id"])
    link = page.get_by_role("link", name="Save this mix as WAV")
    assert not page.get_by_text("beyond full scale").is_visible()
    page.get_by_role("slider", name="Master volume").fill("6")
    expect(page.get_by_text(re.compile(r"This mix may go up to [0-9.]+ dB beyond full scale"))).to_be_visible()
    page.get_by_role("slider", name="Master volume").fill("0")
    expect(page.get_by_text("beyond full scale")).not_to_be_visible()
    listener.button("Mute Vocals").click()
    with page.expect_download(timeout=PATIENCE_SECONDS * 1000) as download:
        link.click()
    assert download.value.suggested_filename == "A song, «live» (mix).wav"
    download.value.save_as(tmp_path / "served.wav")
    path = tmp_path / "instrumental.flac"
    separated.client.download(f"/v1/jobs/{separated.job['id']}/stems/instrumental", path)
    assert np.array_equal(read(tmp_path / "served.wav")[0], read(path)[0])

    # Another speed is the page's own work, and it says so.
    page.keyboard.press(".")
    expect(listener.button("Save this mix as WAV")).to_be_visible()
    expect(page.get_by_text("Leave it open until it is saved")).to_be_visible()


def test_what_is_downloaded_sums_to_the_song(separated: Separated, listener: Listener, tmp_path: Path) -> None:
    listener.open(separated.job["id"])
    page = listener.page
    expect(page.get_by_role("heading", level=1)).to_have_text("A song, «live»")
    expect(page.get_by_text("you have your song again, sample for sample")).to_be_visible()
    total = np.zeros_like(separated.mixture)
    for name in ("Vocals", "Instrumental"):
        with page.expect_download() as download:
            page.get_by_role("link", name=f"Download {name} as FLAC").click()
        assert download.value.suggested_filename == f"A song, «live» ({name.lower()}).flac"
        path = tmp_path / f"{name}.flac"
        download.value.save_as(path)
        total += read(path)[0]
    assert np.array_equal(total, separated.mixture)
    with page.expect_download() as download:
        page.get_by_role("link", name="All stems as one zip").click()
    assert download.value.suggested_filename.endswith(".zip")


def test_the_file_for_dj_software_is_downloaded_and_the_page_says_that_it_is_lossy(
    separated: Separated, listener: Listener
) -> None:
    listener.open(separated.job["id"])
    link = listener.page.get_by_role("link", name="For DJ software, .stem.mp4")
    lossy = re.compile("do not cancel against your song, a whole set in FLAC")
    expect(link).to_have_accessible_description(lossy, timeout=PATIENCE_SECONDS * 1000)
    with listener.page.expect_download() as download:
        link.click()
    assert download.value.suggested_filename == "A song, «live».stem.mp4"
    tracks = decoded(Path(download.value.path()).read_bytes())
    assert [len(track) for track in tracks] == [len(separated.mixture)] * 5
