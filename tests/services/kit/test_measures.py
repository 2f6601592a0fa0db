"""Metrics that are computed when they are read."""

import threading
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError

import pytest
from fastapi.testclient import TestClient
from prometheus_client import REGISTRY, Gauge

from services.kit import health
from services.kit.app import create_app
from services.kit.measures import CONNECTIONS, Measure, measures_of
from tests.databases import PATIENCE_SECONDS, MakeDatabase, on_sqlite

SHADES = Gauge("shades_for_tests", "Of paint.", ["colour"])


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread of a busy machine may begin late."""
    monkeypatch.setattr(health, "MEASURE_SECONDS", PATIENCE_SECONDS)


def metrics(measure: Callable[[], None]) -> str:
    app = create_app(name="test", title="Test", measures=[Measure([SHADES], measure)])
    return TestClient(app).get("/metrics").text


def test_they_are_computed_when_they_are_read() -> None:
    count = iter(range(1, 3))
    assert 'shades_for_tests{colour="red"} 1.0' in metrics(lambda: SHADES.labels("red").set(next(count)))
    assert 'shades_for_tests{colour="red"} 2.0' in metrics(lambda: SHADES.labels("red").set(next(count)))


def test_a_database_that_hangs_keeps_no_reader_waiting_and_nothing_old_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "MEASURE_SECONDS", 0.05)
    SHADES.labels("red").set(1)
    go = threading.Event()

    def hang() -> None:
        go.wait(60)

    try:
        text = metrics(hang)
    finally:
        go.set()
    assert "shades_for_tests{" not in text
    assert "stemwright_build_info{" in text


def test_a_defect_in_one_hides_no_other_metric() -> None:
    def fail() -> None:
        raise ZeroDivisionError

    SHADES.labels("red").set(1)
    text = metrics(fail)
    assert "shades_for_tests{" not in text
    assert "stemwright_build_info{" in text


@on_sqlite
def test_connections_are_counted_by_what_they_do(make_database: MakeDatabase) -> None:
    database = make_database("notifier")

    def in_use() -> float | None:
        for measure in measures_of(database):
            measure.renew()
        return REGISTRY.get_sample_value(CONNECTIONS._name, {"state": "in_use"})

    assert in_use() == 0
    with database.read() as session:
        session.now()
        session.connection()
        assert in_use() == 1


def test_a_checkout_that_is_not_installed_runs_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    # Training's environment has the services on its path and no distribution of them.
    def absent(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(health, "version", absent)
    monkeypatch.setattr(health, "_running_version", health._running_version.__wrapped__)  # it remembers nothing

    assert 'stemwright_build_info{version="unknown"} 1.0' in metrics(lambda: None)
