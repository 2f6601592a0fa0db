"""An operator and an admin at work, by the pages alone."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from services.kit.ids import new_id
from services.local.client import Client
from services.local.platform import Platform
from tests.e2e.songs import music, write_wav_16
from tests.web.conftest import NewVisitor

PATIENCE_MILLISECONDS = 240_000
"""How long a test waits for what must come to hold; busy machines take their time."""


@pytest.fixture(autouse=True)
def patience() -> None:
    expect.set_options(timeout=PATIENCE_MILLISECONDS)


def test_the_platform_is_run_by_its_pages(platform: Platform, new_visitor: NewVisitor, tmp_path: Path) -> None:
    admin = new_visitor(role="admin")
    page = admin.page
    page.set_default_timeout(PATIENCE_MILLISECONDS)
    with Client(platform.gateway_url) as singer:
        email = f"{new_id('usr')}@example.com"
        singer.register(email, "a long enough password")
        account = singer.call("GET", "/v1/me")["id"]
        upload = singer.upload(write_wav_16(tmp_path / "song.wav", music(4)))

        # A worker is drained: what is ordered waits.
        page.goto("/administration/workers")
        workers = page.get_by_role("table", name="Workers")
        workers.get_by_role("button", name=re.compile("^Drain")).click()
        page.get_by_label("Why").fill("A new driver")
        page.get_by_role("dialog").get_by_role("button", name="Drain").click()
        expect(workers.get_by_text("drained")).to_be_visible()
        job = singer.create_job(upload["id"])["id"]
        page.goto(f"/administration/jobs?query={account}")
        row = page.get_by_role("table", name="Jobs").get_by_role("row").filter(has_text=job)
        expect(row.get_by_text("queued")).to_be_visible()

        row.get_by_role("link").first.click()
        page.get_by_role("button", name="Requeue").click()
        page.get_by_label("Why").fill("It waits long enough")
        page.get_by_role("dialog").get_by_role("button", name="Requeue").click()
        expect(page.get_by_role("dialog")).to_be_hidden()
        expect(page.get_by_text("Given to a worker")).to_be_hidden()

        # It is resumed, and the job is followed to its end.
        page.goto("/administration/workers")
        workers.get_by_role("button", name=re.compile("^Resume")).click()
        expect(workers.get_by_role("button", name=re.compile("^Drain"))).to_be_visible()
        page.goto(f"/administration/jobs/{job}")
        expect(page.get_by_text("Given to a worker")).to_be_visible()
        expect(page.get_by_text("Succeeded", exact=True)).to_be_visible()

        # What the singer marks in feedback is listened to.
        marked = {"rating": 2, "stem": "vocals", "start_seconds": 0.5, "end_seconds": 3.5, "tags": ["bleed"]}
        singer.call("PUT", f"/v1/jobs/{job}/feedback", json=marked)
        page.goto("/administration/feedback")
        with page.expect_response(re.compile("/playback/vocals/0$")) as segment:
            page.get_by_role("button", name=f"Listen: {job}").click()
        assert segment.value.ok

        # The singer is suspended, signed out by it, and let in again.
        page.goto("/administration/users")
        page.get_by_role("searchbox").fill(email)
        page.get_by_role("link", name=email).click()
        page.get_by_role("button", name="Suspend").click()
        page.get_by_role("dialog").get_by_role("button", name="Suspend").click()
        expect(page.get_by_text(re.compile("^Suspended since"))).to_be_visible()
        refused = singer.http.post(
            f"{platform.gateway_url}/v1/auth/token",
            data={"grant_type": "password", "username": email, "password": "a long enough password"},
        )
        assert refused.json()["code"] == "account_disabled"
        page.get_by_role("button", name="End the suspension").click()
        expect(page.get_by_role("button", name="Suspend")).to_be_visible()

    page.goto("/administration/audit-log")
    log = page.get_by_role("table", name="Audit log")
    for what, detail in (
        ("A worker was drained", "A new driver"),
        ("A separation was started anew", "It waits long enough"),
        ("The region you marked in feedback was listened to", job),
        ("Account closed to signing in", ""),
    ):
        expect(log.get_by_role("row").filter(has_text=what).filter(has_text=detail).first).to_be_visible()
