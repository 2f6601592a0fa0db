"""From a song on somebody's disk to its stems, by the pages alone."""

import io
import os
import re
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e.songs import music, write_wav_16
from tests.services.upload.song_server import giving, song_server
from tests.web.browsing import Visitor, settled
from tests.web.conftest import NewVisitor

PATIENCE_MILLISECONDS = 240_000
"""How long a test waits for what must come to hold; busy machines take their time."""


@pytest.fixture
def page(member: Visitor) -> Page:
    page = member.page
    page.set_default_timeout(PATIENCE_MILLISECONDS)
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    return page


def number_of(url: str) -> str:
    (number,) = re.findall(r"partNumber=(\d+)", url)
    return str(number)


def choose(page: Page, *songs: Path) -> None:
    page.locator("input[type=file][multiple]").set_input_files([str(song) for song in songs])


def test_songs_are_sent_priced_ordered_watched_and_downloaded(page: Page, tmp_path: Path) -> None:
    songs = [write_wav_16(tmp_path / name, music(seconds)) for name, seconds in (("First.wav", 4), ("Second.wav", 3))]
    page.goto("/new")
    separate = page.get_by_role("button", name=re.compile("^Separate"))
    expect(separate).to_be_disabled()
    choose(page, *songs)
    page.get_by_label("Whole song").check()
    expect(page.get_by_text("7 credits. You have 600.")).to_be_visible()
    page.get_by_label("No hurry").check()
    expect(page.get_by_text("4 credits. You have 600.")).to_be_visible()
    separate.click()

    page.wait_for_url("**/separations")
    rows = page.get_by_role("list", name="My separations").get_by_role("listitem")
    expect(rows).to_have_count(2)
    expect(page.get_by_role("status").get_by_text("Done")).to_have_count(2)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download: First.wav").click()
    with zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes())) as archive:
        assert sorted(archive.namelist()) == ["First (instrumental).flac", "First (vocals).flac"]

    page.get_by_label("Search by name").fill("second")
    expect(rows).to_have_count(1)
    page.get_by_role("button", name="Delete: Second.wav").click()
    page.get_by_role("button", name="Delete for good: Second.wav").click()
    expect(page.get_by_text("Nothing fits.")).to_be_visible()
    page.get_by_label("Search by name").fill("")
    expect(rows).to_have_count(1)


def test_a_preview_costs_nothing_and_a_file_that_is_no_song_is_told(page: Page, tmp_path: Path) -> None:
    page.goto("/new")
    letter = tmp_path / "letter.wav"
    letter.write_bytes(b"not music at all")
    choose(page, letter)
    expect(page.get_by_role("listitem").filter(has_text="letter.wav").get_by_role("status")).not_to_have_text(
        re.compile("^(|Waits for its turn|Being checked|[0-9]+ % of .*)$")
    )
    page.get_by_role("button", name="Remove letter.wav").click()
    expect(page.get_by_role("listitem").filter(has_text="letter.wav")).to_have_count(0)
    half = write_wav_16(tmp_path / "half.wav", music(6))
    os.truncate(half, half.stat().st_size // 2)
    choose(page, half)
    row = page.get_by_role("listitem").filter(has_text="half.wav")
    expect(row.get_by_role("status")).to_have_text("0:03. The file is damaged or ends early: no more can be read.")
    page.get_by_role("button", name="Remove half.wav").click()
    choose(page, write_wav_16(tmp_path / "song.wav", music(3)))
    expect(page.get_by_text("Nothing: this is a preview.")).to_be_visible()
    page.get_by_label("Vocals").uncheck()
    page.get_by_label("Instrumental").uncheck()
    expect(page.get_by_text("Choose at least one.")).to_be_visible()
    expect(page.get_by_role("button", name="Separate", exact=True)).to_be_disabled()


def test_a_song_by_address_is_fetched_and_one_that_may_be_inside_is_not(page: Page, tmp_path: Path) -> None:
    song = write_wav_16(tmp_path / "song.wav", music(2)).read_bytes()
    page.goto("/new")
    address = page.get_by_label("Or the address of a song")
    with song_server() as server:
        server.answers["/files/Take%203.wav"] = [giving(song)]
        address.fill("http://10.0.0.1/a.wav")
        page.get_by_role("button", name="Fetch it").click()
        expect(page.get_by_text("Songs are not fetched from this address.")).to_be_visible()
        address.fill(f"{server.url}/files/Take%203.wav")
        address.press("Enter")
        expect(page.get_by_role("list", name="Songs").get_by_text("Take 3.wav")).to_be_visible()
        expect(page.get_by_role("button", name="Separate", exact=True)).to_be_enabled()
    expect(address).to_have_value("")


def test_an_upload_goes_on_after_a_lost_connection_and_after_a_reload(
    page: Page, member: Visitor, tmp_path: Path
) -> None:
    song = write_wav_16(tmp_path / "long.wav", music(150))  # several parts
    row = page.get_by_role("listitem").filter(has_text="long.wav")
    page.goto("/new")
    # The first part goes through, the others find no connection until it is back.
    parts: list[str] = []

    def one_part(route: Route) -> None:
        parts.append(route.request.url)
        if len(parts) == 1:
            route.continue_()
        else:
            route.abort("internetdisconnected")

    page.route(re.compile(r"partNumber="), one_part)
    choose(page, song)
    expect(row.get_by_text("No connection. It goes on by itself.")).to_be_visible()
    row.get_by_role("button", name="Pause").click()
    expect(row.get_by_text(re.compile("^Paused at"))).to_be_visible()

    page.reload()
    expect(row.get_by_text(re.compile("Choose the same file again to go on"))).to_be_visible()
    page.unroute(re.compile(r"partNumber="))
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if "partNumber=" in request.url else None)
    choose(page, song)
    expect(row.get_by_text("2:30")).to_be_visible()
    assert sent
    assert number_of(parts[0]) not in {number_of(url) for url in sent}  # it had arrived
    # Chromium tells of each part that found no connection.
    member.complaints[:] = [told for told in member.complaints if "ERR_INTERNET_DISCONNECTED" not in told]


