"""What Prometheus would have seen of a fault that a test provokes, and whether an alert fires on it."""

import json
import subprocess
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tests.chart.test_alerts import PROMTOOL, group_of

BEFORE, AFTER = 25, 90
"""Minutes without the fault, and with it where nothing is asked of a later one."""

needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool (Debian package prometheus) is not on the PATH")
Samples = dict[str, float]


def scraped(service: str) -> Samples:
    """What this process tells, as one of the service."""
    return samples_of(generate_latest(REGISTRY).decode(), service)


def samples_of(text: str, service: str) -> Samples:
    """What a process of the service tells, with the labels that the chart's ServiceMonitors give."""
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name.startswith("stemwright_") and not sample.name.endswith("_created"):
                labels = {**sample.labels, "namespace": "music", "service": service, "pod": f"{service}-1"}
                told = ",".join(f"{name}={json.dumps(value)}" for name, value in sorted(labels.items()))
                found[f"{sample.name}{{{told}}}"] = sample.value
    return found


class Observed:
    """What Prometheus saw before a fault, and with it: of this process, or what `scrape` reads.

    Of gauges that tell a moment, named `clocks`, each reading without the fault is as old as the one before it was.
    """

    def __init__(
        self, service: str, clocks: Collection[str] = (), *, scrape: Callable[[], Samples] | None = None
    ) -> None:
        self._scrape = scrape or partial(scraped, service)
        self._clocks = tuple(clocks)
        self.before = self._scrape()
        self.with_fault: list[Samples] = []

    def minute_passes(self) -> None:
        """A minute of a fault that goes on ends, and Prometheus reads again."""
        self.with_fault.append(self._scrape())

    def fires(self, alert: str, folder: Path, *, minutes: int) -> bool:
        """Whether the alert fires so many minutes after the fault began. Fails if it fires without the fault."""
        self.minute_passes()
        assert not self._ask(alert, folder, [self.before], minutes), f"{alert} fires before anything is wrong"
        return self._ask(alert, folder, self.with_fault, minutes)

    def _ask(self, alert: str, folder: Path, then: list[Samples], minutes: int) -> bool:
        asked_of = json.dumps({"groups": [group_of(alert)]})
        names = [name for name in sorted({*self.before}.union(*then)) if name.partition("{")[0] in asked_of]
        series = [{"series": name, "values": self._values(name, then, max(AFTER, minutes))} for name in names]
        firing = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) > bool 0'
        asked = {"expr": firing, "eval_time": f"{BEFORE + minutes}m", "exp_samples": [{"labels": "{}", "value": 1}]}
        rules, file = folder / "rules.yaml", folder / "test.yaml"
        rules.write_text(asked_of)
        test = {"interval": "1m", "input_series": series, "promql_expr_test": [asked]}
        file.write_text(json.dumps({"rule_files": [str(rules)], "evaluation_interval": "1m", "tests": [test]}))
        assert PROMTOOL is not None
        told = subprocess.run((PROMTOOL, "test", "rules", str(file)), capture_output=True, text=True, check=False)
        assert told.returncode == 0 or "got:" in told.stdout + told.stderr, told.stdout + told.stderr
        return told.returncode == 0

    def _values(self, name: str, then: list[Samples], minutes: int) -> str:
        before, *readings = (samples.get(name) for samples in (self.before, *then))
        if not name.startswith(self._clocks or ("no clock",)):
            # What a reading lacks Prometheus takes for gone at once, not after the five minutes of a gap.
            told = ("stale" if reading is None else _told(reading) for reading in readings)
            return " ".join((_held(before, BEFORE), *told, _held(readings[-1], minutes)))
        if then[0] is self.before:
            return f"0+60x{BEFORE + minutes}"
        assert {*readings} == {before}, f"{name} goes on"
        return f"0+60x{BEFORE} {60 * BEFORE}x{minutes}"


def _held(value: float | None, minutes: int) -> str:
    """The same value for so long; NaN cannot be repeated in this notation."""
    told = _told(value)
    return " ".join([told] * (minutes + 1)) if told == "NaN" else f"{told}x{minutes}"


def _told(value: float | None) -> str:
    return "_" if value is None else f"{value:g}".replace("nan", "NaN")
