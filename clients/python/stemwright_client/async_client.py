"""The client for asyncio."""

import uuid
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import anyio
import anyio.to_thread
import httpx2

from stemwright_client import calls, models, transport
from stemwright_client.connection import PATIENCE_SECONDS, Connection
from stemwright_client.errors import Forbidden, StemwrightError, Unauthorized
from stemwright_client.flows import batches, downloads, feed, jobs, sending, uploads
from stemwright_client.flows import songs as song_flows
from stemwright_client.flows.songs import Separation
from stemwright_client.orders import Order, key_of
from stemwright_client.progress import OnProgress, report_of
from stemwright_client.record import Place
from stemwright_client.run_async import AsyncRunner
from stemwright_client.songs import Outcome, places_of
from stemwright_client.sse import StreamEvent

T = TypeVar("T")

OnOutcome = Callable[[Outcome], None]


class AsyncClient:
    """One account's view of the platform; `Client` is the same without `await`, and says what each call does.

    Many calls may be under way at a time. Close it, or use it as an asynchronous context manager.
    """

    def __init__(
        self,
        api_key: str | None = None,
        url: str | None = None,
        *,
        patience_seconds: float = PATIENCE_SECONDS,
        http: httpx2.AsyncClient | None = None,
    ) -> None:
        self.connection = Connection.of(api_key, url)
        self.patience_seconds = patience_seconds
        self._own = http is None
        self._runner = AsyncRunner(self.connection, http or transport.made(httpx2.AsyncClient, self.connection.url))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        if self._own:
            await self._runner.http.aclose()

    async def separate(
        self,
        song: str | Path,
        output: str | Path,
        order: Order | None = None,
        *,
        on_progress: OnProgress | None = None,
    ) -> Separation:
        (place,) = places_of([one_file(song)], output)
        return await self._separated(place, order or Order(), on_progress)

    async def separate_folder(
        self,
        folder: str | Path,
        output: str | Path,
        order: Order | None = None,
        *,
        parallel: int = 4,
        on_progress: OnProgress | None = None,
        on_outcome: OnOutcome | None = None,
    ) -> list[Outcome]:
        return await self.separate_many(
            [folder], output, order, parallel=parallel, on_progress=on_progress, on_outcome=on_outcome
        )

    async def separate_many(
        self,
        songs: Iterable[str | Path],
        output: str | Path,
        order: Order | None = None,
        *,
        parallel: int = 4,
        on_progress: OnProgress | None = None,
        on_outcome: OnOutcome | None = None,
    ) -> list[Outcome]:
        places = await anyio.to_thread.run_sync(places_of, songs, output)
        outcomes: dict[Path, Outcome] = {}
        waiting = iter(places)
        ended_by: list[Exception] = []

        async def separated_in_turn() -> None:
            for place in waiting:
                try:
                    separation = await self._separated(place, order or Order(), on_progress)
                    outcome = Outcome(place.song, separation)
                except (Unauthorized, Forbidden):  # no song can go better
                    raise
                except (StemwrightError, OSError) as error:
                    outcome = Outcome(place.song, error=error)
                outcomes[place.song] = outcome
                if on_outcome is not None:
                    on_outcome(outcome)

        async def until_one_ends_all(scope: anyio.CancelScope) -> None:
            try:
                await separated_in_turn()
            except Exception as error:  # noqa: BLE001 - raised below, not in a group of one
                ended_by.append(error)
                scope.cancel()

        async with anyio.create_task_group() as group:
            for _ in range(max(1, min(parallel, len(places)))):
                group.start_soon(until_one_ends_all, group.cancel_scope)
        if ended_by:
            raise ended_by[0]
        return [outcomes[place.song] for place in places]

    async def _separated(self, place: Place, order: Order, on_progress: OnProgress | None) -> Separation:
        report = report_of(place.song, on_progress)
        return await self._runner.run(song_flows.separate(place, order, report, self.patience_seconds))

    async def upload(self, song: str | Path, *, on_progress: OnProgress | None = None) -> models.Upload:
        path = Path(song)
        return await self._runner.run(uploads.upload(path, report_of(path, on_progress), self.patience_seconds))

    async def upload_url(self, source_url: str, *, filename: str | None = None) -> models.Upload:
        return await self._runner.run(uploads.upload_url(source_url, filename, self.patience_seconds))

    async def get_upload(self, upload_id: str) -> models.Upload:
        return await self._call(calls.upload(upload_id))

    def uploads(self) -> AsyncGenerator[models.Upload, None]:
        return self._every(lambda cursor: calls.uploads(cursor, sending.PAGE))

    async def delete_upload(self, upload_id: str) -> None:
        await self._call(calls.delete_upload(upload_id))

    async def quote(self, upload_id: str, order: Order | None = None) -> models.Quote:
        return await self._call(calls.create_quote(upload_id, order or Order()))

    async def create_job(
        self, upload_id: str, order: Order | None = None, *, idempotency_key: str | None = None
    ) -> models.Job:
        wanted = order or Order()
        key = idempotency_key or key_of("job", wanted.body(upload_id))
        return await self._call(calls.create_job(upload_id, wanted, key))

    async def get_job(self, job_id: str) -> models.Job:
        return await self._call(calls.job(job_id))

    def jobs(self, *, status: str | None = None, search: str | None = None) -> AsyncGenerator[models.ListedJob, None]:
        return self._every(lambda cursor: calls.jobs(cursor, sending.PAGE, status, search))

    def job_events(self, job_id: str, *, last_event_id: str | None = None) -> AsyncGenerator[StreamEvent, None]:
        return self._runner.iterate(jobs.job_events(job_id, last_event_id, self.patience_seconds))

    async def wait(
        self, job_id: str, *, timeout_seconds: float | None = None, on_progress: OnProgress | None = None
    ) -> models.Job:
        job = await self.get_job(job_id)
        report = report_of(Path(job_id), on_progress)
        return await self._runner.run(jobs.wait(job, report, self.patience_seconds, timeout_seconds))

    async def cancel_job(self, job_id: str) -> models.Job:
        return await self._call(calls.cancel_job(job_id))

    async def retry_job(self, job_id: str) -> models.Job:
        return await self._call(calls.retry_job(job_id, key_of("retry", job_id)))

    async def delete_job(self, job_id: str) -> None:
        await self._call(calls.delete_job(job_id))

    async def download(
        self, job: models.Job | str, folder: str | Path, *, on_progress: OnProgress | None = None
    ) -> dict[str, Path]:
        known = await self.get_job(job) if isinstance(job, str) else job
        report = report_of(Path(known.id), on_progress)
        return await self._runner.run(downloads.download(known, Path(folder), report, self.patience_seconds))

    async def create_batch(
        self,
        songs: Sequence[str | Mapping[str, Any]],
        order: Order | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> models.Batch:
        wanted = order or Order()
        key = idempotency_key or key_of("batch", wanted.batch(songs))
        return await self._call(calls.create_batch(songs, wanted, key))

    async def get_batch(self, batch_id: str) -> models.Batch:
        return await self._call(calls.batch(batch_id))

    def batches(self) -> AsyncGenerator[models.Batch, None]:
        return self._every(lambda cursor: calls.batches(cursor, sending.PAGE))

    def batch_jobs(self, batch_id: str) -> AsyncGenerator[models.ListedJob, None]:
        return self._every(lambda cursor: calls.batch_jobs(batch_id, cursor, sending.PAGE))

    async def wait_for_batch(self, batch_id: str, *, timeout_seconds: float | None = None) -> models.Batch:
        return await self._runner.run(batches.wait(batch_id, self.patience_seconds, timeout_seconds))

    async def cancel_batch(self, batch_id: str) -> models.Batch:
        return await self._call(calls.cancel_batch(batch_id))

    async def balance(self) -> models.Balance:
        return await self._call(calls.balance())

    def events(
        self, after: int | None = None, *, types: Sequence[str] = (), follow: bool = False
    ) -> AsyncGenerator[models.Event, None]:
        return self._runner.iterate(feed.events(after, types, self.patience_seconds, follow=follow))

    async def event_page(
        self, after: int | None = None, *, types: Sequence[str] = (), wait_seconds: int = 0, limit: int = 100
    ) -> models.EventPage:
        return await self._call(calls.events(after, types, wait_seconds, limit))

    def webhook_endpoints(self) -> AsyncGenerator[models.WebhookEndpoint, None]:
        return self._every(lambda cursor: calls.webhook_endpoints(cursor, sending.PAGE))

    async def create_webhook_endpoint(
        self, url: str, event_types: Sequence[str] = (), *, description: str | None = None
    ) -> models.MadeWebhookEndpoint:
        return await self._call(calls.create_webhook_endpoint(url, event_types, description, uuid.uuid4().hex))

    async def change_webhook_endpoint(self, endpoint_id: str, **changes: Any) -> models.WebhookEndpoint:
        return await self._call(calls.change_webhook_endpoint(endpoint_id, changes))

    async def delete_webhook_endpoint(self, endpoint_id: str) -> None:
        await self._call(calls.delete_webhook_endpoint(endpoint_id))

    async def rotate_webhook_secret(self, endpoint_id: str) -> models.RotatedSecret:
        return await self._call(calls.rotate_webhook_secret(endpoint_id))

    async def send_test_event(self, endpoint_id: str) -> models.Delivery:
        return await self._call(calls.send_test_event(endpoint_id))

    def webhook_deliveries(
        self, endpoint_id: str, *, status: str | None = None
    ) -> AsyncGenerator[models.Delivery, None]:
        return self._every(lambda cursor: calls.webhook_deliveries(endpoint_id, cursor, sending.PAGE, status))

    async def rotate_callback_secret(self) -> models.RotatedSecret:
        return await self._call(calls.rotate_callback_secret())

    def callback_deliveries(self, *, status: str | None = None) -> AsyncGenerator[models.Delivery, None]:
        return self._every(lambda cursor: calls.callback_deliveries(cursor, sending.PAGE, status))

    async def redeliver(self, delivery_id: str) -> models.Delivery:
        return await self._call(calls.redeliver(delivery_id))

    async def redeliver_events(
        self, endpoint_id: str, *, from_sequence: int | None = None, to_sequence: int | None = None
    ) -> int:
        return (await self._call(calls.redeliver_events(endpoint_id, from_sequence, to_sequence))).deliveries

    async def event_topics(self) -> list[models.EventTopic]:
        return (await self._call(calls.event_topics())).items

    async def create_event_topic(self) -> models.MadeEventTopic:
        return await self._call(calls.create_event_topic())

    async def delete_event_topic(self, topic_id: str) -> None:
        await self._call(calls.delete_event_topic(topic_id))

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> Any:
        return await self._call(calls.any_call(method, path, query, body, idempotency_key))

    async def _call(self, call: calls.Call[T]) -> T:
        return await self._runner.run(sending.send(call, self.patience_seconds))

    def _every(self, page: Callable[[str | None], calls.Call[models.Page[T]]]) -> AsyncGenerator[T, None]:
        return self._runner.iterate(sending.every(page, self.patience_seconds))


def one_file(song: str | Path) -> Path:
    """Raises FileNotFoundError, IsADirectoryError."""
    path = Path(song)
    if path.is_dir():
        raise IsADirectoryError(21, "It is a folder: separate_folder takes one", str(path))
    return path
