"""The client."""

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx2
from anyio.from_thread import start_blocking_portal

from stemwright_client import calls, models, transport
from stemwright_client.async_client import AsyncClient, OnOutcome, one_file
from stemwright_client.connection import PATIENCE_SECONDS, Connection
from stemwright_client.flows import batches, downloads, feed, jobs, sending, uploads
from stemwright_client.flows import songs as song_flows
from stemwright_client.flows.songs import Separation
from stemwright_client.orders import Order, key_of
from stemwright_client.progress import OnProgress, report_of
from stemwright_client.record import Place
from stemwright_client.run import Runner
from stemwright_client.songs import Outcome, places_of
from stemwright_client.sse import StreamEvent

T = TypeVar("T")


class Client:
    """One account's view of the platform. May be shared between threads; close it, or use it as a context manager.

    Args:
        api_key: or an access token; by default `STEMWRIGHT_API_KEY`.
        url: of the platform; by default `STEMWRIGHT_URL`, else this machine.
        patience_seconds: what passes by itself (no answer, 429, 503 ...) is tried again for so long, where that can do
            no harm: with the same idempotency key, after `Retry-After` or growing pauses.

    Every method raises ApiError (by status one of its kinds), ConnectionFailed, or UnexpectedAnswer where the address
    is no platform's; each has a `code`. Raises NoKey, NoAddress, EnvironmentUnusable.
    """

    def __init__(
        self,
        api_key: str | None = None,
        url: str | None = None,
        *,
        patience_seconds: float = PATIENCE_SECONDS,
        http: httpx2.Client | None = None,
    ) -> None:
        self.connection = Connection.of(api_key, url)
        self.patience_seconds = patience_seconds
        self._own = http is None
        self._runner = Runner(self.connection, http or transport.made(httpx2.Client, self.connection.url))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._own:
            self._runner.http.close()

    def separate(
        self,
        song: str | Path,
        output: str | Path,
        order: Order | None = None,
        *,
        on_progress: OnProgress | None = None,
    ) -> Separation:
        """The stems of a song as files in `output/<name of the song>/`, with `separation.json` beside them.

        Uploads, orders, waits, downloads and checks. Run again after it was stopped, whenever that is, it goes on where
        it was and pays nothing twice; where the stems are there and right it asks for the job and is done.

        Raises:
            UploadRejected: the file is no song that can be separated.
            InsufficientCredits: the account has too few.
            JobFailed: the job ended otherwise. Run it again to order it anew.
            DownloadDamaged: a stem came otherwise than it was made.
            ApiError, StoreError, ConnectionFailed: what did not pass within the client's patience.
            OSError: a file cannot be read or written.
        """
        (place,) = places_of([one_file(song)], output)
        return self._separated(place, order or Order(), on_progress)

    def separate_folder(
        self,
        folder: str | Path,
        output: str | Path,
        order: Order | None = None,
        *,
        parallel: int = 4,
        on_progress: OnProgress | None = None,
        on_outcome: OnOutcome | None = None,
    ) -> list[Outcome]:
        """`separate_many` of the songs in a folder, at any depth; `output` gets the same structure."""
        return self.separate_many(
            [folder], output, order, parallel=parallel, on_progress=on_progress, on_outcome=on_outcome
        )

    def separate_many(
        self,
        songs: Iterable[str | Path],
        output: str | Path,
        order: Order | None = None,
        *,
        parallel: int = 4,
        on_progress: OnProgress | None = None,
        on_outcome: OnOutcome | None = None,
    ) -> list[Outcome]:
        """Files and folders, `parallel` songs at a time; what became of each, in the order of their paths.

        A song that fails is an `Outcome` and stops no other. Killed and run again it goes on, as `separate` does; what
        came in addition is separated too. `on_progress` and `on_outcome` are called in another thread.

        Raises:
            Unauthorized, Forbidden: for all songs alike.
            FileNotFoundError: one of those named is not there; nothing was begun.
        """
        with start_blocking_portal() as portal:
            running = portal.start_task_soon(self._many, list(songs), output, order, parallel, on_progress, on_outcome)
            try:
                return running.result()
            except BaseException:
                running.cancel()
                raise

    async def _many(
        self,
        songs: Sequence[str | Path],
        output: str | Path,
        order: Order | None,
        parallel: int,
        on_progress: OnProgress | None,
        on_outcome: OnOutcome | None,
    ) -> list[Outcome]:
        key, url = self.connection.key, self.connection.url
        async with AsyncClient(key, url, patience_seconds=self.patience_seconds) as client:
            return await client.separate_many(
                songs, output, order, parallel=parallel, on_progress=on_progress, on_outcome=on_outcome
            )

    def _separated(self, place: Place, order: Order, on_progress: OnProgress | None) -> Separation:
        report = report_of(place.song, on_progress)
        return self._runner.run(song_flows.separate(place, order, report, self.patience_seconds))

    def upload(self, song: str | Path, *, on_progress: OnProgress | None = None) -> models.Upload:
        """Sends a file, in parts, and blocks until the platform has checked it: the upload, `ready`.

        Sent again it is the same upload, with what is still missing of it. Raises UploadRejected.
        """
        path = Path(song)
        return self._runner.run(uploads.upload(path, report_of(path, on_progress), self.patience_seconds))

    def upload_url(self, source_url: str, *, filename: str | None = None) -> models.Upload:
        """Has the platform fetch a file and blocks until it is checked: the upload, `ready`.

        Raises:
            UploadRejected: also where the file could not be fetched; its `code` begins with `source_` then.
        """
        return self._runner.run(uploads.upload_url(source_url, filename, self.patience_seconds))

    def get_upload(self, upload_id: str) -> models.Upload:
        return self._call(calls.upload(upload_id))

    def uploads(self) -> Iterator[models.Upload]:
        return self._every(lambda cursor: calls.uploads(cursor, sending.PAGE))

    def delete_upload(self, upload_id: str) -> None:
        self._call(calls.delete_upload(upload_id))

    def quote(self, upload_id: str, order: Order | None = None) -> models.Quote:
        """What an order would cost, exactly, until the quote expires."""
        return self._call(calls.create_quote(upload_id, order or Order()))

    def create_job(
        self, upload_id: str, order: Order | None = None, *, idempotency_key: str | None = None
    ) -> models.Job:
        """Orders a job. Without a key of its own the same order is the same job, within 24 hours.

        Raises:
            InsufficientCredits: nothing was ordered.
        """
        wanted = order or Order()
        key = idempotency_key or key_of("job", wanted.body(upload_id))
        return self._call(calls.create_job(upload_id, wanted, key))

    def get_job(self, job_id: str) -> models.Job:
        return self._call(calls.job(job_id))

    def jobs(self, *, status: str | None = None, search: str | None = None) -> Iterator[models.ListedJob]:
        """The account's jobs, the newest first; `search` is a part of the name of the song's file."""
        return self._every(lambda cursor: calls.jobs(cursor, sending.PAGE, status, search))

    def job_events(self, job_id: str, *, last_event_id: str | None = None) -> Iterator[StreamEvent]:
        """What happens to a job as it happens, until it has ended. A stream that breaks is opened again."""
        return self._runner.iterate(jobs.job_events(job_id, last_event_id, self.patience_seconds))

    def wait(
        self, job_id: str, *, timeout_seconds: float | None = None, on_progress: OnProgress | None = None
    ) -> models.Job:
        """Blocks until the job has ended, however it did: by its stream, or by asking where none comes through.

        Raises:
            WaitExpired: it has not, and the time is up.
        """
        job = self.get_job(job_id)
        report = report_of(Path(job_id), on_progress)
        return self._runner.run(jobs.wait(job, report, self.patience_seconds, timeout_seconds))

    def cancel_job(self, job_id: str) -> models.Job:
        return self._call(calls.cancel_job(job_id))

    def retry_job(self, job_id: str) -> models.Job:
        return self._call(calls.retry_job(job_id, key_of("retry", job_id)))

    def delete_job(self, job_id: str) -> None:
        self._call(calls.delete_job(job_id))

    def download(
        self, job: models.Job | str, folder: str | Path, *, on_progress: OnProgress | None = None
    ) -> dict[str, Path]:
        """The stems of a job that succeeded, `folder/<stem>.<format>`, each whole and with the right SHA-256."""
        known = self.get_job(job) if isinstance(job, str) else job
        report = report_of(Path(known.id), on_progress)
        return self._runner.run(downloads.download(known, Path(folder), report, self.patience_seconds))

    def create_batch(
        self,
        songs: Sequence[str | Mapping[str, Any]],
        order: Order | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> models.Batch:
        """Orders up to 1,000 songs as one, all or none: uploads' ids, or `{"upload_id": ..., "stems": ...}`, or
        `{"source_url": ...}` of one that the platform fetches.

        Without a key of yours the same songs under the same order are the same batch, within 24 hours.
        """
        wanted = order or Order()
        key = idempotency_key or key_of("batch", wanted.batch(songs))
        return self._call(calls.create_batch(songs, wanted, key))

    def get_batch(self, batch_id: str) -> models.Batch:
        return self._call(calls.batch(batch_id))

    def batches(self) -> Iterator[models.Batch]:
        return self._every(lambda cursor: calls.batches(cursor, sending.PAGE))

    def batch_jobs(self, batch_id: str) -> Iterator[models.ListedJob]:
        """The jobs of its songs, in the order in which these were named."""
        return self._every(lambda cursor: calls.batch_jobs(batch_id, cursor, sending.PAGE))

    def wait_for_batch(self, batch_id: str, *, timeout_seconds: float | None = None) -> models.Batch:
        """Blocks until its last song has ended, however that did. Raises WaitExpired."""
        return self._runner.run(batches.wait(batch_id, self.patience_seconds, timeout_seconds))

    def cancel_batch(self, batch_id: str) -> models.Batch:
        return self._call(calls.cancel_batch(batch_id))

    def balance(self) -> models.Balance:
        return self._call(calls.balance())

    def events(
        self, after: int | None = None, *, types: Sequence[str] = (), follow: bool = False
    ) -> Iterator[models.Event]:
        """What happened to the account after a number, in order; `follow` waits for more, for ever.

        Keep `event.sequence` when you are done with an event: it is the `after` of your next start. Raises EventsMissed
        where you were away for longer than events are kept.
        """
        return self._runner.iterate(feed.events(after, types, self.patience_seconds, follow=follow))

    def event_page(
        self, after: int | None = None, *, types: Sequence[str] = (), wait_seconds: int = 0, limit: int = 100
    ) -> models.EventPage:
        """One page of the feed; `next_after` is the `after` of the next."""
        return self._call(calls.events(after, types, wait_seconds, limit))

    def webhook_endpoints(self) -> Iterator[models.WebhookEndpoint]:
        return self._every(lambda cursor: calls.webhook_endpoints(cursor, sending.PAGE))

    def create_webhook_endpoint(
        self, url: str, event_types: Sequence[str] = (), *, description: str | None = None
    ) -> models.MadeWebhookEndpoint:
        """The endpoint with its secret, told this once. No types means all, those to come included."""
        return self._call(calls.create_webhook_endpoint(url, event_types, description, uuid.uuid4().hex))

    def change_webhook_endpoint(self, endpoint_id: str, **changes: Any) -> models.WebhookEndpoint:
        """`url`, `event_types`, `description`, `enabled`."""
        return self._call(calls.change_webhook_endpoint(endpoint_id, changes))

    def delete_webhook_endpoint(self, endpoint_id: str) -> None:
        self._call(calls.delete_webhook_endpoint(endpoint_id))

    def rotate_webhook_secret(self, endpoint_id: str) -> models.RotatedSecret:
        """A new secret; for 24 hours both sign."""
        return self._call(calls.rotate_webhook_secret(endpoint_id))

    def send_test_event(self, endpoint_id: str) -> models.Delivery:
        return self._call(calls.send_test_event(endpoint_id))

    def webhook_deliveries(self, endpoint_id: str, *, status: str | None = None) -> Iterator[models.Delivery]:
        return self._every(lambda cursor: calls.webhook_deliveries(endpoint_id, cursor, sending.PAGE, status))

    def rotate_callback_secret(self) -> models.RotatedSecret:
        """The secret that signs what is sent to `callback_url`s; for 24 hours the one before signs too."""
        return self._call(calls.rotate_callback_secret())

    def callback_deliveries(self, *, status: str | None = None) -> Iterator[models.Delivery]:
        return self._every(lambda cursor: calls.callback_deliveries(cursor, sending.PAGE, status))

    def redeliver(self, delivery_id: str) -> models.Delivery:
        return self._call(calls.redeliver(delivery_id))

    def redeliver_events(
        self, endpoint_id: str, *, from_sequence: int | None = None, to_sequence: int | None = None
    ) -> int:
        """Sends again what was given up, or these events; how many."""
        return (self._call(calls.redeliver_events(endpoint_id, from_sequence, to_sequence))).deliveries

    def event_topics(self) -> list[models.EventTopic]:
        return (self._call(calls.event_topics())).items

    def create_event_topic(self) -> models.MadeEventTopic:
        """A Kafka topic of your own with the same events, where the operator allows it; its password is told once."""
        return self._call(calls.create_event_topic())

    def delete_event_topic(self, topic_id: str) -> None:
        self._call(calls.delete_event_topic(topic_id))

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> Any:
        """Any other call of the API: its answer as JSON. One with a body and no key is not sent twice."""
        return self._call(calls.any_call(method, path, query, body, idempotency_key))

    def _call(self, call: calls.Call[T]) -> T:
        return self._runner.run(sending.send(call, self.patience_seconds))

    def _every(self, page: Callable[[str | None], calls.Call[models.Page[T]]]) -> Iterator[T]:
        return self._runner.iterate(sending.every(page, self.patience_seconds))
