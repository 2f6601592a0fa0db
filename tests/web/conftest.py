"""The platform, every part real, and a real browser before it."""

import shutil
import uuid
from collections.abc import Callable, Iterator
from functools import cache

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, StorageState, expect, sync_playwright

from services.local.client import Client
from services.local.platform import Platform
from tests.e2e import conftest as e2e
from tests.e2e.jobs import PATIENCE_SECONDS
from tests.e2e.songs import music, read, write_wav_16
from tests.web.browsing import PASSWORD, Visitor, sign_up
from tests.web.listening import Listener
from tests.web.separated import LENGTH_SECONDS, Separated, signed_in

platform = e2e.platform
collector = e2e.collector
NewVisitor = Callable[..., Visitor]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.fail("The tests of pages need Chromium: apt install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def sign_in_of(browser: Browser, platform: Platform) -> Callable[[str], StorageState]:
    """The cookies of somebody with a role, who signs in once."""

    @cache
    def sign_in(role: str) -> StorageState:
        context = browser.new_context(base_url=platform.gateway_url)
        context.set_default_timeout(PATIENCE_SECONDS * 1000)
        visitor = Visitor(context.new_page(), f"{role}.{uuid.uuid4().hex}@example.com", PASSWORD)
        sign_up(visitor, role=role, home=platform.home.root)
        state = context.storage_state()
        context.close()
        return state

    return sign_in


@pytest.fixture
def new_visitor(
    browser: Browser, platform: Platform, sign_in_of: Callable[[str], StorageState]
) -> Iterator[NewVisitor]:
    """Makes visitors with browsers of their own. What their pages complain of fails the test at its end."""
    contexts: list[BrowserContext] = []
    visitors: list[Visitor] = []

    def make(*, signed_in: bool = False, role: str | None = None, width: int = 1440, **options: object) -> Visitor:
        context = browser.new_context(
            base_url=platform.gateway_url,
            viewport={"width": width, "height": 900},
            storage_state=None if role is None else sign_in_of(role),
            **{"locale": "en-GB", **options},  # type: ignore[arg-type]
        )
        # Pages, what is looked for on them and the calls of `sign_up`: a busy machine takes its time.
        context.set_default_timeout(PATIENCE_SECONDS * 1000)
        expect.set_options(timeout=PATIENCE_SECONDS * 1000)
        contexts.append(context)
        visitor = Visitor(context.new_page(), f"{uuid.uuid4().hex}@example.com", PASSWORD)
        visitors.append(visitor)
        if signed_in and role is None:
            sign_up(visitor)
        return visitor

    yield make
    for context in contexts:
        context.close()
    assert [complaint for visitor in visitors for complaint in visitor.complaints] == []


@pytest.fixture
def visitor(new_visitor: NewVisitor) -> Visitor:
    """Somebody who has no account."""
    return new_visitor()


@pytest.fixture
def member(new_visitor: NewVisitor) -> Visitor:
    """Somebody who is signed in."""
    return new_visitor(signed_in=True)


@pytest.fixture
def page(visitor: Visitor) -> Page:
    return visitor.page


@pytest.fixture(scope="session")
def separated(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Separated]:
    """A song that was separated once for all tests that only look at it."""
    email = f"{uuid.uuid4().hex}@example.com"
    song = write_wav_16(tmp_path_factory.mktemp("songs") / "A song, «live».wav", music(LENGTH_SECONDS))
    with Client(platform.gateway_url) as client:
        client.register(email, PASSWORD)
        upload = client.upload(song)
        preview = client.create_job(upload["id"], mode="preview", output={"format": "mp3"})
        preview = client.wait_for_job(preview["id"], PATIENCE_SECONDS)
        job = client.create_job(upload["id"])
        job = client.wait_for_job(job["id"], PATIENCE_SECONDS)
        assert (job["status"], preview["status"]) == ("succeeded", "succeeded")
        yield Separated(email, client, read(song)[0], job, preview)


@pytest.fixture
def listener(separated: Separated, new_visitor: NewVisitor) -> Iterator[Listener]:
    """The account's owner, before the page is opened."""
    listener = Listener(signed_in(new_visitor(), separated.email))
    yield listener
    listener.forgive_the_processor()
