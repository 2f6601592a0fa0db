"""What Prometheus would have seen of a fault that a test provokes, and whether an alert fires on it."""

import json
import subprocess
from collections.abc import Collection
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tests.chart.test_alerts import PROMTOOL, group_of

BEFORE, AFTER = 25, 90
"""Minutes without the fault, and with it."""

needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool (Debian package prometheus) is not on the PATH")
Samples = dict[str, float]


def scraped(service: str) -> Samples:
    """What a process tells, with the labels that the chart's ServiceMonitors give."""
    found: Samples = {}
    for family in text_string_to_metric_families(generate_latest(REGISTRY).decode()):
        for sample in family.samples:
            if sample.name.startswith("stemwright_") and not sample.name.endswith("_created"):
                labels = {**sample.labels, "namespace": "music", "service": service, "pod": f"{service}-1"}
                told = ",".join(f"{name}={json.dumps(value)}" for name, value in sorted(labels.items()))
                found[f"{sample.name}{{{told}}}"] = sample.value
    return found


class Observed:
    """What Prometheus saw before a fault, and with it.

    Of gauges that tell a moment, named `clocks`, each reading without the fault is as old as the one before it was.
    """

    def __init__(self, service: str, clocks: Collection[str] = ()) -> None:
        self._service = service
        self._clocks = tuple(clocks)
        self.before = scraped(service)
        self.after: Samples = {}

    def fires(self, alert: str, folder: Path, *, minutes: int) -> bool:
        """Whether the alert fires so many minutes after the fault began. Fails if it fires without the fault."""
        self.after = scraped(self._service)
        assert not self._ask(alert, folder, self.before, minutes), f"{alert} fires before anything is wrong"
        return self._ask(alert, folder, self.after, minutes)

    def _ask(self, alert: str, folder: Path, then: Samples, minutes: int) -> bool:
        series = [{"series": name, "values": self._values(name, then)} for name in sorted({*self.before, *then})]
        firing = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) > bool 0'
        asked = {"expr": firing, "eval_time": f"{BEFORE + minutes}m", "exp_samples": [{"labels": "{}", "value": 1}]}
        rules, file = folder / "rules.yaml", folder / "test.yaml"
        rules.write_text(json.dumps({"groups": [group_of(alert)]}))
        test = {"interval": "1m", "input_series": series, "promql_expr_test": [asked]}
        file.write_text(json.dumps({"rule_files": [str(rules)], "evaluation_interval": "1m", "tests": [test]}))
        assert PROMTOOL is not None
        told = subprocess.run((PROMTOOL, "test", "rules", str(file)), capture_output=True, text=True, check=False)
        assert told.returncode == 0 or "got:" in told.stdout + told.stderr, told.stdout + told.stderr
        return told.returncode == 0

    def _values(self, name: str, then: Samples) -> str:
        before, after = self.before.get(name), then.get(name)
        if not name.startswith(self._clocks or ("no clock",)):
            return f"{_told(before)}x{BEFORE} {_told(after)}x{AFTER}"
        if then is self.before:
            return f"0+60x{BEFORE + AFTER}"
        assert after == before, f"{name} goes on"
        return f"0+60x{BEFORE} {60 * BEFORE}x{AFTER}"


def _told(value: float | None) -> str:
    return "_" if value is None or value != value else f"{value:g}"  # noqa: PLR0124 - NaN
