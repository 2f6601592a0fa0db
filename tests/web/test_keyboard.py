"""The pages without a pointer: everything is reached by Tab, is seen to be, and lets go again."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.songs import music, read, write_wav_16
from tests.web.browsing import Visitor, settled
from tests.web.conftest import NewVisitor
from tests.web.pages import PAGES, AppPage
from tests.web.test_every_page import opened_by

MOST_PRESSES = 200

# Of radios that belong together one is reached by Tab, the others by arrows.
_LIST = """() => {
  const group = (one) => one.form?.id + '/' + one.name;
  const radios = new Map();
  const found = [...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex]')].filter(
    (one) => one.tabIndex >= 0 && !one.disabled && !one.closest('[inert]')
      && one.type !== 'hidden' && one.type !== 'file'
      && one.checkVisibility({ visibilityProperty: true }) && one.getClientRects().length > 0);
  for (const one of found)
    if (one.type === 'radio' && (one.checked || !radios.has(group(one)))) radios.set(group(one), one);
  window.tabbable = found.filter((one) => one.type !== 'radio' || radios.get(group(one)) === one);
  // What may show the focus: the element, what is drawn in its place, and what it lies in.
  const family = (one) => [one, one.nextElementSibling, one.previousElementSibling, ...(one.labels ?? []),
    one.parentElement, one.parentElement?.parentElement].filter(Boolean);
  const shown = (one) => family(one).map((each) => {
    const style = getComputedStyle(each);
    const place = each.getBoundingClientRect();
    return [style.outline, style.boxShadow, style.borderColor, style.backgroundColor, style.textDecoration,
      place.width > 1 && style.clipPath].join();
  }).join('|');
  document.activeElement.blur();
  const before = new Map(window.tabbable.map((one) => [one, shown(one)]));
  window.focusShows = (one) => shown(one) !== before.get(one);
  return window.tabbable.length;
}"""
_NAME = (
    "(one) => (one.ariaLabel ?? one.labels?.[0]?.textContent ?? one.textContent).trim() || one.outerHTML.slice(0, 120)"
)


@pytest.mark.parametrize("app_page", PAGES, ids=lambda page: page.name)
def test_tab_reaches_everything_shows_where_it_is_and_leaves_again(app_page: AppPage, new_visitor: NewVisitor) -> None:
    page = opened_by(app_page, new_visitor, reduced_motion="reduce").page
    page.goto(app_page.addresses[0])
    settled(page)
    count = page.evaluate(_LIST)
    assert count > 0
    reached: set[int] = set()
    unseen: list[str] = []
    # Once round: a page that keeps the focus never comes back to its first element.
    for _ in range(2 * count + 10):
        page.keyboard.press("Tab")
        at = page.evaluate("window.tabbable.indexOf(document.activeElement)")
        if at >= 0 and at not in reached:
            reached.add(at)
            if not page.evaluate("window.focusShows(document.activeElement)"):
                unseen.append(page.evaluate(f"({_NAME})(document.activeElement)"))
        elif at == 0 and len(reached) > 1:
            break
    else:
        pytest.fail("the focus did not come round")
    missed = [page.evaluate(f"(at) => ({_NAME})(window.tabbable[at])", at) for at in range(count) if at not in reached]
    assert (missed, unseen) == ([], [])


def tab_to(target: Locator) -> None:
    """Presses Tab until it is there."""
    expect(target).to_be_enabled()
    for _ in range(MOST_PRESSES):
        if target.evaluate("one => one === document.activeElement"):
            return
        target.page.keyboard.press("Tab")
    pytest.fail(f"{target} is not reached by Tab")


def typed(page: Page, label: str | re.Pattern[str], text: str) -> None:
    tab_to(page.get_by_label(label))
    page.keyboard.type(text)


def test_from_signing_up_to_the_mix_as_a_file_nothing_needs_a_pointer(visitor: Visitor, tmp_path: Path) -> None:
    page = visitor.page
    song = write_wav_16(tmp_path / "A song.wav", music(8))
    page.goto("/")
    tab_to(page.get_by_role("link", name="Create an account").first)
    page.keyboard.press("Enter")
    typed(page, "Name", "Ada")
    typed(page, "Email", visitor.email)
    typed(page, re.compile("^Password"), visitor.password)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="New separation", level=1)).to_be_visible()

    tab_to(page.get_by_role("button", name="Choose files"))
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(song)
    preview, whole = page.get_by_label("Preview"), page.get_by_label("Whole song")
    tab_to(preview)
    page.keyboard.press("ArrowRight")
    expect(whole).to_be_checked()
    tab_to(page.get_by_role("button", name=re.compile("^Separate")))
    page.keyboard.press("Enter")

    page.wait_for_url("**/separations/job_*")
    tab_to(page.get_by_role("link", name="My separations"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").get_by_text("Done")).to_be_visible()
    tab_to(page.get_by_role("link", name="A song.wav", exact=True))
    page.keyboard.press("Enter")
    tab_to(page.get_by_role("button", name="Play", exact=True))
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Pause", exact=True)).to_be_visible()
    page.keyboard.press("Space")
    tab_to(page.get_by_role("button", name="Mute Vocals"))
    page.keyboard.press("Space")
    tab_to(page.get_by_role("button", name="Save this mix as WAV"))
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    download.value.save_as(tmp_path / "mix.wav")
    assert len(read(tmp_path / "mix.wav")[0]) == len(read(song)[0])
