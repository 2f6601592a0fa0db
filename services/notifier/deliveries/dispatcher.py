"""Sends what is due: one thread with an event loop, a coroutine per try.

Whoever hangs takes places, never a thread. An endpoint has a few at a time, one that fails has one, all those that fail
together have no more than half of all, and those of one account no more than half of either: what else is due always
finds one.
"""

import asyncio
import logging
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime

import prometheus_client
from opentelemetry.trace import SpanKind
from sqlalchemy.exc import SQLAlchemyError

from services.kit.outbound.fetcher import Answer, Fetcher, FetchFailed, NoPlace
from services.kit.outbound.urls import AddressRefused
from services.kit.telemetry import current_traceparent, span
from services.notifier.deliveries.outcomes import Outcome, Tried
from services.notifier.deliveries.queue import AT_ONCE_TO_A_FAILING_ENDPOINT, Parcel, Room
from services.notifier.deliveries.repository import Due
from services.notifier.deliveries.rounds import Rounds
from services.notifier.deliveries.signing import signed_headers
from services.notifier.settings import Settings

log = logging.getLogger(__name__)

TRIES = prometheus_client.Counter("stemwright_webhook_tries_total", "Tries to deliver a webhook.", ["outcome"])

ROUND_SECONDS = 0.05
"""From one round of the database to the next, at least."""
ANSWER_BYTES = 2048
"""Of an answer that are kept."""
NO_SECRET = "its secret cannot be read any more, so nothing can be signed: rotate the secret"  # noqa: S105
"""The problem of a try at an endpoint whose secret no key opens."""
USER_AGENT = "Stemwright-Webhooks/1"


