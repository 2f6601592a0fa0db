from collections.abc import Iterator
from pathlib import Path

import pytest

from stemwright_client import Client
from tests.clients.python.double import KEY, Double
from tests.clients.python.double_server import platform


@pytest.fixture
def double() -> Iterator[Double]:
    with platform() as double:
        yield double


@pytest.fixture
def client(double: Double, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """Its pauses between tries are short."""
    monkeypatch.setattr("stemwright_client.flows.sending.FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr("stemwright_client.flows.uploads._FIRST_LOOK_SECONDS", 0.01)
    monkeypatch.setattr("stemwright_client.flows.jobs._ASK_EVERY_SECONDS", 0.01)
    with Client(KEY, double.url, patience_seconds=60) as client:
        yield client


@pytest.fixture
def song(tmp_path: Path) -> Path:
    """Three and a half parts long."""
    path = tmp_path / "my song.wav"
    path.write_bytes(b"sound " * 583)
    return path
