"""Every metric that the platform exports: the closed list, and `docs/metrics.md`, which is made from it.

`python -m services.metrics` writes the document. A metric that is not here, has another type or other labels, or a
label whose values nobody has listed, fails a test.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

FILE = Path(__file__).parents[1] / "docs" / "metrics.md"
PREFIX = "stemwright_"

Kind = Literal["counter", "gauge", "histogram"]
DATABASE = ("accounts", "upload", "orchestrator", "notifier")
EVERY = ("gateway", *DATABASE, "worker")


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric as Prometheus sees it."""

    name: str
    kind: Kind
    services: tuple[str, ...]
    meaning: str
    labels: tuple[str, ...] = ()
    shared: bool = False
    """Every replica tells the same, of the database or the event log that they share: `max` over them, never `sum`."""
    steady: float | None = None
    """What it should stay at; another value, or a growing counter, is worth an alert."""


METRICS = (
    Metric("stemwright_build_info", "gauge", EVERY, "1, of the version that runs", ("version",)),
    Metric("stemwright_http_requests_total", "counter", EVERY, "requests answered", ("method", "route", "status")),
    Metric(
        "stemwright_http_request_seconds",
        "histogram",
        EVERY,
        "seconds from a request to the end of its answer",
        ("method", "route"),
    ),
    Metric(
        "stemwright_upstream_errors_total",
        "counter",
        ("gateway",),
        "requests that a service behind the gateway did not answer, and why; what it answered 5xx is counted by itself",
        ("upstream", "code"),
    ),
    Metric(
        "stemwright_events_handled_total",
        "counter",
        EVERY,
        "records read from the event log; `failed` and `dead` should stay 0",
        ("consumer", "topic", "outcome"),
    ),
    Metric(
        "stemwright_consumer_lag_records",
        "gauge",
        EVERY,
        "records in the partitions that this process reads, which are not handled yet; none while it has no connection",
        ("consumer", "topic"),
    ),
    Metric("stemwright_outbox_published_total", "counter", DATABASE, "events handed to the event log", ("topic",)),
    Metric(
        "stemwright_outbox_oldest_unpublished_seconds",
        "gauge",
        DATABASE,
        "age of the oldest event that waits; grows while the event log is away",
        shared=True,
    ),
    Metric(
        "stemwright_outbox_refused_total",
        "counter",
        DATABASE,
        "events that the event log will never take",
        ("topic",),
        steady=0,
    ),
    Metric(
        "stemwright_rounds_failed_total",
        "counter",
        DATABASE,
        "rounds of background tasks that ended in a defect",
        ("task",),
        steady=0,
    ),
    Metric(
        "stemwright_leads",
        "gauge",
        DATABASE,
        "1 while this process sweeps and tidies for its service; the sum over replicas is 1",
    ),
    Metric(
        "stemwright_database_connections",
        "gauge",
        DATABASE,
        "connections of this process to its database, by what they do",
        ("state",),
    ),
    Metric(
        "stemwright_database_connections_limit", "gauge", DATABASE, "connections that this process may have at most"
    ),
    Metric(
        "stemwright_erasures_failed_total",
        "counter",
        ("upload", "orchestrator", "notifier"),
        "rounds in which an account could not be forgotten further",
        steady=0,
    ),
    Metric(
        "stemwright_accounts_sign_ins_total",
        "counter",
        ("accounts",),
        "requests for a token by password",
        ("outcome",),
    ),
    Metric(
        "stemwright_accounts_refreshes_total",
        "counter",
        ("accounts",),
        "requests for a token by refresh token",
        ("outcome",),
    ),
    Metric(
        "stemwright_accounts_reservation_answers_total",
        "counter",
        ("accounts",),
        "what became of requests to hold credits",
        ("answer",),
    ),
    Metric(
        "stemwright_accounts_unpaid_jobs_total",
        "counter",
        ("accounts",),
        "jobs that succeeded although nothing could be charged",
        steady=0,
    ),
    Metric(
        "stemwright_accounts_erasures_unfinished",
        "gauge",
        ("accounts",),
        "accounts that are closed and not yet forgotten by every service; back at 0 after seconds",
        shared=True,
    ),
    Metric(
        "stemwright_accounts_ledger_faults",
        "gauge",
        ("accounts",),
        "what the last check of the books found wrong; worth waking somebody",
        ("check",),
        steady=0,
    ),
    Metric(
        "stemwright_accounts_ledger_checked_timestamp_seconds",
        "gauge",
        ("accounts",),
        "when this process last checked the books; the youngest of all replicas is not older than a day",
    ),
    Metric(
        "stemwright_accounts_ledger_conflicts_total",
        "counter",
        ("accounts",),
        "movements that were told again with another amount or account; nothing was moved",
        ("kind",),
        steady=0,
    ),
    Metric(
        "stemwright_accounts_comparisons_put_off_total",
        "counter",
        ("accounts",),
        "comparisons of the books with the payment provider that were put off for an hour: it did not answer",
    ),
    Metric("stemwright_accounts_payments_total", "counter", ("accounts",), "payments that were granted", ("provider",)),
    Metric(
        "stemwright_accounts_payments_refused_total",
        "counter",
        ("accounts",),
        "paid sessions that were not what was ordered",
        ("provider",),
        steady=0,
    ),
    Metric("stemwright_accounts_payments_returned_total", "counter", ("accounts",), "refunds and disputes", ("kind",)),
    Metric(
        "stemwright_accounts_provider_events_total",
        "counter",
        ("accounts",),
        "webhooks of payment providers",
        ("type", "outcome"),
    ),
    Metric(
        "stemwright_accounts_subscriptions_refused_total",
        "counter",
        ("accounts",),
        "subscriptions and invoices that nobody here has ordered",
        steady=0,
    ),
    Metric(
        "stemwright_accounts_second_subscriptions_total",
        "counter",
        ("accounts",),
        "plans that began while their account paid for another one",
        steady=0,
    ),
    Metric("stemwright_accounts_mails_total", "counter", ("accounts",), "attempts to send a mail", ("outcome",)),
    Metric(
        "stemwright_accounts_oldest_mail_seconds",
        "gauge",
        ("accounts",),
        "age of the mail that waits for longest; grows while mails do not leave",
        shared=True,
    ),
    Metric("stemwright_upload_verdicts_total", "counter", ("upload",), "files checked, by verdict", ("code",)),
    Metric("stemwright_upload_check_seconds", "histogram", ("upload",), "seconds from a file's turn to its verdict"),
    Metric(
        "stemwright_upload_fetches_total",
        "counter",
        ("upload",),
        "files from addresses: `fetched`, or the code of what kept them away",
        ("code",),
    ),
    Metric("stemwright_upload_fetched_bytes_total", "counter", ("upload",), "bytes of files that were fetched"),
    Metric("stemwright_webhook_tries_total", "counter", ("notifier",), "tries to deliver a webhook", ("outcome",)),
    Metric(
        "stemwright_outstanding_audio_seconds",
        "gauge",
        ("orchestrator",),
        "seconds of music that are still to be separated: all of what is queued, and of what runs the part that is "
        "left; **the number to scale workers by**",
        ("model", "tier"),
        shared=True,
    ),
    Metric(
        "stemwright_outstanding_measured_timestamp_seconds",
        "gauge",
        ("orchestrator",),
        "when that was computed: at this reading, or while the database is away at the last one that it answered",
        shared=True,
    ),
    Metric(
        "stemwright_queue_audio_seconds",
        "gauge",
        ("orchestrator",),
        "seconds of music that wait for a worker",
        ("tier",),
        shared=True,
    ),
    Metric(
        "stemwright_queue_oldest_seconds",
        "gauge",
        ("orchestrator",),
        "how long the first in the queue has waited; of `relaxed` work it may be hours",
        ("tier",),
        shared=True,
    ),
    Metric("stemwright_jobs_open", "gauge", ("orchestrator",), "jobs that have not ended", ("status",), shared=True),
    Metric("stemwright_workers", "gauge", ("orchestrator",), "workers that are heard", ("state",), shared=True),
    Metric(
        "stemwright_slots",
        "gauge",
        ("orchestrator",),
        "songs that the workers that take work can separate at a time; one that serves two models counts for both",
        ("model",),
        shared=True,
    ),
    Metric("stemwright_slots_free", "gauge", ("orchestrator",), "those of them that are free", ("model",), shared=True),
    Metric(
        "stemwright_job_start_seconds",
        "histogram",
        ("orchestrator",),
        "seconds from a job's place in the queue to the first worker that was given it",
        ("mode", "tier"),
    ),
    Metric(
        "stemwright_job_seconds",
        "histogram",
        ("orchestrator",),
        "seconds from an order to its end",
        ("mode", "tier", "status"),
    ),
    Metric(
        "stemwright_jobs_ended_total",
        "counter",
        ("orchestrator",),
        "jobs that ended, by how and why",
        ("status", "code"),
    ),
    Metric(
        "stemwright_attempts_ended_total",
        "counter",
        ("orchestrator",),
        "attempts at jobs; those lost with a worker are tried again",
        ("outcome",),
    ),
    Metric(
        "stemwright_placements_failed_total",
        "counter",
        ("orchestrator",),
        "placements that ended in a defect",
        steady=0,
    ),
    Metric(
        "stemwright_sweeps_failed_total",
        "counter",
        ("orchestrator",),
        "jobs that could not be seen to",
        steady=0,
    ),
    Metric(
        "stemwright_batch_sweeps_failed_total",
        "counter",
        ("orchestrator",),
        "batches that could not be seen to",
        steady=0,
    ),
    Metric("stemwright_worker_busy_slots", "gauge", ("worker",), "songs in work now"),
    Metric("stemwright_worker_attempts_total", "counter", ("worker",), "attempts ended, by how", ("outcome",)),
    Metric(
        "stemwright_worker_assignments_total",
        "counter",
        ("worker",),
        "assignments read, by what was done with them",
        ("decision",),
    ),
    Metric("stemwright_worker_stage_seconds", "histogram", ("worker",), "seconds of an attempt by stage", ("stage",)),
    Metric(
        "stemwright_worker_audio_seconds_total",
        "counter",
        ("worker",),
        "seconds of music in the results of attempts; over the sum of the stage `total`, the speed of a slot",
    ),
    Metric(
        "stemwright_worker_store_ready",
        "gauge",
        ("worker",),
        "0 from an attempt that the object store failed on until it answers again: no songs come meanwhile",
        steady=1,
    ),
    Metric(
        "stemwright_worker_inference_ready",
        "gauge",
        ("worker",),
        "1 while every model has answered its canary rightly, else 0",
        steady=1,
    ),
    Metric(
        "stemwright_worker_inference_runtime", "gauge", ("worker",), "1 for what computes a model", ("model", "runtime")
    ),
    Metric(
        "stemwright_worker_inference_runtime_passed_over",
        "gauge",
        ("worker",),
        "1 for what was tried first and gave wrong answers here",
        ("model", "runtime"),
        steady=0,
    ),
    Metric(
        "stemwright_worker_inference_calls_total",
        "counter",
        ("worker",),
        "with Triton: patches sent, by how each ended",
        ("outcome",),
    ),
    Metric(
        "stemwright_worker_inference_seconds",
        "histogram",
        ("worker",),
        "with Triton: seconds from a patch's sending to its answer",
    ),
    Metric("stemwright_worker_inference_in_flight", "gauge", ("worker",), "with Triton: patches at the server now"),
    Metric(
        "stemwright_canary_songs_total",
        "counter",
        ("canary",),
        "songs of the platform's own that were sent through: `succeeded`, or the step that failed",
        ("outcome",),
    ),
    Metric("stemwright_canary_seconds", "histogram", ("canary",), "seconds that songs took which came back whole"),
    Metric(
        "stemwright_canary_succeeded_timestamp_seconds",
        "gauge",
        ("canary",),
        "when a song last came back whole; 0 until the first that did for this process",
    ),
    Metric(
        "stemwright_canary_interval_seconds",
        "gauge",
        ("canary",),
        "from the beginning of one song to that of the next, by setting",
    ),
)

