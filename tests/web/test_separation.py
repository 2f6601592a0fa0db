"""The page of a separation around its mixer: for everybody, feedback, and from a preview to the whole song."""

import pytest
from playwright.sync_api import expect

from services.local.client import ApiError
from tests.e2e.jobs import PATIENCE_SECONDS
from tests.web.browsing import accessibility_findings, settled
from tests.web.conftest import NewVisitor
from tests.web.listening import Listener
from tests.web.separated import Separated, signed_in


@pytest.mark.parametrize(("scheme", "locale"), [("light", "en-GB"), ("dark", "fa-IR")])
def test_axe_finds_nothing_serious_and_a_phone_is_wide_enough(
    scheme: str, locale: str, separated: Separated, new_visitor: NewVisitor
) -> None:
    visitor = signed_in(
        new_visitor(width=320, color_scheme=scheme, locale=locale, reduced_motion="reduce"), separated.email
    )
    for job in (separated.job, separated.preview):
        visitor.page.goto(f"/separations/{job['id']}")
        settled(visitor.page)
        visitor.page.get_by_role("slider").first.wait_for()
        # A region has sliders of its own.
        visitor.page.keyboard.press("l")
        assert accessibility_findings(visitor.page) == []
        assert visitor.page.evaluate("document.documentElement.scrollWidth") <= 320


def test_reduced_motion_is_honoured(separated: Separated, new_visitor: NewVisitor) -> None:
    animated = []
    for motion in ("no-preference", "reduce"):
        visitor = signed_in(new_visitor(reduced_motion=motion), separated.email)
        # No segment ever comes, so that playing waits.
        visitor.page.route("**/playback/*/*", lambda _: None)
        visitor.page.goto(f"/separations/{separated.job['id']}")
        visitor.page.get_by_role("button", name="Play", exact=True).click()
        button = visitor.page.locator("[data-waiting=true]")
        button.wait_for()
        animated.append(button.evaluate("one => getComputedStyle(one).animationName !== 'none'"))
    assert animated == [True, False]


def test_feedback_is_kept_with_the_region_that_was_marked(separated: Separated, listener: Listener) -> None:
    listener.open(separated.job["id"])
    page = listener.page
    page.keyboard.press("l")
    # As a screen reader chooses it, and then by the keyboard.
    page.get_by_role("radio", name="3 of 5 stars").evaluate("one => one.click()")
    expect(page.get_by_role("button", name="Send")).to_be_enabled()
    page.get_by_role("radio", name="3 of 5 stars").press("ArrowRight")
    page.get_by_text("Muffled").click()
    page.get_by_label("Where").select_option("Vocals")
    page.get_by_label("Only between 0:00 and 0:08").check()
    page.get_by_label("In your words").fill("<b>breathy</b>")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("Thank you.")).to_be_visible()
    stored = separated.client.call("GET", f"/v1/jobs/{separated.job['id']}/feedback")
    assert (stored["rating"], stored["tags"], stored["stem"]) == (4, ["muffled"], "vocals")
    assert (stored["start_seconds"], stored["end_seconds"], stored["comment"]) == (0, 8, "<b>breathy</b>")
    page.reload()
    expect(page.get_by_label("In your words")).to_have_value("<b>breathy</b>")
    expect(page.get_by_role("radio", name="4 of 5 stars")).to_be_checked()
    expect(page.get_by_label("Muffled")).to_be_checked()
    # The region is marked again, and can be taken back.
    expect(page.get_by_role("slider", name="End of the region")).to_have_attribute("aria-valuenow", "8")
    page.get_by_label("Only between 0:00 and 0:08").uncheck()
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("Thank you.")).to_be_visible()
    stored = separated.client.call("GET", f"/v1/jobs/{separated.job['id']}/feedback")
    assert (stored["start_seconds"], stored["end_seconds"], stored["rating"]) == (None, None, 4)


def test_a_preview_leads_to_the_whole_song_for_the_price_it_names(separated: Separated, listener: Listener) -> None:
    listener.open(separated.preview["id"])
    page = listener.page
    expect(page.get_by_text("MP3 leaves sound out to be small")).to_be_visible()
    quote = separated.client.call(
        "POST", "/v1/quotes", json={"upload_id": separated.preview["upload_id"], "mode": "full"}
    )
    page.get_by_role("button", name=f"Separate the whole song for {quote['price_credits']} credits").click()
    page.wait_for_url(lambda url: separated.preview["id"] not in url)
    ordered = separated.client.job(page.url.rpartition("/")[2])
    assert (ordered["mode"], ordered["output"]["format"]) == ("full", "mp3")
    # Its page is told live until it has ended.
    expect(page.get_by_text("Done", exact=True)).to_be_visible(timeout=PATIENCE_SECONDS * 1000)

    page.get_by_role("button", name="Delete this separation").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    page.wait_for_url(lambda url: ordered["id"] not in url)
    with pytest.raises(ApiError) as gone:
        separated.client.job(ordered["id"])
    assert gone.value.status == 404
