"""`make screenshots`: every page of the app as a picture, for eyes.

    python -m tests.web.screenshots FOLDER [PAGE ...]

Pages with an id show something that is there: a song that has been separated, a link to it, its job; one more picture
is of a song that is being separated. PAGE is a picture's name without width, theme and language (`separations-id`).
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, sync_playwright

from services.local.client import Client
from services.local.platform import Platform
from services.local.settings import LocalSettings
from tests.e2e.conftest import ENVIRONMENT, PATIENT
from tests.e2e.songs import whole_song
from tests.web.browsing import PASSWORD, settled
from tests.web.pages import PAGES

WIDTHS = {390: 844, 1440: 900}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
PATIENCE_SECONDS = 600.0
LOCALES = {"en": "en-GB", "fa": "fa-IR"}
EMAIL = "singer@example.com"
_ENVIRONMENT = {
    **ENVIRONMENT,
    # The worker stands still while it is photographed, and keeps its song.
    "STEMWRIGHT_ORCHESTRATOR_LEASE_SECONDS": "3600",
    # Enough for a song of five minutes and some seconds, twice.
    "STEMWRIGHT_ACCOUNTS_WELCOME_CREDITS": "1000",
}
_PLAYABLE_SECONDS = 60


@dataclass(frozen=True)
class Picture:
    name: str
    address: str
    signed_in: bool
    listening: bool = False
    """Something can be listened to on it."""


@dataclass(frozen=True)
class Scene:
    """What there is to be seen by an admin, who sees every page that there is."""

    done: str
    running: str
    share: str
    account: str

    def pictures(self) -> Iterator[Picture]:
        there = {
            "/separations/:id": f"/separations/{self.done}",
            "/administration/jobs/:id": f"/administration/jobs/{self.done}",
            "/administration/users/:id": f"/administration/users/{self.account}",
            "/s/:token": self.share,
        }
        for page in PAGES:
            for address in [there[page.path]] if page.path in there else page.addresses:
                name = page.name + ("-with-token" if "#token" in address else "")
                listening = page.path in {"/separations/:id", "/s/:token"}
                yield Picture(name, address, page.whose not in {"anyone", "guest"}, listening)
        yield Picture("separation-running", f"/separations/{self.running}", signed_in=True, listening=True)


def prepared(platform: Platform, folder: Path) -> Scene:
    """An account with a song that has been separated, and one on which its worker stands still."""
    with Client(platform.gateway_url) as client:
        account = client.register(EMAIL, PASSWORD)
        command = [str(Path(sys.executable).with_name("stemwright")), "accounts", "grant-role", EMAIL, "admin"]
        home = {"STEMWRIGHT_HOME": str(platform.home.root)}
        subprocess.run(command, env={**os.environ, **home}, check=True, capture_output=True)
        client.sign_in(EMAIL, PASSWORD)
        upload = client.upload(whole_song(folder))
        done = client.wait_for_job(client.create_job(upload["id"])["id"], PATIENCE_SECONDS)
        share = client.call("POST", f"/v1/jobs/{done['id']}/shares", json={"title": "Hydrogen, rough mix"})
        running = client.create_job(upload["id"])
        made = (event.data.get("playable_seconds", 0) for event in client.events(running["id"]))
        next(seconds for seconds in made if seconds >= _PLAYABLE_SECONDS)
        pid = platform.supervisor.pid("worker-1")
        if pid is None:
            raise RuntimeError("the worker is gone")
        os.kill(pid, signal.SIGSTOP)
        return Scene(done["id"], running["id"], f"/s/{share['token']}", account["id"])


def show(page: Page, picture: Picture) -> None:
    """Opens what is to be photographed and waits until all of it is there."""
    page.goto(picture.address)
    if not picture.listening:
        settled(page)
        return
    # A page that is told what happens never stops asking.
    page.wait_for_function(
        """() => {
            const waveforms = [...document.querySelectorAll("[data-heard] canvas")];
            const drawn = (one) =>
                one.width > 0 && one.getContext("2d").getImageData(0, 0, one.width, one.height).data.some(Boolean);
            return waveforms.length === 2 && waveforms.every(drawn);
        }"""
    )
    page.wait_for_timeout(1000)


def photograph(browser: Browser, platform: Platform, pictures: Iterable[Picture], folder: Path) -> None:
    """Writes `<page>-<width>-<theme>-<language>.png` for each."""
    pictures = list(pictures)
    for (width, height), scheme, (language, locale) in product(WIDTHS.items(), SCHEMES, LOCALES.items()):
        for signed_in in (False, True):
            context = browser.new_context(
                base_url=platform.gateway_url,
                viewport={"width": width, "height": height},
                color_scheme=scheme,
                locale=locale,
            )
            context.set_default_timeout(PATIENCE_SECONDS * 1000)
            if signed_in:
                context.request.post("/v1/auth/session", data={"email": EMAIL, "password": PASSWORD})
            page = context.new_page()
            for picture in pictures:
                if picture.signed_in is signed_in:
                    show(page, picture)
                    name = f"{picture.name}-{width}-{scheme}-{language}.png"
                    page.screenshot(path=folder / name, full_page=True)
            context.close()


def main() -> None:
    folder, *wanted = sys.argv[1:]
    pictures = Path(folder)
    pictures.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        settings = LocalSettings(home=Path(home, "platform"), gateway_port=0, workers=1)
        with Platform(settings, PATIENT, environment=_ENVIRONMENT) as platform:
            platform.wait_until_ready()
            scene = prepared(platform, Path(home))
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            chosen = (picture for picture in scene.pictures() if not wanted or picture.name in wanted)
            photograph(browser, platform, chosen, pictures)
            browser.close()
    sys.stdout.write(f"{len(list(pictures.glob('*.png')))} pictures in {folder}\n")


if __name__ == "__main__":
    main()