LABELS = {
    "answer": "what accounts said of a hold",
    "check": "checks of the books, by name",
    "code": "why, by the code that problems have in the API; empty for a job that succeeded",
    "consumer": "services, by name",
    "decision": "`taken` and the reasons not to take an assignment",
    "kind": "kinds of movements",
    "method": "methods of HTTP that the API has; `other` for all else",
    "mode": "`preview`, `full`",
    "model": "models that workers serve or jobs name, a handful",
    "outcome": "how it ended, a handful for each metric",
    "provider": "providers of payments, by name",
    "route": "routes by their templates, so that no id is in one; `unmatched` for all else",
    "runtime": "what computes networks, by name",
    "stage": "`download`, `engine`, `upload`, `total`",
    "state": "of workers `live`, `draining`, `drained`, `stopping`, `passed_over`; of connections `in_use`, `free`",
    "status": "of jobs their status; of requests the status of HTTP",
    "task": "background tasks, by name",
    "tier": "`fast`, `relaxed`",
    "topic": "topics of the event log that are ours; no partner's",
    "type": "types of a provider's webhooks that are handled; `other` for all else",
    "upstream": "services behind the gateway, by name",
    "version": "the version of Stemwright",
}
"""Every label, and what bounds its values."""

INTRODUCTION = """\
# Metrics

Made from the list in `services/metrics.py` by `python -m services.metrics`; a test compares it with what the services
export.

Every process answers `/metrics` in the format of Prometheus: on `STEMWRIGHT_ADMIN_PORT` where it is set, else on its
own port (the gateway, whose port is public, on the admin port alone). Times are in seconds, moments in seconds since
1970. A metric with labels has no value until there is something to count; what an alert is about from the first
count on begins at 0, for nobody sees a counter grow that begins at 1. Besides those below there are `process_*` and
`python_*` of the Prometheus client: memory, processor time, open files.

**How replicas add up.** Counters and histograms are of one process: `sum` over them. A gauge marked *shared* tells what
all replicas of a service share, read from their database when the metrics are read: each says the same, so `max` over
them, never `sum`. While the database is away, or does not answer within three seconds, such a gauge has no value
(without labels: NaN) rather than the last one, so an alert on it is silent and an autoscaler keeps what it has;
`stemwright_outstanding_measured_timestamp_seconds` says since when.
"""


