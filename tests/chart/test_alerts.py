"""Each alert fires on what it is about and on nothing else, by Prometheus's own tester, and leads to a runbook."""

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.metrics import METRICS
from tests.chart.rendering import CHART, ROOT, Object, of_kind

RULES = sorted((CHART / "files" / "rules").glob("*.yaml"))
DASHBOARDS = sorted((CHART / "files" / "dashboards").glob("*.json"))
RUNBOOKS = ROOT / "docs" / "runbooks.md"
PROMTOOL = shutil.which("promtool")


@dataclass(frozen=True)
class Case:
    """Series that make an alert fire at a time, and others, as like them as can be, that do not.

    Values are in the notation of promtool: `0+6x60` begins at 0 and grows by 6 a step, 60 times.
    """

    fires: dict[str, str]
    silent: dict[str, str]
    at: str = "30m"
    step: str = "1m"


def requests(status: str) -> str:
    return f'stemwright_http_requests_total{{namespace="music",service="gateway",status="{status}"}}'


def ended(status: str, code: str = "") -> str:
    return f'stemwright_jobs_ended_total{{namespace="music",status="{status}",code="{code}"}}'


def starts(suffix: str) -> str:
    return f'stemwright_job_start_seconds_{suffix},namespace="music",mode="full",tier="fast"}}'


def one(name: str, **labels: str) -> str:
    told = ",".join(f'{key}="{value}"' for key, value in {"namespace": "music", **labels}.items())
    return f"{name}{{{told}}}"


SOON, ALL = starts('bucket{le="60.0"'), starts('count{a=""').replace('a="",', "")
DAYS = {"at": "4d", "step": "20m"}
PRESENT = {one("stemwright_build_info", service=name): "1x60" for name in ("gateway", "accounts", "upload", "notifier")}
WAITING = {one("stemwright_outstanding_audio_seconds", model="m", tier="fast"): "900x60"}
EVERY_FIVE_MINUTES = {one("stemwright_canary_interval_seconds"): "300x60"}
NOTHING_WAITS = {one("stemwright_outstanding_audio_seconds", model="m", tier="fast"): "0x60"}


def counter(name: str, **labels: str) -> Case:
    """An alert on anything that is counted at all."""
    series = one(name, **labels)
    return Case({series: "0x25 1x30"}, {series: "7x60"})


def gauge(name: str, high: str, low: str, at: str = "30m", **labels: str) -> Case:
    series = one(name, **labels)
    return Case({series: f"{high}x400"}, {series: f"{low}x400"}, at=at)


