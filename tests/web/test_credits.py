"""Credits are bought, through the sandbox's cashier."""

import re
from pathlib import Path

from playwright.sync_api import expect

from tests.web.browsing import Visitor, accessibility_findings
from tests.web.conftest import NewVisitor

PAY = re.compile("^Pay ")


def test_a_pack_is_bought_its_receipt_read_and_a_part_paid_back_by_an_admin(
    member: Visitor, new_visitor: NewVisitor
) -> None:
    page = member.page
    page.goto("/credits")
    expect(page.get_by_text("600 available")).to_be_visible()
    page.get_by_role("button", name="Buy One hour").click()
    page.get_by_role("button", name=PAY).click()
    expect(page.get_by_role("heading", name="Paid. Thank you!")).to_be_visible()
    page.get_by_role("link", name="Your credits").click()

    expect(page.get_by_text("4,200 available")).to_be_visible()
    expect(page.get_by_role("region", name="Every movement").first).to_contain_text("Bought")
    with page.expect_download() as download:
        page.get_by_role("link", name="Receipt").click()
    assert Path(download.value.path()).read_bytes().startswith(b"%PDF-")

    admin = new_visitor(role="admin").page
    admin.goto("/administration/payments")
    admin.get_by_role("searchbox").fill(member.email)
    found = admin.get_by_role("table", name="Payments").get_by_role("row").filter(has_text=member.email)
    expect(found).to_contain_text("paid")
    assert accessibility_findings(admin) == []
    found.get_by_role("link").click()
    admin.get_by_label("Amount in").fill("1.00")
    admin.get_by_label("Why").fill("<b>A gesture</b>")
    admin.get_by_role("button", name="Pay back").click()
    expect(admin.get_by_role("status")).to_have_text("paid back")
    expect(admin.get_by_role("table", name="Paid back")).to_contain_text("<b>A gesture</b>")
    expect(admin.get_by_text("paid back in part")).to_be_visible()
    assert accessibility_findings(admin) == []
    page.reload()
    expect(page.get_by_text(re.compile("refunded|paid back", re.I)).first).to_be_visible()


def test_a_payment_that_fails_leaves_everything_as_it_was(member: Visitor) -> None:
    page = member.page
    page.goto("/credits")
    page.get_by_role("button", name="Buy One hour").click()
    page.get_by_role("button", name="Let the payment fail").click()
    page.get_by_role("link", name="Your credits").click()

    expect(page.get_by_text("600 available")).to_be_visible()
    expect(page.get_by_text("No payments yet.")).to_be_visible()


def test_a_plan_is_chosen_and_shown(member: Visitor) -> None:
    page = member.page
    page.goto("/credits")
    page.get_by_role("button", name="Choose Ten hours a month").click()
    page.get_by_role("button", name=PAY).click()
    page.get_by_role("link", name="Your credits").click()

    expect(page.get_by_role("region", name="Your plan")).to_contain_text("It is active.")
