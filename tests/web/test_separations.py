"""The list of one's separations, however long it is. What it asks of the API is answered here."""

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e.jobs import PATIENCE_SECONDS
from tests.web.browsing import Visitor, accessibility_findings, settled
from tests.web.conftest import NewVisitor

MANY = 10_000
BATCH = "bat_01h00000000000000000000000"


class Shelf:
    """Ten thousand jobs, newest first; the first three are not done yet."""

    def __init__(self, page: Page) -> None:
        self.jobs = [self._job(number) for number in range(MANY, 0, -1)]
        page.route(re.compile(r"/v1/(jobs|queue)\b"), self._answer)

    @staticmethod
    def _job(number: int) -> dict[str, Any]:
        status = "queued" if number > MANY - 3 else "succeeded"
        return {
            "id": f"job_{number:026d}",
            "upload_id": f"upl_{number:026d}",
            "filename": f"Song {number}.mp3",
            "mode": "full",
            "preview": None,
            "requested_stems": ["vocals", "instrumental"],
            "status": status,
            "progress": {"stage": None, "fraction": 0},
            "playable_seconds": 0,
            "price_credits": 200,
            "preview_credit_credits": 0,
            "attempt": 1,
            "model": {"name": "m", "digest": None},
            "output": {},
            "created_at": "2026-11-29T12:00:00Z",
            "queued_at": f"2026-11-29T12:00:{number % 60:02d}Z",
            "started_at": None,
            "finished_at": None,
            "expires_at": None,
            "error": None,
            "stems": [],
            "quality": None,
            "metadata": None,
            "retry_of": None,
            "batch_id": BATCH if number in (7, 8) else None,
        }

    def _answer(self, route: Route) -> None:
        method, url = route.request.method, urlsplit(route.request.url)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        named = re.search(r"job_\d+", url.path)
        job = next((each for each in self.jobs if named and each["id"] == named.group()), None)
        if job is None:
            waiting = [each for each in self.jobs if each["status"] == "queued"]
            in_turn = sorted(waiting, key=lambda each: str(each["queued_at"]))
            items = in_turn if url.path == "/v1/queue" else self.jobs
            if "batch_id" in query:
                items = [each for each in items if each["batch_id"] == query["batch_id"]]
            after = [each for each in items if each["id"] < query.get("cursor", "k")]
            limit = int(query["limit"])
            following = after[limit - 1]["id"] if len(after) > limit else None
            route.fulfill(json={"items": after[:limit], "next_cursor": following})
        elif method == "DELETE":
            self.jobs.remove(job)
            route.fulfill(status=204)
        else:
            job |= {"status": "canceled"} if url.path.endswith("/cancel") else {"queued_at": "2026-11-28T00:00:00Z"}
            route.fulfill(json={name: value for name, value in job.items() if name != "filename"})


@pytest.fixture
def page(new_visitor: NewVisitor) -> Page:
    visitor: Visitor = new_visitor(signed_in=True)
    visitor.page.set_default_timeout(PATIENCE_SECONDS * 1000)
    expect.set_options(timeout=PATIENCE_SECONDS * 1000)
    return visitor.page


def row(page: Page, number: int) -> Any:
    rows = page.get_by_role("list", name="My separations").get_by_role("listitem")
    return rows.filter(has_text=f"Song {number}.mp3")


def test_ten_thousand_scroll_and_few_of_them_are_in_the_document(page: Page) -> None:
    Shelf(page)
    page.goto("/separations")
    settled(page)
    rows = page.get_by_role("list", name="My separations").get_by_role("listitem")
    expect(row(page, MANY)).to_be_visible()
    page.evaluate(
        """() => new Promise((end) => {
            const on = () => {
                scrollTo(0, document.documentElement.scrollHeight);
                if (document.querySelector('[aria-posinset="10000"]')) end(); else setTimeout(on, 20);
            };
            on();
        })"""
    )
    expect(row(page, 1)).to_be_visible()
    expect(rows.last).to_have_attribute("aria-setsize", str(MANY))
    assert 0 < rows.count() < 60
    page.evaluate("scrollTo(0, 0)")
    expect(row(page, MANY)).to_be_visible()
    assert accessibility_findings(page) == []


