"""What holds for every page of the app's list: whom it lets in, that it fits, and that everybody can use it."""

import pytest

from tests.web.browsing import Visitor, accessibility_findings, settled, shifts, watch_shifts
from tests.web.conftest import NewVisitor
from tests.web.pages import PAGES, AppPage


def opened_by(page: AppPage, new_visitor: NewVisitor, **options: object) -> Visitor:
    return new_visitor(signed_in=page.whose == "account", role=page.role, **options)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("app_page", PAGES, ids=lambda page: page.name)
def test_axe_finds_nothing_serious(app_page: AppPage, scheme: str, new_visitor: NewVisitor) -> None:
    visitor = opened_by(app_page, new_visitor, color_scheme=scheme, reduced_motion="reduce")
    for address in app_page.addresses:
        visitor.page.goto(address)
        settled(visitor.page)

        assert accessibility_findings(visitor.page) == []


@pytest.mark.parametrize("locale", ["en-GB", "fa-IR"])
@pytest.mark.parametrize("app_page", PAGES, ids=lambda page: page.name)
def test_on_a_phone_nothing_is_wider_than_it_and_nothing_jumps_as_the_page_comes(
    app_page: AppPage, locale: str, new_visitor: NewVisitor
) -> None:
    visitor = opened_by(app_page, new_visitor, width=320, locale=locale)
    watch_shifts(visitor.page)
    for address in app_page.addresses:
        visitor.page.goto(address)
        settled(visitor.page)

        assert visitor.page.evaluate("document.documentElement.scrollWidth") <= 320
        assert visitor.page.locator("html").get_attribute("dir") == ("rtl" if locale == "fa-IR" else "ltr")
        # What is left is the breadth of words in the header when the font on board takes the place of the system's.
        moved = shifts(visitor.page)
        assert sum(share for share, _ in moved) < 0.005, moved


@pytest.mark.parametrize("app_page", [page for page in PAGES if page.whose == "account"], ids=lambda page: page.name)
def test_who_is_not_signed_in_is_led_to_signing_in_and_back(app_page: AppPage, visitor: Visitor) -> None:
    (address,) = app_page.addresses
    visitor.page.goto(address)

    visitor.page.wait_for_url("**/sign-in*")
