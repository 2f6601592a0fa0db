"""What a person does with their account."""

import io
import zipfile
from pathlib import Path

from playwright.sync_api import expect

from services.local.platform import Platform
from tests.web.browsing import Visitor, accessibility_findings, link_by_mail, settled
from tests.web.conftest import NewVisitor


def test_a_name_is_changed_and_taken_away(member: Visitor) -> None:
    page = member.page
    page.goto("/account")
    profile = page.get_by_role("region", name="Profile")
    profile.get_by_label("Name").fill("  Ada  ")
    profile.get_by_role("button", name="Save").click()
    expect(profile.get_by_role("status")).to_have_text("Saved.")
    assert page.context.request.get("/v1/me").json()["display_name"] == "Ada"

    profile.get_by_label("Name").fill("")
    profile.get_by_role("button", name="Save").click()
    page.wait_for_load_state("networkidle")
    assert page.context.request.get("/v1/me").json()["display_name"] is None


def test_another_sign_in_is_ended(member: Visitor, new_visitor: NewVisitor) -> None:
    other = new_visitor()
    body = {"email": member.email, "password": member.password}
    assert other.page.context.request.post("/v1/auth/session", data=body).status == 200
    page = member.page
    page.goto("/account")
    section = page.get_by_role("region", name="Where you are signed in")
    expect(section.get_by_role("listitem")).to_have_count(2)
    section.get_by_role("button", name="End").click()

    expect(section.get_by_role("listitem")).to_have_count(1)
    expect(section).to_contain_text("This browser")
    expect(page.get_by_role("region", name="What happened")).to_contain_text("Account created")


def test_a_password_is_changed(member: Visitor) -> None:
    page = member.page
    page.goto("/account")
    section = page.get_by_role("region", name="Password", exact=True)
    section.get_by_label("Present password").fill("not this one")
    section.get_by_label("New password").fill("another long password")
    section.get_by_role("button", name="Change the password").click()
    expect(section.get_by_role("alert")).to_have_text("This is not your present password.")

    section.get_by_label("Present password").fill(member.password)
    section.get_by_role("button", name="Change the password").click()
    expect(section.get_by_role("status")).to_have_text("Your password is changed.")


def test_an_address_is_changed_by_whoever_reads_mails_at_the_new_one(platform: Platform, member: Visitor) -> None:
    page, new = member.page, f"new-{member.email}"
    page.goto("/account")
    section = page.get_by_role("region", name="Address")
    section.get_by_label("New email").fill(new)
    section.get_by_label("Present password").fill(member.password)
    section.get_by_role("button", name="Change the address").click()
    expect(section.get_by_role("status")).to_contain_text("A mail is on its way")

    page.goto(link_by_mail(platform, new))
    page.get_by_role("button", name="Confirm this address").click()
    expect(page.get_by_role("status")).to_contain_text("Your address is confirmed")
    assert page.context.request.get("/v1/me").json()["email"] == new


def test_everything_is_downloaded(member: Visitor) -> None:
    member.page.goto("/account")
    with member.page.expect_download() as download:
        member.page.get_by_role("link", name="Download everything").click()

    content = Path(download.value.path()).read_bytes()
    assert any(name.endswith("profile.json") for name in zipfile.ZipFile(io.BytesIO(content)).namelist())


def test_an_account_is_erased_and_its_receipt_stays(member: Visitor) -> None:
    page = member.page
    page.goto("/account")
    section = page.get_by_role("region", name="Your data")
    section.get_by_role("button", name="Erase this account").click()
    section.get_by_label("Present password").fill(member.password)
    section.get_by_label("I know that this cannot be undone").check()
    section.get_by_role("button", name="Erase it for good").click()

    page.wait_for_url("**/erasures/*")
    expect(page.get_by_role("status")).to_contain_text("Everything was deleted", timeout=120_000)
    expect(page.get_by_role("region", name="What is kept, and why")).to_be_visible()
    settled(page)
    assert accessibility_findings(page) == []
    page.goto("/account")
    page.wait_for_url("**/sign-in*")


def test_language_and_theme_stay_as_they_were_chosen(visitor: Visitor) -> None:
    page = visitor.page
    page.goto("/")
    page.get_by_role("button", name="فارسی").click()
    expect(page.locator("html")).to_have_attribute("dir", "rtl")
    page.get_by_role("button", name="پوستهٔ تیره").click()
    page.reload()

    expect(page.locator("html")).to_have_attribute("lang", "fa")
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")
    expect(page.get_by_role("heading", level=1)).to_contain_text("صدای خواننده")
