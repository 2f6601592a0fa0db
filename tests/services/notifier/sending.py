"""The notifier sends what is due, for as long as a test wants it to."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from services.kit.outbound.fetcher import Fetcher, Resolve
from services.notifier.deliveries.dispatcher import Dispatcher
from services.notifier.deliveries.rounds import Rounds
from tests.databases import PATIENCE_SECONDS
from tests.services.notifier.conftest import Notifier


@contextmanager
def dispatching(
    notifier: Notifier, rounds: Rounds | None = None, *, resolve: Resolve | None = None
) -> Iterator[Dispatcher]:
    """What is due is sent for as long as the block lasts."""
    settings = notifier.settings
    fetcher = Fetcher(settings, timeout_seconds=settings.webhook_timeout_seconds, resolve=resolve)
    dispatcher, stop = Dispatcher(rounds or notifier.rounds, fetcher, settings), threading.Event()
    thread = threading.Thread(target=dispatcher.run, args=(stop,))
    thread.start()
    try:
        yield dispatcher
    finally:
        stop.set()
        dispatcher.wake()
        thread.join(PATIENCE_SECONDS)
