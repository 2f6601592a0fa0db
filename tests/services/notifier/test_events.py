"""What becomes a public event, and under which number."""

import threading

import pytest

from services.kit.database import Database
from services.kit.events.errors import InvalidMessage
from services.kit.protos import billing_pb2, uploads_pb2
from services.notifier.consumers import recording
from services.notifier.deliveries.queue import DeliveryQueue
from services.notifier.events.feed import Feed
from services.notifier.events.pruning import Pruner
from services.notifier.events.readers import Readers
from services.notifier.events.recorder import Recorder
from services.notifier.models import Base
from services.notifier.settings import Settings
from tests.databases import PATIENCE_SECONDS, not_waiting_for_the_disk
from tests.erasing import counts_of, everything_in, hear, publish, receipts
from tests.ids import numbered
from tests.services.notifier.conftest import ADA, BEGIN, BOB, Notifier, heard, job_event, told

JOB = numbered("job", 1)


def test_a_job_is_told_with_all_that_a_partner_accounts_for(notifier: Notifier) -> None:
    notifier.hear(job_event("succeeded", JOB, retry_of=numbered("job", 9)))

    [event] = notifier.feed()
    assert event["id"].startswith("evt_")
    assert (event["type"], event["sequence"], event["occurred_at"]) == ("job.succeeded", 1, "2026-11-20T12:00:00Z")
    job = event["data"]["job"]
    assert job["model"]["name"] == "spleeter-2stems"
    assert (job["audio_seconds"], job["price_credits"]) == (180.5, 181)
    assert (job["retry_of"], job["metadata"]) == (numbered("job", 9), {"song": "7"})
    assert job["link"] == f"/v1/jobs/{JOB}"
    assert not job.keys() & {"account_id", "attempt"}


def test_each_kind_of_news_has_its_event(notifier: Notifier) -> None:
    notifier.hear(
        told(uploads_pb2.UploadReady),
        told(uploads_pb2.UploadRejected, upload_id=numbered("upl", 2)),
        *(job_event(kind, JOB) for kind in ("queued", "started", "failed", "deleted")),
        job_event("canceled", numbered("job", 2)),
        job_event("rejected", numbered("job", 3)),
        told(billing_pb2.PaymentSucceeded),
        told(billing_pb2.CreditsLow),
    )

    assert notifier.types() == [
        *("upload.ready", "upload.rejected", "job.queued", "job.started", "job.failed", "job.deleted"),
        *("job.canceled", "job.rejected", "payment.succeeded", "credits.low"),
    ]
    assert [event["sequence"] for event in notifier.feed()] == list(range(1, 11))


@pytest.mark.parametrize("complete", [True, False, None])
def test_a_song_that_ends_early_is_told_where_the_upload_service_tells_it(
    notifier: Notifier, complete: bool | None
) -> None:
    ready = told(uploads_pb2.UploadReady)
    assert isinstance(ready.data, uploads_pb2.UploadReady)
    ready.data.audio.ClearField("complete")
    if complete is not None:
        ready.data.audio.complete = complete
    notifier.hear(ready)

    [event] = notifier.feed()
    assert event["data"]["upload"]["audio"].get("complete") is complete


def test_what_is_told_again_is_no_news(notifier: Notifier) -> None:
    """Attempts, replays, answers to the questions of siblings."""
    low = heard(told(billing_pb2.CreditsLow))
    for _ in range(2):
        notifier.hear(
            told(uploads_pb2.UploadReady),
            *(job_event(kind, JOB) for kind in ("queued", "started", "queued", "started", "succeeded", "deleted")),
            told(billing_pb2.PaymentSucceeded),
            low,
        )
    notifier.hear(told(uploads_pb2.UploadRejected), job_event("failed", JOB), job_event("started", JOB))

    assert notifier.types() == [
        *("upload.ready", "job.queued", "job.started", "job.succeeded", "job.deleted"),
        *("payment.succeeded", "credits.low"),
    ]
    notifier.hear(told(billing_pb2.CreditsLow))
    assert notifier.types()[-2:] == ["credits.low", "credits.low"]


def test_a_job_that_ended_is_not_queued_any_more(notifier: Notifier) -> None:
    notifier.hear(job_event("succeeded", JOB), job_event("queued", JOB), job_event("canceled", JOB))

    assert notifier.types() == ["job.succeeded"]


def test_nobody_is_told_of_what_is_anothers(notifier: Notifier) -> None:
    notifier.hear(job_event("queued", JOB, account_id=BOB))

    with pytest.raises(InvalidMessage):
        notifier.hear(job_event("succeeded", JOB, account_id=ADA))

    assert notifier.types(ADA) == []
    assert notifier.types(BOB) == ["job.queued"]


def test_notes_that_would_make_an_event_too_large_stay_out(notifier: Notifier) -> None:
    notifier.hear(job_event("succeeded", JOB, metadata={f"note {n}": "音" * 500 for n in range(16)}))

    [event] = notifier.feed()
    assert event["data"]["job"]["metadata"] is None
    assert event["data"]["job"]["metadata_left_out"] is True


