"""The web app's documents and files, as built and where nothing was built."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.gateway import web_app
from services.gateway.routes import APP_PAGES
from services.gateway.settings import Settings
from tests.services.gateway.standin import Platform, problem

DOCUMENT = (
    '<!doctype html><meta property="csp-nonce" nonce="NONCE-OF-THIS-ANSWER"><script src="/assets/a-1.js"></script>'
)


@pytest.fixture
def built(gateway: Platform, tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text(DOCUMENT)
    (tmp_path / "early.js").write_text("early")
    for name in ("a-1.js", "a-1.js.br", "a-1.js.gz", "b.woff2", "secret.txt"):
        (tmp_path / "assets" / name).write_text(name)
    gateway.app.state.pages = tmp_path
    yield tmp_path
    gateway.app.state.pages = web_app.BUILT


@pytest.fixture
def not_built(gateway: Platform, tmp_path: Path) -> Iterator[None]:
    gateway.app.state.pages = tmp_path / "nothing"
    yield
    gateway.app.state.pages = web_app.BUILT


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("path", APP_PAGES)
def test_each_page_is_the_document_with_a_number_of_its_own(gateway: Platform, path: str) -> None:
    path = re.sub(r"\{[a-z_]+\}", "job_1", path)
    answers = [gateway.client.get(path) for _ in range(2)]

    numbers = []
    for answer in answers:
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
        (number,) = re.findall(r'nonce="([^"]+)"', answer.text)
        assert f"style-src 'self' 'nonce-{number}';" in answer.headers["content-security-policy"]
        numbers.append(number)
    assert numbers[0] != numbers[1]
    assert web_app.NONCE not in answers[0].text


@pytest.mark.usefixtures("built")
def test_songs_go_to_an_object_store_that_has_an_origin_of_its_own(gateway: Platform) -> None:
    assert "connect-src 'self';" in gateway.client.get("/").headers["content-security-policy"]
    state, before = gateway.app.state, gateway.app.state.settings
    state.settings = before.model_copy(update={"object_store_origin": "https://songs.example.com:9000"})
    try:
        policy = gateway.client.get("/").headers["content-security-policy"]
    finally:
        state.settings = before
    assert "connect-src 'self' https://songs.example.com:9000;" in policy


@pytest.mark.parametrize("origin", ["https://songs.example.com/", "songs.example.com", "https://a; script-src *", "*"])
def test_an_origin_is_nothing_but_an_origin(origin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEMWRIGHT_GATEWAY_OBJECT_STORE_ORIGIN", origin)
    with pytest.raises(ValueError, match="object_store_origin"):
        Settings()


@pytest.mark.usefixtures("built")
def test_no_script_in_the_document_or_of_others_runs(gateway: Platform) -> None:
    headers = gateway.client.get("/").headers
    policy = headers["content-security-policy"]

    assert "default-src 'none'; script-src 'self' 'wasm-unsafe-eval';" in policy
    assert "unsafe" not in policy.replace("'wasm-unsafe-eval'", "")
    assert "frame-ancestors 'none'" in policy
    assert "base-uri 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert "microphone=()" in headers["permissions-policy"]
    assert headers["cache-control"] == "no-cache"


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("path", ["/v1/nothing", "/nothing", "/account/nothing", "/assets", "/assets/", "/index.html"])
def test_only_the_pages_of_the_app_are_answered_with_it(gateway: Platform, path: str) -> None:
    problem(gateway.client.get(path), 404, "route_not_found")


BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("path", ["/nothing", "/separation/job_1", "/assets/gone-1.js", "/metrics", "/docs/nothing"])
def test_a_mistyped_address_shows_a_browser_the_app_which_says_so(gateway: Platform, path: str) -> None:
    answer = gateway.client.get(path, headers={"Accept": BROWSER})

    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    (number,) = re.findall(r'nonce="([^"]+)"', answer.text)
    assert f"style-src 'self' 'nonce-{number}';" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    assert gateway.client.head(path, headers={"Accept": BROWSER}).headers["content-type"].startswith("text/html")


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize(
    ("method", "path", "accepted"),
    [
        ("GET", "/v1/nothing", BROWSER),
        ("GET", "/v1", BROWSER),
        ("GET", "/v1/jobs/a.b", BROWSER),
        ("POST", "/nothing", BROWSER),
        ("GET", "/nothing", "application/json, text/html"),
        ("GET", "/nothing", "*/*"),
    ],
)
def test_the_api_and_programs_are_told_of_it_as_a_problem(
    gateway: Platform, method: str, path: str, accepted: str
) -> None:
    problem(gateway.client.request(method, path, headers={"Accept": accepted}), 404, "route_not_found")


@pytest.mark.usefixtures("not_built")
def test_without_a_build_a_mistyped_address_is_told_as_404_too(gateway: Platform) -> None:
    answer = gateway.client.get("/nothing", headers={"Accept": BROWSER})
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip", "gzip"),
        ("br;q=0, gzip;q=0.5", "gzip"),
        ("br; q=0", None),
        ("identity", None),
        ("abrakadabra", None),
    ],
)
def test_assets_are_kept_for_ever_and_sent_as_the_client_takes_them(
    gateway: Platform, accepted: str, coding: str | None
) -> None:
    request = gateway.client.build_request("GET", "/assets/a-1.js", headers={"Accept-Encoding": accepted})
    answer = gateway.client.send(request, stream=True)
    sent = b"".join(answer.iter_raw()).decode()

    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/javascript; charset=utf-8")
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["vary"] == "Accept-Encoding"
    # A worker goes by this one: it compiles what it brings along, and reaches nothing.
    policy = answer.headers["content-security-policy"]
    assert policy == "default-src 'none'; script-src 'wasm-unsafe-eval'; frame-ancestors 'none'"
    assert answer.headers.get("content-encoding") == coding
    assert sent == {"br": "a-1.js.br", "gzip": "a-1.js.gz", None: "a-1.js"}[coding]


@pytest.mark.usefixtures("built")
def test_what_runs_first_has_no_digest_and_is_asked_for_each_time(gateway: Platform) -> None:
    assert gateway.client.get("/early.js").headers["cache-control"] == "no-cache"


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize(
    "name",
    ["c.js", "secret.txt", "a-1.js.br", "..%2findex.html", "%2e%2e/index.html", ".hidden.js", "a%00.js", "a" * 129],
)
def test_nothing_else_is_read_from_the_disk(gateway: Platform, name: str) -> None:
    assert gateway.client.get(f"/assets/{name}").status_code == 404


@pytest.mark.usefixtures("not_built")
def test_without_a_build_the_start_says_how_to_make_one(gateway: Platform) -> None:
    answer = gateway.client.get("/")

    assert answer.status_code == 200
    assert "make web" in answer.text
    assert 'href="/docs"' in answer.text


def test_the_app_and_the_table_have_the_same_pages() -> None:
    listed = Path(__file__).parents[3] / "web" / "src" / "app" / "pages.ts"
    paths = re.findall(r'^    path: "([^"]+)"', listed.read_text(encoding="utf-8"), re.MULTILINE)

    assert len(paths) > 3
    assert [re.sub(r":([a-z_]+)", r"{\1}", path) for path in paths] == list(APP_PAGES)