CASES = {
    # 2 % of requests fail: 20 times the budget. 0.5 %: five times.
    "StemwrightApiErrorsFast": Case(
        {requests("200"): "0+98x120", requests("503"): "0+2x120"},
        {requests("200"): "0+995x120", requests("503"): "0+5x120"},
        at="100m",
    ),
    "StemwrightApiErrorsSlowly": Case(
        {requests("200"): "0+9980x300", requests("500"): "0+20x300"},
        {requests("200"): "0+9995x300", requests("500"): "0+5x300"},
        **DAYS,
    ),
    # A song that cannot be read is not our failure.
    "StemwrightJobsFailFast": Case(
        {ended("succeeded"): "0+9x120", ended("failed", "source_missing"): "0+1x120"},
        {ended("succeeded"): "0+9x120", ended("failed", "audio_undecodable"): "0+1x120"},
        at="100m",
    ),
    "StemwrightJobsFailSlowly": Case(
        {ended("succeeded"): "0+99x300", ended("failed", "no_space"): "0+1x300"},
        {ended("succeeded"): "0+999x300", ended("failed", "no_space"): "0+1x300"},
        **DAYS,
    ),
    "StemwrightSongsWaitFast": Case(
        {SOON: "0+2x120", ALL: "0+10x120"},
        {SOON: "0+9x120", ALL: "0+10x120"},
        at="100m",
    ),
    "StemwrightSongsWaitSlowly": Case(
        {SOON: "0+90x300", ALL: "0+100x300"},
        {SOON: "0+97x300", ALL: "0+100x300"},
        **DAYS,
    ),
    "StemwrightMissing": Case(PRESENT, {**PRESENT, one("stemwright_build_info", service="orchestrator"): "1x60"}),
    "StemwrightUpstreamErrors": Case(
        {one("stemwright_upstream_errors_total", upstream="upload", code="timeout"): "0+60x60"},
        {one("stemwright_upstream_errors_total", upstream="upload", code="timeout"): "0+1x60"},
    ),
    "StemwrightDatabaseConnectionsUsedUp": Case(
        {
            one("stemwright_database_connections", pod="a", state="in_use"): "12x60",
            one("stemwright_database_connections_limit", pod="a"): "12x60",
        },
        {
            one("stemwright_database_connections", pod="a", state="in_use"): "11x60",
            one("stemwright_database_connections", pod="a", state="free"): "12x60",
            one("stemwright_database_connections_limit", pod="a"): "12x60",
        },
    ),
    "StemwrightDefects": counter("stemwright_sweeps_failed_total"),
    "StemwrightNoLeader": Case(
        {one("stemwright_leads", service="upload", pod=pod): "0x60" for pod in "ab"},
        {one("stemwright_leads", service="upload", pod=pod): f"{int(pod == 'a')}x60" for pod in "ab"},
    ),
    # Each song comes back while the clock goes on; then none does.
    "StemwrightCanaryLost": Case(
        {one("stemwright_canary_succeeded_timestamp_seconds"): "0+60x5 300x55", **EVERY_FIVE_MINUTES},
        {one("stemwright_canary_succeeded_timestamp_seconds"): "0+60x20 1200x40", **EVERY_FIVE_MINUTES},
    ),
    "StemwrightCanaryMissing": Case({one("stemwright_canary_interval_seconds"): "300x10 stale"}, EVERY_FIVE_MINUTES),
    "StemwrightDatabaseAway": Case(
        {one("stemwright_outbox_oldest_unpublished_seconds", service="upload", pod=pod): "NaN " * 60 for pod in "ab"},
        {
            one("stemwright_outbox_oldest_unpublished_seconds", service="upload", pod="a"): "0x60",
            one("stemwright_outbox_oldest_unpublished_seconds", service="upload", pod="b"): "NaN " * 60,
        },
    ),
    "StemwrightConsumerBehind": Case(
        {one("stemwright_consumer_lag_records", consumer="notifier", topic="t"): "0+100x100"},
        {one("stemwright_consumer_lag_records", consumer="notifier", topic="t"): "500x25 0 500x25 0 500x50"},
        at="80m",
    ),
    "StemwrightOutboxStuck": gauge("stemwright_outbox_oldest_unpublished_seconds", "61", "59", service="upload"),
    "StemwrightOutboxRefused": counter("stemwright_outbox_refused_total", service="upload", topic="uploads.v1"),
    "StemwrightDeadLetters": Case(
        {one("stemwright_events_handled_total", consumer="accounts", topic="t", outcome="dead"): "0x25 1x30"},
        {one("stemwright_events_handled_total", consumer="accounts", topic="t", outcome="handled"): "0+5x60"},
    ),
    "StemwrightNoWorkers": Case(
        {
            **WAITING,
            one("stemwright_workers", state="draining"): "1x60",
            one("stemwright_workers", state="live"): "0x60",
        },
        {**WAITING, one("stemwright_workers", state="live"): "1x60"},
    ),
    # The series stands still while the clock goes on.
    "StemwrightOutstandingUnknown": Case(
        {one("stemwright_outstanding_measured_timestamp_seconds"): "1200x60"},
        {one("stemwright_outstanding_measured_timestamp_seconds"): "0+60x60"},
    ),
    "StemwrightWorkerNotReady": gauge("stemwright_worker_inference_ready", "0", "1", pod="a"),
    # One that answers between attempts and takes nothing is away too; one worker of two is no outage.
    "StemwrightStoreAway": Case(
        {one("stemwright_worker_store_ready", pod=pod): "0 0 1 0 0 0 1 0 0 0 1 0 0 0 1 0 0 0 1 0x40" for pod in "ab"},
        {one("stemwright_worker_store_ready", pod=pod): f"{int(pod == 'a')}x60" for pod in "ab"},
    ),
    "StemwrightSlowerRuntime": gauge(
        "stemwright_worker_inference_runtime_passed_over", "1", "0", model="m", runtime="winograd"
    ),
    "StemwrightAttemptsLost": Case(
        {one("stemwright_attempts_ended_total", outcome="lapsed"): "0+1x60"},
        {one("stemwright_attempts_ended_total", outcome="handed_back"): "0+1x60"},
    ),
    "StemwrightLedgerFault": gauge("stemwright_accounts_ledger_faults", "1", "0", check="sum"),
    "StemwrightLedgerUnchecked": Case(
        {one("stemwright_accounts_ledger_checked_timestamp_seconds", pod="a"): "0x350"},
        {
            one("stemwright_accounts_ledger_checked_timestamp_seconds", pod="a"): "0x350",
            one("stemwright_accounts_ledger_checked_timestamp_seconds", pod="b"): "0+1200x350",
        },
        **DAYS,
    ),
    "StemwrightUnpaidJobs": counter("stemwright_accounts_unpaid_jobs_total"),
    "StemwrightPaymentsRefused": counter("stemwright_accounts_payments_refused_total", provider="stripe"),
    "StemwrightLedgerConflicts": counter("stemwright_accounts_ledger_conflicts_total", kind="capture"),
    "StemwrightMailsStuck": gauge("stemwright_accounts_oldest_mail_seconds", "901", "899"),
    "StemwrightErasureUnfinished": gauge("stemwright_accounts_erasures_unfinished", "1", "0", at="2h"),
}
# What looks like a fault and is none, or is one in a way of its own.
MORE = {
    "StemwrightNoWorkers": Case({}, {**NOTHING_WAITS, one("stemwright_workers", state="live"): "0x60"}),
    "StemwrightOutboxStuck": Case({}, {one("stemwright_outbox_oldest_unpublished_seconds", service="upload"): "_x60"}),
    "StemwrightApiErrorsFast": Case({}, {requests("200"): "0x120"}, at="100m"),
    # An owner deletes uploads whose jobs wait.
    "StemwrightJobsFailFast": Case(
        {}, {ended("succeeded"): "0+9x120", ended("failed", "upload_deleted"): "0+1x120"}, at="100m"
    ),
    # It is up for a minute of six, and no song comes back.
    "StemwrightCanaryLost": Case(
        {
            one("stemwright_canary_succeeded_timestamp_seconds"): "0+60x10" + " stale _ _ _ _ 0" * 12,
            one("stemwright_canary_interval_seconds"): "300x10" + " stale _ _ _ _ 300" * 12,
        },
        {},
        at="50m",
    ),
    "StemwrightDefects": counter("stemwright_rounds_failed_total", task="outbox"),
    "StemwrightPaymentsRefused": counter("stemwright_accounts_subscriptions_refused_total"),
}