def test_what_was_noted_on_a_job_goes_with_the_job(notifier: Notifier) -> None:
    notifier.hear(job_event("succeeded", JOB, metadata={"song": "secret"}))
    notifier.hear(job_event("deleted", JOB, metadata=None))

    assert [event["data"]["job"]["metadata"] for event in notifier.feed()] == [None, None]
    assert "secret" not in everything_in(notifier.database, Base.metadata)


def test_events_are_kept_for_their_time_and_do_not_come_back(notifier: Notifier, settings: Settings) -> None:
    old = job_event("succeeded", JOB)
    notifier.hear(old)
    notifier.clock.advance(days=settings.events_kept_days, seconds=1)
    notifier.hear(job_event("succeeded", numbered("job", 2), at=notifier.clock.now))

    Pruner(notifier.database, kept=settings.events_kept).prune()
    notifier.hear(old)

    page = notifier.get("/v1/events")
    assert [event["sequence"] for event in page["items"]] == [2]
    assert (page["oldest_sequence"], page["next_after"]) == (2, 2)


def test_of_events_that_nobody_reads_the_newest_are_kept(
    notifier: Notifier, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.notifier.events.pruning.MOST_UNREAD", 3)
    nobody, reader, hooked, called, topical = (numbered("usr", number) for number in range(11, 16))
    notifier.feed(reader)
    notifier.call("POST", "/v1/webhook-endpoints", hooked, json={"url": "https://hooks.example.com/"}, status=201)
    notifier.call("POST", "/v1/callbacks/rotate-secret", called)
    notifier.call("POST", "/v1/event-topics", topical, status=201)
    accounts = (nobody, reader, hooked, called, topical)

    def kept() -> list[list[int]]:
        Pruner(notifier.database, kept=settings.events_kept).prune()
        return [
            [event["sequence"] for event in notifier.get("/internal/events", account)["items"]] for account in accounts
        ]

    for number, account in enumerate(accounts):
        notifier.hear(
            *(job_event("rejected", numbered("job", 10 * number + job), account_id=account) for job in range(5))
        )
    assert kept() == [[3, 4, 5], *[[1, 2, 3, 4, 5]] * 4]

    # Who has not read for as long as anything is kept reads no more.
    notifier.clock.advance(days=settings.events_kept_days, seconds=1)
    for number, account in enumerate(accounts):
        later = (
            job_event("rejected", numbered("job", 100 + 10 * number + job), account_id=account, at=notifier.clock.now)
            for job in range(4)
        )
        notifier.hear(*later)
    assert kept() == [[7, 8, 9], [7, 8, 9], *[[6, 7, 8, 9]] * 3]
    assert [event["sequence"] for event in notifier.feed(reader)] == [7, 8, 9]


def test_an_erased_account_leaves_nothing_and_hears_nothing(notifier: Notifier) -> None:
    notifier.hear(job_event("queued", JOB), job_event("queued", numbered("job", 2), account_id=BOB))

    notifier.call("POST", "/v1/webhook-endpoints", json={"url": "https://ada.example.com/hook"}, status=201)
    notifier.hear(job_event("started", JOB))
    hear(notifier.eraser, ADA)
    publish(notifier.database)
    assert notifier.eraser.erase()
    notifier.hear(job_event("canceled", JOB))

    [receipt] = receipts(notifier.database)
    assert (receipt.service, counts_of(receipt)) == ("notifier", {"events": 2, "webhook_endpoints": 1})
    assert notifier.types(ADA) == []
    assert notifier.types(BOB) == ["job.queued"]
    assert JOB not in everything_in(notifier.database, Base.metadata)
    assert "ada.example.com" not in everything_in(notifier.database, Base.metadata)


def test_numbers_have_no_gap_for_whoever_reads_while_two_notifiers_write(
    notifier: Notifier, settings: Settings
) -> None:
    jobs, writers = 25, 4
    twin = not_waiting_for_the_disk(Database(notifier.database.url, "notifier", clock=lambda: BEGIN))
    stop = threading.Event()
    seen: list[int] = []
    faults: list[Exception] = []

    def write(number: int) -> None:
        # Each pair hears the same: what belongs to one partition, before and after a rebalance.
        database = twin if number % 2 else notifier.database
        queue = DeliveryQueue(database, notifier.endpoints, lease=settings.webhook_lease)
        handle = recording(database, Recorder(Readers(settings), queue, kept=settings.events_kept))["job.queued"]
        try:
            for job in range(jobs):
                handle(heard(job_event("queued", numbered("job", 1000 * (number // 2) + job))))
        except Exception as error:  # noqa: BLE001 - told by the test
            faults.append(error)

    def read() -> None:
        feed, after = Feed(twin, Readers(settings), poll_seconds=1), 0
        while True:
            # Before it looks: what comes after that is seen at the next look.
            stopping = stop.is_set()
            page = feed.page(ADA, after=after, types=(), limit=7)
            seen.extend(event.sequence for event in page.items)
            after = page.next_after
            if stopping and not page.items:
                return

    reader = threading.Thread(target=read)
    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    for thread in (reader, *threads):
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    stop.set()
    reader.join(PATIENCE_SECONDS)
    twin.close()

    assert not faults
    assert seen == list(range(1, jobs * writers // 2 + 1))
