"""What is heard on the page of a separation: while it is made, mixed, measured through the audio graph."""

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from services.local.client import FINAL, Client
from services.local.platform import Platform
from tests.e2e.jobs import PATIENCE_SECONDS
from tests.e2e.songs import music, write_wav_16
from tests.web.browsing import PASSWORD
from tests.web.conftest import NewVisitor
from tests.web.listening import TRACKS, Listener
from tests.web.separated import LENGTH_SECONDS, Separated

TWO_HOURS_SECONDS = 7200


# Nearly every column of every picture has something in it.
DRAWN = """() => {
    const pictures = [...document.querySelectorAll('[data-heard] canvas, [role=slider] canvas')];
    return pictures.length > 2 && pictures.every(one => {
        const copy = new OffscreenCanvas(one.width, one.height).getContext('2d', { willReadFrequently: true });
        copy.drawImage(one, 0, 0);
        const { data } = copy.getImageData(0, 0, one.width, one.height);
        const columns = new Set();
        data.forEach((value, i) => { if (i % 4 === 3 && value > 0) columns.add(((i - 3) / 4) % one.width); });
        return columns.size > 0.95 * one.width;
    });
}"""


# How much of a stem's picture is neither ground nor full colour: nearly nothing of a waveform.
SHADED = """() => [...document.querySelectorAll('[data-heard] canvas')].every(one => {
    const copy = new OffscreenCanvas(one.width, one.height).getContext('2d', { willReadFrequently: true });
    copy.drawImage(one, 0, 0);
    const { data } = copy.getImageData(0, 0, one.width, one.height);
    return data.filter((value, i) => i % 4 === 3 && value > 0 && value < 255).length > data.length / 4 / 10;
})"""


