"""`make screenshots`: every page of the app as a picture, for eyes. `python -m tests.web.screenshots FOLDER`."""

import shutil
import sys
import tempfile
import uuid
from itertools import product
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, sync_playwright

from services.local.platform import Platform
from services.local.settings import LocalSettings
from tests.e2e.conftest import ENVIRONMENT
from tests.web.browsing import PASSWORD, Visitor, settled, sign_up
from tests.web.pages import PAGES

WIDTHS = {390: 844, 1440: 900}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
PATIENCE_MILLISECONDS = 180_000
LOCALES = {"en": "en-GB", "fa": "fa-IR"}


def photograph(browser: Browser, platform: Platform, folder: Path) -> None:
    """Writes `<page>-<width>-<theme>-<language>.png` for each."""
    for (width, height), scheme, (language, locale) in product(WIDTHS.items(), SCHEMES, LOCALES.items()):
        for signed_in in (False, True):
            context = browser.new_context(
                base_url=platform.gateway_url,
                viewport={"width": width, "height": height},
                color_scheme=scheme,
                locale=locale,
            )
            context.set_default_timeout(PATIENCE_MILLISECONDS)
            visitor = Visitor(context.new_page(), f"{uuid.uuid4().hex}@example.com", PASSWORD)
            if signed_in:
                # An admin sees every page that there is.
                sign_up(visitor, role="admin", home=platform.home.root)
            for page in PAGES:
                if signed_in is (page.whose in {"anyone", "guest"}):
                    continue
                for address in page.addresses:
                    visitor.page.goto(address)
                    settled(visitor.page)
                    more = "-with-token" if "#" in address else ""
                    name = f"{page.name}{more}-{width}-{scheme}-{language}.png"
                    visitor.page.screenshot(path=folder / name, full_page=True)
            context.close()


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        settings = LocalSettings(home=Path(home), gateway_port=0, workers=1)
        with Platform(settings, environment=ENVIRONMENT) as platform:
            platform.wait_until_ready()
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            photograph(browser, platform, folder)
            browser.close()
    sys.stdout.write(f"{len(list(folder.glob('*.png')))} pictures in {folder}\n")


if __name__ == "__main__":
    main()