class Dispatcher:
    """A background task."""

    name = "webhook-dispatcher"

    def __init__(self, rounds: Rounds, fetcher: Fetcher, settings: Settings) -> None:
        self._rounds = rounds
        self._fetcher = fetcher
        self._most = settings.webhooks_at_once
        self._most_per_endpoint = settings.webhooks_at_once_per_endpoint
        self._poll_seconds = settings.webhook_poll_seconds
        self._under_way: Counter[str] = Counter()
        self._accounts_under_way: Counter[str] = Counter()
        self._accounts_failing_under_way: Counter[str] = Counter()
        self._tried: list[Tried] = []
        """Tries that have ended and are still to be noted; their places count as taken."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._news: asyncio.Event | None = None
        rounds.queue.on_due(self.wake)

    def run(self, stop: threading.Event) -> None:
        """Sends until told to stop; what is under way then is given back, to be sent by the next process."""
        asyncio.run(self._run(stop))

    def wake(self) -> None:
        """Has it look now; from any thread."""
        loop, news = self._loop, self._news
        if loop is not None and news is not None:
            with suppress(RuntimeError):  # the loop has ended, and nothing looks any more
                loop.call_soon_threadsafe(news.set)

    async def _run(self, stop: threading.Event) -> None:
        self._news = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        tries: dict[asyncio.Task[None], Parcel] = {}
        try:
            while not stop.is_set():
                self._news.clear()
                begun = time.monotonic()
                for parcel in await self._round():
                    self._count(parcel, 1)
                    task = asyncio.create_task(self._try(parcel))
                    tries[task] = parcel
                    task.add_done_callback(tries.pop)
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._poll_seconds):
                        await self._news.wait()
                        # What else ends or becomes due meanwhile is one transaction with it.
                        await asyncio.sleep(ROUND_SECONDS - (time.monotonic() - begun))
        finally:
            untried = list(tries.values())
            for task in list(tries):
                task.cancel()
            await asyncio.gather(*tries, return_exceptions=True)
            with suppress(SQLAlchemyError):
                self._rounds.end(self._tried, untried)
            await self._fetcher.aclose()

    async def _round(self) -> list[Parcel]:
        """Notes what came of tries and takes what is due, as far as there are places for it."""
        tried, self._tried = self._tried, []
        room = self._room(tried)
        if room is None:
            return []
        try:
            parcels = await asyncio.to_thread(self._rounds.turn, tried, room)
        except SQLAlchemyError as error:
            log.warning("webhooks are put off: the database does not answer: %s", error)
            self._tried = [*tried, *self._tried]
            await asyncio.sleep(self._poll_seconds)
            return []
        except Exception:
            # Told, and tried again: other deliveries shall not wait for a person.
            log.exception("a round of webhooks failed")
            parcels = []
        for each in tried:
            self._count(each.parcel, -1)
        return parcels

    def _room(self, tried: Sequence[Tried]) -> Room | None:
        """The places that are free once these have given up theirs; None where there is nothing to do with any."""
        ended = [each.parcel for each in tried]
        under_way = self._under_way - Counter(parcel.endpoint_id for parcel in ended)
        accounts = self._accounts_under_way - Counter(parcel.account_id for parcel in ended)
        failing = self._accounts_failing_under_way - Counter(parcel.account_id for parcel in ended if parcel.failing)
        most, most_failing = self._most, self._most // 2

        def room(due: Due) -> int:
            most_to_it = AT_ONCE_TO_A_FAILING_ENDPOINT if due.failing else self._most_per_endpoint
            places = min(
                most_to_it - under_way[due.endpoint_id],
                most - accounts.total(),
                max(1, most // 2) - accounts[due.account_id],
            )
            if due.failing:
                places = min(
                    places,
                    most_failing - failing.total(),
                    max(1, most_failing // 2) - failing[due.account_id],
                )
                failing[due.account_id] += max(0, places)
            accounts[due.account_id] += max(0, places)
            return places

        return room if tried or accounts.total() < most else None

    async def _try(self, parcel: Parcel) -> None:
        try:
            with span("POST webhook", parcel.traceparent, SpanKind.CLIENT) as sent:
                outcome = await self._send(parcel)
                sent.set_attribute("http.response.status_code", (outcome and outcome.status_code) or 0)
        except Exception:
            # The delivery is due again when its lease has ended.
            log.exception("a try of %s failed", parcel.delivery_id)
            self._count(parcel, -1)
        else:
            TRIES.labels("put_off" if outcome is None else "succeeded" if outcome.succeeded else "failed").inc()
            self._tried.append(Tried(parcel, outcome))
        if self._news is not None:
            self._news.set()

    async def _send(self, parcel: Parcel) -> Outcome | None:
        """What came of it; None where there was no place for it."""
        started_at, started = datetime.now(UTC), time.monotonic()
        if not parcel.secrets:
            # Tried by the schedule like what fails: the owner may make another, the operator may put the key back.
            return Outcome(started_at, 0.0, problem=NO_SECRET)
        headers = signed_headers(parcel.secrets, parcel.event_id, int(started_at.timestamp()), parcel.body)
        answer: Answer | None = None
        problem = None
        try:
            answer = await self._fetcher.send(
                "POST",
                parcel.url,
                asker=parcel.account_id,
                headers={
                    **headers,
                    "Content-Type": "application/json",
                    "User-Agent": USER_AGENT,
                    "traceparent": current_traceparent() or "",
                },
                body=parcel.body,
                limit_bytes=ANSWER_BYTES,
            )
        except NoPlace:
            return None
        except (AddressRefused, FetchFailed) as error:
            problem = str(error)
        seconds = time.monotonic() - started
        if answer is None:
            return Outcome(started_at, seconds, problem=problem)
        # PostgreSQL stores no NUL.
        text = answer.body.decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
        return Outcome(started_at, seconds, answer.status, text, answer.headers.get("retry-after"))

    def _count(self, parcel: Parcel, number: int) -> None:
        counts = [(self._under_way, parcel.endpoint_id), (self._accounts_under_way, parcel.account_id)]
        if parcel.failing:
            counts.append((self._accounts_failing_under_way, parcel.account_id))
        for counter, key in counts:
            counter[key] += number
            if not counter[key]:
                del counter[key]