@cache
def alerts() -> dict[str, Object]:
    groups = [group for path in RULES for group in yaml.safe_load(path.read_text())["groups"]]
    return {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}


def group_of(alert: str) -> Object:
    """The alert and what it rests on; the other groups would be computed for nothing."""
    groups = [group for path in RULES for group in yaml.safe_load(path.read_text())["groups"]]
    (found,) = (group for group in groups if any(rule.get("alert") == alert for rule in group["rules"]))
    return dict(found)


def as_tests(case: Case, alert: str) -> list[Object]:
    """The case as promtool reads it: how often the alert fires, with either kind of series."""
    tests = []
    for series, samples in ((case.fires, [{"labels": "{}", "value": 1}]), (case.silent, [])):
        if series:
            told = [{"series": name, "values": values} for name, values in series.items()]
            firing = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})'
            asked = [{"expr": firing, "eval_time": case.at, "exp_samples": samples}]
            tests.append({"interval": case.step, "input_series": told, "promql_expr_test": asked})
    return tests


@pytest.mark.skipif(PROMTOOL is None, reason="promtool (Debian package prometheus) is not on the PATH")
@pytest.mark.parametrize("alert", CASES)
def test_an_alert_fires_when_it_should_and_not_otherwise(alert: str, tmp_path: Path) -> None:
    tests = [test for case in (CASES[alert], *filter(None, [MORE.get(alert)])) for test in as_tests(case, alert)]
    rules = tmp_path / "rules.yaml"
    rules.write_text(json.dumps({"groups": [group_of(alert)]}))
    content = {"rule_files": [str(rules)], "evaluation_interval": "1m", "tests": tests}
    if any(test["interval"] == DAYS["step"] for test in tests):
        content["evaluation_interval"] = DAYS["step"]
    file = tmp_path / "test.yaml"
    file.write_text(json.dumps(content))
    assert PROMTOOL is not None
    told = subprocess.run((PROMTOOL, "test", "rules", str(file)), capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr


def test_every_alert_is_tried_both_ways() -> None:
    assert set(CASES) == set(alerts())
    assert all(case.fires and case.silent for case in CASES.values())


def test_every_alert_says_what_is_wrong_and_leads_to_a_runbook() -> None:
    told = RUNBOOKS.read_text()
    headings = {heading.lower() for heading in re.findall(r"^## (\w+)$", told, re.MULTILINE)}
    for name, alert in alerts().items():
        assert alert["labels"]["severity"] in ("page", "ticket")
        assert alert["annotations"]["summary"]
        assert alert["annotations"]["runbook_url"] == f"docs/runbooks.md#{name.lower()}"
        assert name.lower() in headings
    assert headings == {name.lower() for name in alerts()}


def queries() -> list[tuple[str, str]]:
    """Every expression of a rule, a dashboard and a scaler, and where it stands."""
    groups = [(path.name, group) for path in RULES for group in yaml.safe_load(path.read_text())["groups"]]
    found = [(where, rule["expr"]) for where, group in groups for rule in group["rules"]]
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text())["panels"]:
            found += [(path.name, target["expr"]) for target in panel.get("targets", [])]
    return found + [
        ("ScaledObject", trigger["metadata"]["query"])
        for one in of_kind("gpu", "ScaledObject")
        for trigger in one["spec"]["triggers"]
    ]