def test_many_are_selected_and_canceled_deleted_and_downloaded_at_once(page: Page) -> None:
    shelf = Shelf(page)
    page.goto("/separations")
    for number in (MANY, MANY - 1, MANY - 3, MANY - 4):
        page.get_by_role("checkbox", name=f"Select: Song {number}.mp3").check()
    chosen = page.get_by_role("region", name="What is selected")
    expect(chosen).to_contain_text("4 selected")
    link = chosen.get_by_role("link", name="Download 2 as a zip").get_attribute("href")
    assert link == f"/v1/archives?job_id=job_{MANY - 3:026d}&job_id=job_{MANY - 4:026d}"

    chosen.get_by_role("button", name="Cancel 2").click()
    expect(row(page, MANY)).to_contain_text("Canceled")
    expect(row(page, MANY - 1)).to_contain_text("Canceled")
    expect(chosen).to_be_hidden()

    for number in (MANY, MANY - 4):
        page.get_by_role("checkbox", name=f"Select: Song {number}.mp3").check()
    chosen.get_by_role("button", name="Delete 2").click()
    assert len(shelf.jobs) == MANY
    chosen.get_by_role("button", name="Delete 2 for good").click()
    expect(row(page, MANY)).to_be_hidden()
    expect(row(page, MANY - 4)).to_be_hidden()
    assert len(shelf.jobs) == MANY - 2
    expect(row(page, MANY - 1)).to_be_visible()


def test_the_songs_of_a_batch_are_a_list_of_their_own(page: Page) -> None:
    Shelf(page)
    page.goto(f"/separations?batch={BATCH}")
    rows = page.get_by_role("list", name="My separations").get_by_role("listitem")
    expect(rows).to_have_count(2)
    settled(page)
    assert accessibility_findings(page) == []
    page.get_by_role("link", name="Show all").click()
    expect(row(page, MANY)).to_be_visible()
    assert not urlsplit(page.url).query

    page.go_back()
    expect(rows).to_have_count(2)
    row(page, 7).get_by_role("link", name="Batch").click()
    expect(rows).to_have_count(2)


def test_what_waits_stands_in_its_turn_and_is_put_first(page: Page) -> None:
    Shelf(page)
    page.goto("/separations")
    turns = page.get_by_role("region", name="Next in turn").get_by_role("listitem")
    expect(turns).to_contain_text([f"Song {MANY - 2}", f"Song {MANY - 1}", f"Song {MANY}"])
    page.get_by_role("button", name=f"Put first: Song {MANY}.mp3").click()
    expect(turns).to_contain_text([f"Song {MANY}", f"Song {MANY - 2}", f"Song {MANY - 1}"])


def test_back_finds_the_list_as_it_was_left(page: Page) -> None:
    Shelf(page)
    page.goto("/separations")
    settled(page)
    page.get_by_label("Search by name").fill("Song ")
    page.get_by_role("combobox", name="Show").click()
    page.get_by_role("option", name="Done", exact=True).click()
    page.wait_for_url("**/separations?search=Song&status=succeeded")
    settled(page)
    page.evaluate("scrollTo(0, 4000)")
    expect(row(page, 9965)).to_be_attached()
    in_view = page.get_by_role("list", name="My separations").get_by_role("link").nth(10)
    name = in_view.inner_text()
    in_view.click()
    page.wait_for_url("**/separations/job_*")
    settled(page)
    page.go_back()

    page.wait_for_url("**/separations?search=Song&status=succeeded")
    expect(page.get_by_label("Search by name")).to_have_value("Song")
    expect(page.get_by_role("combobox", name="Show")).to_have_value("Done")
    rows = page.get_by_role("list", name="My separations").get_by_role("listitem")
    expect(rows.filter(has_text=name)).to_be_in_viewport()