def document() -> str:
    """The text of `docs/metrics.md`."""
    lines = [INTRODUCTION]
    for heading, services in _groups():
        lines += [f"## {heading}", "", "| metric | kind | labels | what it tells |", "| --- | --- | --- | --- |"]
        lines += [_row(metric) for metric in METRICS if metric.services == services]
        lines.append("")
    lines += ["## Labels", "", "| label | its values |", "| --- | --- |"]
    lines += [f"| `{label}` | {values} |" for label, values in LABELS.items()]
    return "\n".join(lines) + "\n"


def _groups() -> list[tuple[str, tuple[str, ...]]]:
    found = dict.fromkeys(metric.services for metric in METRICS)
    titles = {EVERY: "Every process", DATABASE: "What keeps a database (" + ", ".join(DATABASE) + ")"}
    return [(titles.get(services, ", ".join(services).capitalize()), services) for services in found]


def _row(metric: Metric) -> str:
    kind = f"{metric.kind}, *shared*" if metric.shared else metric.kind
    steady = "" if metric.steady is None else f"; should stay {metric.steady:g}"
    labels = ", ".join(metric.labels)
    return f"| `{metric.name}` | {kind} | {labels} | {metric.meaning}{steady} |"


def main() -> None:
    """Writes the file."""
    FILE.write_text(document(), encoding="utf-8")


if __name__ == "__main__":
    main()
