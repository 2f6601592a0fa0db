"""How soon a person hears something in a browser: of an order, and after a seek.

    python -m bench.browser_sound [--runs 5] [--seeks 20]

A whole platform and a real Chromium, and the pages alone: a song is sent and ordered, and the page of its separation
plays as soon as it can (a script presses Play the moment it is there). Measured on the page's clock, from the press
that orders to the first sample that leaves the audio graph: previews, short and of a song of two hours, and all of such
a song. Then seeks in a separated song while it plays, from the press to the first sample of the other place: forward
to what nobody has loaded, by keyboard and by pointer, and back. Music of the CC0 set, repeated for the long song.
"""

import re
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from os import getloadavg
from pathlib import Path
from statistics import median

import click
from playwright.sync_api import Page, sync_playwright
from rich.console import Console
from rich.table import Table

from bench.first_sound import LONG_SECONDS, SHORT_SECONDS, write_song
from services.local.client import Client, Document
from services.local.platform import Platform
from services.local.settings import LocalSettings
from tests.e2e.conftest import ENVIRONMENT, PATIENT
from tests.web.browsing import PASSWORD, Visitor, sign_up
from tests.web.listening import SCRIPT

AIMS = {"first sound": 2.0, "seek": 0.3}
PATIENCE_SECONDS = 600.0
_ENVIRONMENT = {
    **ENVIRONMENT,
    "STEMWRIGHT_ACCOUNTS_PREVIEWS_PER_DAY": '{"free": 100000}',
    # Two hours cost more than tests give.
    "STEMWRIGHT_ACCOUNTS_WELCOME_CREDITS": "1000000",
}
# Presses Play for somebody who waits for it; the press that ordered allows the page to sound.
_IMPATIENT = """
const play = () => {
  const button = document.querySelector('[aria-label="Play"]');
  if (button === null || !location.pathname.startsWith("/separations/") || button.pressed) return;
  button.pressed = true;
  listening.playedAt = performance.now();
  button.click();
};
new MutationObserver(play).observe(document, { childList: true, subtree: true });
"""


class Ear:
    """A page that notes when it was pressed and when it sounds."""

    def __init__(self, page: Page) -> None:
        self.page = page
        page.set_default_timeout(PATIENCE_SECONDS * 1000)

    def order(self, song: Path, mode: str) -> tuple[str, float, float]:
        """Sends a song and orders it: the job, and seconds from the press until Play is there and until it sounds."""
        page = self.page
        page.goto("/new")
        page.locator("input[type=file][multiple]").set_input_files(song)
        page.get_by_label({"preview": "Preview", "full": "Whole song"}[mode]).check()
        page.get_by_role("button", name=re.compile("^Separate")).click()
        sound = self.sound_after_touch()
        shown: float = page.evaluate("(listening.playedAt - listening.touchedAt) / 1000")
        return page.url.rpartition("/")[2], shown, sound

    def sound_after_touch(self) -> float:
        """Waits for sound that came after the last press or key, and says how many seconds after it."""
        self.page.wait_for_function("() => listening.soundedAt > listening.touchedAt")
        return float(self.page.evaluate("(listening.soundedAt - listening.touchedAt) / 1000"))


@contextmanager
def running(folder: Path) -> Iterator[tuple[Ear, Client]]:
    """Somebody's page on a platform that runs, and the same account without it."""
    settings = LocalSettings(home=folder, gateway_port=0, workers=1)
    with Platform(settings, PATIENT, environment=_ENVIRONMENT) as platform, sync_playwright() as playwright:
        platform.wait_until_ready()
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        context = browser.new_context(base_url=platform.gateway_url, viewport={"width": 1440, "height": 900})
        visitor = Visitor(context.new_page(), f"{uuid.uuid4().hex}@example.com", PASSWORD)
        sign_up(visitor)
        # Of 44,100 a second: six milliseconds.
        visitor.page.add_init_script("window.listeningFrames = 256;" + SCRIPT + _IMPATIENT)
        with Client(platform.gateway_url) as client:
            client.sign_in(visitor.email, PASSWORD)
            yield Ear(visitor.page), client
        browser.close()


