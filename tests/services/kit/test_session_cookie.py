"""What the web app's cookies are called, and the token beside them."""

import pytest

from services.kit.session_cookie import SECRET, CookieNames, csrf_token, is_csrf_token, new_secret


@pytest.mark.parametrize(
    ("scheme", "host"),
    [
        ("https", "stemwright.example"),
        ("https", "127.0.0.1:8080"),
        ("http", "stemwright.example"),
        ("http", "192.0.2.1:8080"),
        ("http", "localhost.example"),
        ("http", "127.0.0.1.example"),
        ("http", ""),
    ],
)
def test_off_this_machine_a_browser_takes_the_cookie_over_tls_only(scheme: str, host: str) -> None:
    names = CookieNames.at(scheme, host)

    assert names == CookieNames("__Host-stemwright-session", "__Host-stemwright-csrf", secure=True)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:8080", "127.9.9.9", "localhost:8080", "app.localhost", "[::1]:80"]
)
def test_on_this_machine_it_works_over_plain_http(host: str) -> None:
    assert CookieNames.at("http", host) == CookieNames("stemwright-session", "stemwright-csrf", secure=False)


def test_a_token_belongs_to_one_session() -> None:
    mine, other = new_secret(), new_secret()

    assert SECRET.fullmatch(mine)
    assert is_csrf_token(csrf_token(mine), mine)
    for wrong in (csrf_token(other), "", mine, csrf_token(mine)[:-1], csrf_token(mine) + "A", "\xff\udc80"):
        assert not is_csrf_token(wrong, mine)
    assert mine not in csrf_token(mine)
