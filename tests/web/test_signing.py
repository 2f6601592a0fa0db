"""Signing up, in and out, and what comes by mail."""

import re
import time
from datetime import UTC, datetime

from playwright.sync_api import expect

from services.accounts.second_factor.codes import code_at
from services.local.platform import Platform
from tests.web.browsing import Visitor, link_by_mail, settled
from tests.web.conftest import NewVisitor

PASSWORD_FIELD = re.compile("^Password")


def sign_in(visitor: Visitor, password: str | None = None) -> None:
    page = visitor.page
    page.get_by_label("Email").fill(visitor.email)
    page.get_by_label(PASSWORD_FIELD).fill(password or visitor.password)
    page.locator("form").get_by_role("button", name="Sign in").click()


def test_who_signs_up_is_signed_in_and_has_the_welcome_credits(visitor: Visitor) -> None:
    page = visitor.page
    page.goto("/")
    page.get_by_role("link", name="Create an account").click()
    page.get_by_label("Name").fill("Ada <b>Lovelace</b>")
    page.get_by_label("Email").fill(visitor.email)
    page.get_by_label(PASSWORD_FIELD).fill(visitor.password)
    page.get_by_role("button", name="Create the account").click()

    expect(page.get_by_role("heading", name="New separation", level=1)).to_be_visible()
    page.get_by_role("link", name="Credits").click()
    expect(page.get_by_text("600 available")).to_be_visible()
    page.get_by_role("button", name="Your account").click()
    expect(page.get_by_text("Ada <b>Lovelace</b>")).to_be_visible()  # a name is text, whatever stands in it
    page.get_by_role("menuitem", name="Sign out").click()
    expect(page.get_by_role("link", name="Sign in").first).to_be_visible()
    assert page.context.request.get("/v1/me").status == 401


def test_a_wrong_password_is_told_in_a_sentence(new_visitor: NewVisitor) -> None:
    visitor = new_visitor(signed_in=True)
    visitor.page.context.clear_cookies()
    visitor.page.goto("/sign-in")
    sign_in(visitor, "not this password")

    expect(visitor.page.get_by_role("alert")).to_have_text("Address and password do not go together.")


def test_a_session_that_ended_elsewhere_leads_to_signing_in_and_back(member: Visitor) -> None:
    page = member.page
    page.goto("/account")
    settled(page)
    sessions = page.context.request.get("/v1/auth/sessions").json()["items"]
    csrf = next(cookie["value"] for cookie in page.context.cookies() if cookie["name"].endswith("stemwright-csrf"))
    ended = page.context.request.delete(f"/v1/auth/sessions/{sessions[0]['id']}", headers={"X-CSRF-Token": csrf})
    assert ended.status == 204
    # It works for some seconds more; each try is one that would be told of.
    deadline = time.monotonic() + 60
    while page.context.request.get("/v1/me").status != 401:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    page.get_by_role("button", name="Save").click()

    page.wait_for_url("**/sign-in?next=%2Faccount")
    expect(page.get_by_text("You were signed out.")).to_be_visible()
    sign_in(member)
    page.wait_for_url("**/account")
    expect(page.get_by_role("heading", name="Profile")).to_be_visible()


def test_a_password_is_set_by_a_mail(platform: Platform, new_visitor: NewVisitor) -> None:
    visitor = new_visitor(signed_in=True)
    page = visitor.page
    page.context.clear_cookies()
    page.goto("/sign-in")
    page.get_by_role("link", name="Forgotten your password?").click()
    page.get_by_label("Email").fill(visitor.email)
    page.get_by_role("button", name="Send me a link").click()
    expect(page.get_by_role("status")).to_contain_text("a mail is on its way")

    page.goto(link_by_mail(platform, visitor.email, subject="Set a new password"))
    page.get_by_label("New password").fill("another long password")
    page.get_by_role("button", name="Set the password").click()
    page.get_by_role("main").get_by_role("link", name="Sign in").click()
    sign_in(visitor, "another long password")
    expect(page.get_by_role("heading", name="New separation", level=1)).to_be_visible()


def test_an_address_is_confirmed_by_a_mail_and_its_link_works_once(platform: Platform, member: Visitor) -> None:
    link = link_by_mail(platform, member.email, subject="Verify your address")
    page = member.page
    page.goto(link)
    page.get_by_role("button", name="Confirm this address").click()
    expect(page.get_by_role("status")).to_contain_text("Your address is confirmed")
    assert page.context.request.get("/v1/me").json()["email_verified"]

    page.reload()
    page.get_by_role("button", name="Confirm this address").click()
    expect(page.get_by_role("alert")).to_contain_text("This link has been used")


def test_the_second_factor_is_turned_on_asked_for_and_turned_off(member: Visitor) -> None:
    page = member.page
    page.goto("/account")
    page.get_by_role("button", name="Turn it on").click()
    section = page.get_by_role("region", name="Second factor")
    section.get_by_label("Present password").fill(member.password)
    section.get_by_role("button", name="Go on").click()
    expect(section.get_by_role("img", name="QR code")).to_be_visible()
    secret = section.locator("code").inner_text()
    section.get_by_label("Code of your app").fill(code_at(secret, datetime.now(UTC)))
    section.get_by_role("button", name="Confirm").click()
    expect(section.locator("code")).to_have_count(10)
    recovery_codes = section.locator("code").all_inner_texts()
    section.get_by_role("button", name="I have kept them").click()
    expect(section).to_contain_text("Recovery codes left: 10.")

    page.context.clear_cookies()
    page.goto("/sign-in")
    sign_in(member)
    page.get_by_label("Code of your authenticator app").fill("000000")
    page.locator("form").get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("This code does not fit.")
    page.get_by_label("Code of your authenticator app").fill(recovery_codes[0])
    page.locator("form").get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="New separation", level=1)).to_be_visible()

    page.goto("/account")
    section.get_by_role("button", name="Turn it off").click()
    section.get_by_label("Present password").fill(member.password)
    section.get_by_label("Code of your app, or a recovery code").fill(recovery_codes[1])
    section.get_by_role("button", name="Turn it off").click()
    expect(section).to_contain_text("It is off.")
