"""The list of metrics is what the services export, and the document is made from it."""

import sys
from importlib import import_module

import pytest
from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase

from services.cli import PROCESSES
from services.metrics import EVERY, FILE, LABELS, METRICS, PREFIX, Metric, document

UNITS = ("_seconds", "_total", "_info", "_bytes")
COUNTS = frozenset(
    {
        *("accounts_erasures_unfinished", "accounts_ledger_faults", "consumer_lag_records"),
        *("database_connections", "database_connections_limit", "jobs_open", "slots", "slots_free", "workers"),
        *("worker_busy_slots", "worker_inference_in_flight", "worker_inference_ready", "worker_inference_runtime"),
        *("worker_inference_runtime_passed_over", "worker_store_ready", "leads"),
    }
)
"""Gauges that count things; their names say which."""


def exported() -> dict[str, MetricWrapperBase]:
    """What is registered once every service is imported, by the name that Prometheus sees."""
    for service in PROCESSES:
        import_module(f"services.{service}.app")
    import_module("services.worker.inference.triton.inference")
    found = {}
    for collector in REGISTRY._collector_to_names:
        if isinstance(collector, MetricWrapperBase) and collector._name.startswith(PREFIX):
            found[collector._name + ("_total" if collector._type == "counter" else "")] = collector
    return found


def owners(collector: MetricWrapperBase) -> set[str]:
    """The packages of `services` in whose modules the metric is kept by a name."""
    return {
        name.split(".")[1]
        for name, module in sys.modules.items()
        if name.startswith("services.") and any(value is collector for value in vars(module).values())
    }


def test_every_metric_that_is_exported_is_listed_with_its_type_and_labels() -> None:
    listed = {metric.name: (metric.kind, metric.labels) for metric in METRICS}
    assert len(listed) == len(METRICS)
    assert listed == {name: (found._type, found._labelnames) for name, found in exported().items()}


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_metric_is_told_by_the_services_that_it_is_listed_for(metric: Metric) -> None:
    [owner] = owners(exported()[metric.name])
    assert owner == "kit" or metric.services == (owner,)
    assert set(metric.services) <= {*EVERY, "canary"}


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_names_say_what_is_counted_and_in_which_unit(metric: Metric) -> None:
    bare = metric.name.removeprefix(PREFIX)
    assert metric.name.startswith(PREFIX)
    assert (metric.kind == "counter") == bare.endswith("_total")
    assert bare.endswith(UNITS) or bare in COUNTS
    assert not metric.shared or metric.kind == "gauge"


def test_what_bounds_the_values_of_each_label_is_known() -> None:
    assert {label for metric in METRICS for label in metric.labels} == set(LABELS)


def test_the_document_is_made_from_the_list() -> None:
    assert FILE.read_text(encoding="utf-8") == document(), "python -m services.metrics"