def exported() -> dict[str, set[str]]:
    """What a scrape brings: names with the suffixes of histograms, and their labels."""
    made: dict[str, set[str]] = {}
    for metric in METRICS:
        names = (
            [f"{metric.name}_{suffix}" for suffix in ("bucket", "count", "sum")]
            if metric.kind == "histogram"
            else [metric.name]
        )
        made |= {name: {*metric.labels, *(["le"] if name.endswith("_bucket") else [])} for name in names}
    return made


SCRAPED = {"namespace", "pod", "service", "pool", "job", "instance"}
"""Labels that Prometheus adds."""


def test_queries_ask_for_metrics_and_labels_that_there_are() -> None:
    known = exported()
    recorded = {
        rule["record"]
        for path in RULES
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
        if "record" in rule
    }
    asked = set()
    for where, query in queries():
        assert set(re.findall(r"stemwright:[\w:]+", query)) <= recorded, where
        for name, labels in re.findall(r"\b(stemwright_\w+)(?:\{([^}]*)\})?", query):
            assert name in known, f"{where}: {name}"
            used = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", labels))
            assert used <= known[name] | SCRAPED, f"{where}: {name}{{{labels}}}"
            asked.add(name)
        for grouped in re.findall(r"by \(([^)]*)\)", query):
            available: set[str] = set().union(
                *(known[name] for name in re.findall(r"\bstemwright_\w+", query)), SCRAPED
            )
            assert set(re.split(r",\s*", grouped)) <= available, f"{where}: by ({grouped})"
    assert len(asked) > 20


def test_what_should_stay_as_it_is_has_an_alert() -> None:
    """`steady` in the closed list says that another value is worth one."""
    text = "".join(path.read_text() for path in RULES)
    assert [metric.name for metric in METRICS if metric.steady is not None and metric.name not in text] == []


@pytest.mark.parametrize("example", ["production", "gpu"])
def test_the_operator_gets_the_same_rules(example: str) -> None:
    """Those of a canary where there is one."""
    canary = any(one["metadata"]["name"].endswith("-canary") for one in of_kind(example, "Deployment"))
    given: list[Any] = [group for one in of_kind(example, "PrometheusRule") for group in one["spec"]["groups"]]
    files = [path for path in RULES if path.stem != "canary" or canary]
    assert given == [group for path in files for group in yaml.safe_load(path.read_text())["groups"]]


def test_grafana_gets_the_same_dashboards() -> None:
    given = {key: text for one in of_kind("production", "ConfigMap") for key, text in one["data"].items()}
    assert {key: json.loads(text) for key, text in given.items()} == {
        f"stemwright-{path.name}": json.loads(path.read_text()) for path in DASHBOARDS
    }
    assert len(DASHBOARDS) == 4