def test_songs_that_wait_go_to_nobody_who_signs_in_after_their_owner(
    page: Page, member: Visitor, new_visitor: NewVisitor, tmp_path: Path
) -> None:
    other = new_visitor(signed_in=True)
    songs = [write_wav_16(tmp_path / name, music(3)) for name in ("First.wav", "Second.wav")]
    rows = page.get_by_role("list", name="Songs").get_by_role("listitem")

    def sign_out() -> None:
        page.get_by_role("button", name="Your account").click()
        page.get_by_role("menuitem", name="Sign out").click()
        page.get_by_role("link", name="Sign in").first.click()

    def sign_in(visitor: Visitor) -> None:
        page.get_by_label("Email").fill(visitor.email)
        page.get_by_label(re.compile("^Password")).fill(visitor.password)
        page.locator("form").get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/new")
        settled(page)

    page.goto("/new")
    page.route(re.compile("partNumber="), lambda route: route.abort("internetdisconnected"))
    choose(page, *songs)
    expect(rows.first.get_by_text("No connection. It goes on by itself.")).to_be_visible()
    sign_out()
    page.unroute(re.compile("partNumber="))
    sign_in(other)
    expect(rows).to_have_count(0)
    sign_out()
    sign_in(member)

    expect(rows.get_by_text("0:03")).to_have_count(2)
    assert other.page.context.request.get("/v1/uploads").json()["items"] == []
    member.complaints[:] = [told for told in member.complaints if "ERR_INTERNET_DISCONNECTED" not in told]


def test_what_waits_can_be_canceled_and_tried_again(page: Page, tmp_path: Path) -> None:
    page.goto("/new")
    choose(page, write_wav_16(tmp_path / "one.wav", music(120)), write_wav_16(tmp_path / "two.wav", music(3)))
    page.get_by_label("Whole song").check()
    expect(page.get_by_text("123 credits. You have 600.")).to_be_visible()
    page.get_by_role("button", name="Separate 2 songs").click()
    page.wait_for_url("**/separations")
    row = page.get_by_role("listitem").filter(has_text="one.wav")
    row.get_by_role("button", name="Cancel: one.wav").click()
    expect(row.get_by_text("Canceled, nothing was charged")).to_be_visible()
    row.get_by_role("button", name="Try again: one.wav").click()
    rows = page.get_by_role("listitem").filter(has_text="one.wav")
    expect(rows).to_have_count(2)
    page.get_by_role("combobox", name="Show").click()
    page.get_by_role("option", name="Canceled, nothing was charged").click()
    expect(rows).to_have_count(1)
