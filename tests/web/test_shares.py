"""A link to listen, from its owner's hand to a stranger's ears and to its end."""

from pathlib import Path

from playwright.sync_api import expect

from services.local.client import Client
from services.local.platform import Platform
from tests.e2e.jobs import PATIENCE_SECONDS
from tests.e2e.songs import music, write_wav_16
from tests.web.browsing import PASSWORD, accessibility_findings
from tests.web.conftest import NewVisitor
from tests.web.listening import Listener

TITLE = "<img src=x onerror=alert(1)> «mix»"


def test_a_link_is_heard_without_an_account_until_its_owner_ends_it(
    platform: Platform, new_visitor: NewVisitor, tmp_path: Path
) -> None:
    owner, stranger = new_visitor(signed_in=True), new_visitor(width=390)
    expect.set_options(timeout=PATIENCE_SECONDS * 1000)
    with Client(platform.gateway_url) as client:
        client.sign_in(owner.email, PASSWORD)
        upload = client.upload(write_wav_16(tmp_path / "A secret name.wav", music(12)))
        job_id = client.wait_for_job(client.create_job(upload["id"], mode="preview")["id"], PATIENCE_SECONDS)["id"]

    owner.page.goto(f"/separations/{job_id}")
    owner.page.get_by_role("button", name="Share").click(timeout=PATIENCE_SECONDS * 1000)
    dialog = owner.page.get_by_role("dialog")
    title = dialog.get_by_label("Title that listeners see")
    expect(title).to_have_value("A secret name")
    title.fill(TITLE)
    dialog.get_by_label("The link ends").select_option("in a week")
    dialog.get_by_role("button", name="Make a link").click()
    link = dialog.get_by_role("textbox", name="Link", exact=True)
    expect(link).to_be_visible()
    assert accessibility_findings(owner.page) == []

    listener, page = Listener(stranger), stranger.page
    page.goto(link.input_value())
    expect(page.get_by_role("heading", level=1)).to_have_text(TITLE)
    listener.button("Play").click()
    heard = listener.hear(2)
    assert heard.residual < heard.mix * 1e-8
    assert "A secret name" not in page.content()
    assert page.get_by_role("link", name="Download").count() == 0
    assert accessibility_findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390

    dialog.get_by_role("button", name="End the link").click()
    expect(dialog.get_by_text("Links that work")).to_be_hidden()
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("This link has ended")
    listener.forgive_the_processor()
