"""A person before a browser."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import ConsoleMessage, Page

from services.accounts.mail.folder import stored
from services.local.platform import Platform

_LINK = re.compile(r"https?://\S+#token=\S+")
PASSWORD = "a long enough password"
AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"

# Chromium tells of every answer from 400 on, and those are what pages show to people.
_ANSWERED = re.compile(r"^Failed to load resource: the server responded with a status of 4\d\d")


class Visitor:
    """A browser of its own, the account that its person has or will have, and what its pages complained of."""

    def __init__(self, page: Page, email: str, password: str) -> None:
        self.page = page
        self.email = email
        self.password = password
        self.complaints: list[str] = []
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not _ANSWERED.match(message.text):
            self.complaints.append(message.text)


def sign_up(visitor: Visitor, *, role: str | None = None, home: Path | None = None) -> None:
    """Makes the visitor's account and signs the browser in, by the API and not by pages; on the platform at `home` with
    a role that whoever runs it gives."""
    request = visitor.page.context.request
    body = {"email": visitor.email, "password": visitor.password}
    assert request.post("/v1/auth/register", data=body).status == 201
    if role is not None:
        command = [str(Path(sys.executable).with_name("stemwright")), "accounts", "grant-role", visitor.email, role]
        subprocess.run(command, env={**os.environ, "STEMWRIGHT_HOME": str(home)}, check=True, capture_output=True)
    assert request.post("/v1/auth/session", data=body).status == 200


def link_by_mail(platform: Platform, address: str, *, subject: str | None = None) -> str:
    """The link in a mail to an address, once it has arrived, as a path of the platform."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for mail in stored(platform.home.mail):
            if mail.message["To"] == address and subject in {None, mail.message["Subject"]}:
                (link,) = _LINK.findall(mail.body("plain"))
                return "/" + str(link).split("/", 3)[3]
        time.sleep(0.1)
    raise AssertionError(f"no mail to {address}")


def settled(page: Page) -> None:
    """Waits until a page shows its heading and all that it marks as coming, and asks for nothing more."""
    page.locator("main h1").first.wait_for()
    page.wait_for_load_state("networkidle")
    page.locator("main [data-coming]").first.wait_for(state="detached")


_WATCH_SHIFTS = """
window.shifts = [];
const what = ({ node }) => (node?.outerHTML ?? node?.textContent ?? "").slice(0, 120);
new PerformanceObserver((list) => {
  for (const entry of list.getEntries())
    if (!entry.hadRecentInput) window.shifts.push([entry.value, entry.sources.map(what)]);
}).observe({ type: "layout-shift", buffered: true });
"""
# A page that is kept waiting shows itself as it is, and moves then (`Settling.tsx`); a busy machine keeps it waiting.
_WAIT_FOR_ANSWERS = """
const soon = window.setTimeout;
window.setTimeout = (act, after, ...more) => soon(act, after === 1500 ? 60000 : after, ...more);
"""


def watch_shifts(page: Page) -> None:
    """Notes from now on what moves on the pages that are opened, without anybody's doing and with answers in time."""
    page.add_init_script(_WAIT_FOR_ANSWERS)
    page.add_init_script(_WATCH_SHIFTS)


def shifts(page: Page) -> list[tuple[float, list[str]]]:
    """What moved since the page was opened: the shift as a share of the window (Layout Instability API), and what."""
    moved: list[tuple[float, list[str]]] = page.evaluate("window.shifts")
    return moved


def accessibility_findings(page: Page) -> list[str]:
    """What axe finds serious or worse, as `rule: element`."""
    page.evaluate(AXE.read_text(encoding="utf-8") + "; undefined")
    found: dict[str, Any] = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{violation['id']}: {node['html'][:200]} {node.get('failureSummary', '')}"
        for violation in found["violations"]
        if violation["impact"] in {"serious", "critical"}
        for node in violation["nodes"]
    ]
