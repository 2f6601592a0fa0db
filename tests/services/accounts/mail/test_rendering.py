"""Every template makes a mail that says the same as text and as HTML, whatever people call themselves."""

from importlib.resources import files
from typing import Any

import pytest
from jinja2 import UndefinedError

from services.accounts.mail.rendering import exists, render

EXAMPLES: dict[str, dict[str, Any]] = {
    "change-email": {"token": "a-token-of-a-mail"},
    "email-change-asked": {"email": "ada@new.example.com"},
    "email-changed": {"token": "a-token-of-a-mail", "days": 7},
    "disputed": {"name": "Five hours", "amount": "19.90 EUR"},
    "erased": {"receipt_url": "/v1/erasures/er_token"},
    "low-credits": {"available": 12, "threshold": 60},
    "password-changed": {},
    "password-reset": {"token": "a-token-of-a-mail"},
    "payment": {"name": "Five hours", "amount": "19.90 EUR", "credits": 18000, "receipt_number": "2026-00000001"},
    "registered-already": {},
    "renewal-failed": {"name": "Plus", "until": "2026-12-06"},
    "test": {},
    "verify-email": {"token": "a-token-of-a-mail", "when": "2026-12-01 15:04 UTC"},
    "webhook-disabled": {"url": "https://hooks.partner.com/stemwright", "why": "it answered that it is gone (410)"},
}
"""Values for every template."""
SITE = {"public_url": "https://stemwright.example"}


def test_every_template_is_tried_here() -> None:
    names = {file.name.split(".")[0] for file in files("services.accounts.mail").joinpath("templates").iterdir()}
    assert set(EXAMPLES) == names - {"button", "layout"}
    assert all(exists(name) for name in EXAMPLES)


@pytest.mark.parametrize("template", EXAMPLES)
def test_text_and_html_say_the_same(template: str) -> None:
    letter = render(template, SITE | EXAMPLES[template])

    assert "\n" not in letter.subject
    assert letter.text.endswith("\n")
    assert max(map(len, letter.text.splitlines())) <= 998, "RFC 5322"
    for value in (*EXAMPLES[template].values(), SITE["public_url"]):
        assert str(value) in letter.text
        assert str(value) in letter.html
    assert letter.html.startswith("<!doctype html>")
    assert letter.subject in letter.html


@pytest.mark.parametrize("template", EXAMPLES)
def test_no_value_is_taken_for_html(template: str) -> None:
    html = render(template, {name: f"<b>{name}</b>" for name in (*EXAMPLES[template], *SITE)}).html

    assert "<b>" not in html
    assert "&lt;b&gt;" in html


@pytest.mark.parametrize("template", EXAMPLES)
def test_a_value_that_is_not_given_is_an_error(template: str) -> None:
    with pytest.raises(UndefinedError):
        render(template, {})
