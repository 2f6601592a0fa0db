"""The pages that links in mails lead to are there without a build of the web app too, and call what there is."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.gateway import web_app
from services.gateway.routes import ROUTES
from tests.services.gateway.standin import Platform


@pytest.fixture(autouse=True)
def not_built(gateway: Platform, tmp_path: Path) -> Iterator[None]:
    gateway.app.state.pages = tmp_path / "nothing"
    yield
    gateway.app.state.pages = web_app.BUILT


@pytest.mark.parametrize("path", ["/account/verify-email", "/account/reset-password"])
def test_a_page_is_a_form_that_no_script_of_others_reaches(gateway: Platform, path: str) -> None:
    answer = gateway.client.get(path)

    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert answer.headers["referrer-policy"] == "no-referrer"
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "default-src 'none'" in policy
    called = set(re.findall(r'data-path="([^"]+)"', answer.text))
    assert called
    assert called <= {route.path for route in ROUTES if route.method == "POST"}
    (script,) = re.findall(r'<script src="([^"]+)"', answer.text)
    loaded = gateway.client.get(script)
    assert (loaded.status_code, loaded.headers["content-type"]) == (200, "text/javascript; charset=utf-8")
    assert "location.hash" in loaded.text


def test_neither_page_has_anything_of_its_address_in_it(gateway: Platform) -> None:
    plain = gateway.client.get("/account/verify-email").text

    assert gateway.client.get("/account/verify-email?token=<script>").text == plain
