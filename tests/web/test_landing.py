"""What somebody meets who has never been here."""

from playwright.sync_api import expect

from tests.e2e.jobs import PATIENCE_SECONDS
from tests.web.browsing import Visitor

LISTEN = """
    const Gain = window.GainNode;
    window.gains = [];
    window.GainNode = class extends Gain {
        constructor(...given) { super(...given); window.gains.push(this); }
    };
"""
"""Keeps hold of the gains: mixture, vocals, instrumental."""
OPEN = "() => gains.map(({ gain }) => gain.value > 0.99 ? 1 : gain.value < 0.01 ? 0 : -1).join(' ')"


def test_the_song_plays_and_flips_between_its_stems_without_an_account(visitor: Visitor) -> None:
    page = visitor.page
    patience = PATIENCE_SECONDS * 1000
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.add_init_script(LISTEN)
    page.goto("/")
    player = page.get_by_role("region", name="A song to try")
    expect(player).to_be_visible(timeout=patience)
    assert not [url for url in asked if ".mp3" in url]

    player.get_by_role("button", name="Play").click()
    expect(player.get_by_role("button", name="Pause")).to_be_visible(timeout=patience)
    assert len([url for url in asked if ".mp3" in url]) == 3
    for name, heard in (("Vocals", "0 1 0"), ("Instrumental", "0 0 1"), ("Song", "1 0 0")):
        player.get_by_text(name, exact=True).click()
        page.wait_for_function(f"() => ({OPEN})() === '{heard}'", timeout=patience)
    moved = "() => Number(document.querySelector('[data-part]').style.getPropertyValue('--at')) > 0.05"
    page.wait_for_function(moved, timeout=patience)
    player.get_by_role("button", name="Pause").click()
    page.wait_for_function("() => gains[0].context.state === 'suspended'", timeout=patience)


def test_a_song_that_cannot_be_had_is_told(visitor: Visitor) -> None:
    page = visitor.page
    page.route("**/*.mp3", lambda route: route.fulfill(status=404))
    page.goto("/")
    page.get_by_role("button", name="Play").click(timeout=PATIENCE_SECONDS * 1000)
    expect(page.get_by_text("The song could not be loaded.")).to_be_visible(timeout=PATIENCE_SECONDS * 1000)
    expect(page.get_by_role("button", name="Play")).to_be_enabled()