def separated(client: Client, song: Path) -> Document:
    """A whole song, separated."""
    job = client.create_job(client.upload(song)["id"])
    return client.wait_for_job(job["id"], PATIENCE_SECONDS)


def seeks(ear: Ear, job: Document, count: int) -> dict[str, list[float]]:
    """Seconds of `count` seeks of each kind in a song that plays."""
    page = ear.page
    page.goto(f"/separations/{job['id']}")
    page.wait_for_function("() => listening.playedAt > 0")
    page.get_by_role("button", name="Pause", exact=True).wait_for()
    slider = page.get_by_role("slider", name="Position in the song")
    box = slider.bounding_box()
    if box is None:
        raise RuntimeError("the song has no picture")

    def press(part: float) -> None:
        page.mouse.click(box["x"] + part * box["width"], box["y"] + box["height"] / 2)

    def after(touch: Callable[[], None]) -> float:
        # Long enough for what is needed ahead to have come.
        page.wait_for_timeout(1500)
        touch()
        return ear.sound_after_touch()

    taken: dict[str, list[float]] = {"by key, 30 s on": [], "by pointer, anywhere": [], "back": []}
    for turn in range(count):
        slider.press("Home")
        taken["by key, 30 s on"].append(after(lambda: slider.press("PageUp")))
        # Somewhere else each time, and far from what is loaded.
        taken["by pointer, anywhere"].append(after(partial(press, 0.35 + 0.6 * (turn * 0.618 % 1))))
        taken["back"].append(after(lambda: page.keyboard.press("ArrowLeft")))
    return taken


@click.command()
@click.option("--runs", type=click.IntRange(min=1), default=5, show_default=True)
@click.option("--seeks", "count", type=click.IntRange(min=1), default=20, show_default=True)
@click.option("--kind", type=click.Choice(["wav", "flac", "mp3"]), default="mp3", show_default=True)
def main(runs: int, count: int, kind: str) -> None:
    """Measure what is heard in a browser."""
    console = Console(width=120)
    table = Table("what", "median s", "least", "most", "aim", "Play shown, median s")

    def tell(what: str, seconds: list[float], aim: float, shown: list[float] | None = None) -> None:
        row = [what, *(f"{value:.3f}" for value in (median(seconds), min(seconds), max(seconds))), f"{aim:g}"]
        table.add_row(*row, f"{median(shown):.3f}" if shown else "")
        console.print(*row, *((f"{median(shown):.3f}",) if shown else ()))

    with tempfile.TemporaryDirectory(prefix="stemwright-bench-") as name:
        short, long = Path(name, f"short.{kind}"), Path(name, f"long.{kind}")
        write_song(short, SHORT_SECONDS)
        write_song(long, LONG_SECONDS)
        with running(Path(name, "home")) as (ear, client):
            job = separated(client, short)
            for what, song, mode in (
                (f"preview of {SHORT_SECONDS} s", short, "preview"),
                (f"preview of {LONG_SECONDS} s", long, "preview"),
                (f"all of {LONG_SECONDS} s", long, "full"),
            ):
                played, shown = list[float](), list[float]()
                for _ in range(runs):
                    job_id, until_shown, until_heard = ear.order(song, mode)
                    played.append(until_heard)
                    shown.append(until_shown)
                    if mode == "full":
                        client.call("POST", f"/v1/jobs/{job_id}/cancel")
                tell(f"{kind}, {what}", played, AIMS["first sound"], shown)
            for what, seconds in seeks(ear, job, count).items():
                tell(f"seek {what}", seconds, AIMS["seek"])
    console.print(table)
    console.print("Load of the machine at the end, averages of 1, 5 and 15 minutes:", *getloadavg())


if __name__ == "__main__":
    main()