@contextmanager
def stopped(platform: Platform, part: str) -> Iterator[None]:
    """A part that goes no further for as long as the block lasts."""
    pid = platform.supervisor.pid(part)
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def two_hours_of(page: Page) -> None:
    """Lets the page take a song for one of two hours: its segments come from the platform, the whole ones in turn, and
    its waveforms are repeated. To separate so much music would take this test an hour."""
    whole = LENGTH_SECONDS // 6
    turns = TWO_HOURS_SECONDS // (6 * whole)

    def playback(route: Route) -> None:
        answer = route.fetch()
        longer = {"duration_seconds": TWO_HOURS_SECONDS, "playable_seconds": TWO_HOURS_SECONDS}
        route.fulfill(response=answer, json={**answer.json(), **longer})

    def segment(route: Route) -> None:
        path, _, number = route.request.url.rpartition("/")
        assert int(number) < TWO_HOURS_SECONDS // 6
        route.continue_(url=f"{path}/{int(number) % whole}")

    def waveforms(route: Route) -> None:
        answer = route.fetch()
        document = answer.json()
        # As coarse as the server makes it of so long a song.
        document["samples_per_peak"] *= turns
        peaks = {
            name: values[: len(values) * 6 * whole // LENGTH_SECONDS] for name, values in document["tracks"].items()
        }
        document |= {"duration_seconds": TWO_HOURS_SECONDS, "tracks": peaks}
        route.fulfill(response=answer, json=document)

    page.route(re.compile(r"/playback$"), playback)
    page.route(re.compile(r"/playback/\w+/\d+$"), segment)
    page.route(re.compile(r"/waveforms$"), waveforms)


def test_a_song_plays_while_it_is_separated_and_waits_for_the_rest(
    platform: Platform, new_visitor: NewVisitor, tmp_path: Path
) -> None:
    visitor = new_visitor(signed_in=True)
    listener = Listener(visitor)
    song = write_wav_16(tmp_path / "song.wav", music(180))
    with Client(platform.gateway_url) as client:
        client.sign_in(visitor.email, PASSWORD)
        job_id = client.create_job(client.upload(song)["id"])["id"]
        made = (event.data.get("playable_seconds", 0) for event in client.events(job_id) if event.type == "progress")
        next(seconds for seconds in made if seconds >= 6)
        with stopped(platform, "worker-1"):
            listener.open(job_id)
            listener.button("Play").click()
            listener.hear(1)
            assert client.job(job_id)["status"] not in FINAL
            # It comes to the edge of what is made, however much that was, and stands there.
            listener.wait_until("() => document.querySelector('[data-waiting=true]') !== null")
            assert listener.position >= 6
            assert client.job(job_id)["status"] not in FINAL
        listener.wait_until("() => listening.frames > 44100 && document.querySelector('[data-waiting=true]') === null")
        listener.hear(2)
        assert client.wait_for_job(job_id, PATIENCE_SECONDS)["status"] == "succeeded"
        expect(listener.page.get_by_role("heading", name="What is sure")).to_be_visible(timeout=PATIENCE_SECONDS * 1000)
        listener.page.keyboard.press("Home")
        listener.hear(2)
    listener.forgive_the_processor()


def test_stems_are_in_step_to_the_sample_over_the_song_and_after_every_seek(
    separated: Separated, listener: Listener
) -> None:
    listener.open(separated.job["id"])
    listener.button("Play").click()
    for key in ("Home", "PageUp", "ArrowUp"):
        listener.page.get_by_role("slider", name="Position in the song").press(key)
        heard = listener.hear(7)

        # What is left is how Chromium scales integers; a single sample between two tracks would be far above it.
        assert heard.residual < heard.mix * 1e-8
        assert heard.residualOneSampleLate > heard.residual * 1000
        assert heard.outputMinusMix < heard.mix * 1e-10


def test_what_is_heard_follows_the_desk(separated: Separated, listener: Listener) -> None:
    listener.open(separated.job["id"])
    listener.button("Play").click()
    vocals, instrumental = TRACKS.index("vocals"), TRACKS.index("instrumental")
    listener.button("Mute Vocals").click()
    heard = listener.hear(2)
    assert heard.outputMinusTrack[instrumental] == 0 < heard.tracks[vocals]

    listener.button("Vocals alone").click()
    heard = listener.hear(2)
    assert heard.outputMinusTrack[vocals] == 0 < heard.tracks[instrumental]

    listener.page.get_by_role("slider", name="Volume of Vocals").fill("-20")
    heard = listener.hear(2)
    assert heard.output == pytest.approx(heard.tracks[vocals] / 100, rel=1e-3)

    # The original takes its place, as loud as it: twenty decibels and more below itself.
    listener.page.get_by_text("Original", exact=True).last.click()
    heard = listener.hear(2)
    assert heard.output < heard.tracks[TRACKS.index("mixture")] / 90
    assert heard.output > 0


def test_speed_and_key_change_without_each_other_and_stems_stay_stems(separated: Separated, listener: Listener) -> None:
    listener.open(separated.job["id"])
    page = listener.page
    listener.button("Play").click()
    listener.hear(1)
    page.get_by_role("button", name="Speed and key").click()
    page.get_by_role("slider", name="Speed").fill("200")
    listener.hear(1)
    before = listener.position
    heard = listener.hear(8)
    # Twice as much of the song as has gone by of the clock.
    assert listener.position - before == pytest.approx(2 * heard.frames / 44_100, abs=4)
    assert heard.residual < heard.mix * 1e-6
    assert heard.residualOneSampleLate > heard.residual * 1000
    assert heard.outputMinusMix < heard.mix * 1e-10

    # By keyboard, back to the song's own: the samples as they are.
    page.keyboard.press("f")
    expect(page.get_by_role("slider", name="Key")).to_have_attribute("aria-valuetext", "+1 semitones")
    page.keyboard.press("r")
    page.keyboard.press("Home")
    heard = listener.hear(2)
    assert heard.residual < heard.mix * 1e-8


def test_a_region_repeats(separated: Separated, listener: Listener) -> None:
    listener.open(separated.job["id"])
    page = listener.page
    page.get_by_role("slider", name="Position in the song").press("PageUp")
    page.keyboard.press("[")
    for _ in range(3):
        page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("]")
    page.keyboard.press("l")
    expect(listener.button("Repeat the region")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("slider", name="Start of the region")).to_have_attribute("aria-valuenow", "30")
    expect(page.get_by_role("slider", name="End of the region")).to_have_attribute("aria-valuenow", "33")
    page.keyboard.press("Space")
    listener.hear(7)
    assert 30 <= listener.position <= 33

    page.keyboard.press("l")
    listener.wait_until("() => document.querySelector('[role=slider]').ariaValueNow > 34")


def test_everything_is_done_by_keyboard(separated: Separated, listener: Listener) -> None:
    listener.open(separated.job["id"])
    page = listener.page
    page.keyboard.press("Space")
    expect(listener.button("Pause")).to_be_visible()
    page.keyboard.press("Space")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    listener.wait_until("() => document.querySelector('[role=slider]').ariaValueNow == 5")
    page.keyboard.press("2")
    volume = page.get_by_role("slider", name="Volume of Instrumental")
    expect(volume).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(volume).to_have_attribute("aria-valuetext", "-0.5 dB")
    page.keyboard.press("m")
    expect(listener.button("Mute Instrumental")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("1")
    page.keyboard.press("s")
    expect(listener.button("Vocals alone")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("o")
    expect(page.get_by_role("radio", name="Original")).to_be_checked()
    page.keyboard.press(",")
    page.keyboard.press("f")
    # Spectrograms are of a minute at most: the view comes nearer by itself, and the stems are drawn.
    page.keyboard.press("g")
    expect(listener.button("Spectrograms")).to_have_attribute("aria-pressed", "true")
    listener.wait_until(SHADED)
    page.keyboard.press("g")
    # Every control is reached by Tab.
    page.evaluate("document.activeElement.blur()")
    reached = set()
    for _ in range(75):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.ariaLabel ?? document.activeElement.textContent"))
    assert {"Pause", "Play"} & reached
    assert {"Position in the song", "Volume of Vocals", "Panorama of Instrumental", "Mute Vocals"} <= reached
    assert {"Spectrograms", "Speed and key: 95 %, +1 semitones", "Save this mix as WAV"} <= reached
    assert {"Repeat the region", "Nearer", "Download Vocals as FLAC", "All stems as one zip"} <= reached


def test_audio_in_memory_is_bounded(separated: Separated, listener: Listener) -> None:
    listener.open(separated.job["id"])
    listener.button("Play").click()
    slider = listener.page.get_by_role("slider", name="Position in the song")
    for key in ("PageUp", "PageUp", "Home", "PageUp", "Home"):
        slider.press(key)
        listener.hear(1)
    assert listener.page.evaluate("listening.decodedBytes") > 60_000_000
    assert listener.collected_audio_bytes() < 60_000_000


def test_a_song_of_two_hours_is_drawn_and_played_late_in_little_memory(
    separated: Separated, listener: Listener
) -> None:
    page = listener.page
    two_hours_of(page)
    listener.open(separated.job["id"])
    slider = page.get_by_role("slider", name="Position in the song")
    expect(slider).to_have_attribute("aria-valuemax", str(TWO_HOURS_SECONDS))
    listener.wait_until(DRAWN)
    listener.button("Play").click()
    box = slider.bounding_box()
    assert box is not None
    for part in (0.97, 0.5, 0.75):
        slider.click(position={"x": part * box["width"], "y": box["height"] / 2})
        heard = listener.hear(7)
        assert heard.residual < heard.mix * 1e-8
        assert part * TWO_HOURS_SECONDS - 60 < listener.position < part * TWO_HOURS_SECONDS + 600
    assert page.evaluate("listening.decodedBytes") > 60_000_000
    assert listener.collected_audio_bytes() < 60_000_000
    assert page.evaluate("document.querySelectorAll('*').length") < 2000
