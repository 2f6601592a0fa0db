"""How many workers KEDA has Kubernetes run: the documented algorithm of the horizontal pod autoscaler.

KEDA hands the metric to an autoscaler of Kubernetes, which does the rest
(https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/: algorithm details, tolerance, configurable
scaling behavior). With one worker at least, KEDA's own part, to and from none, has nothing to do.
"""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml

RENDERED = Path(__file__).parents[2] / "tests" / "chart" / "golden" / "production.yaml"
"""The chart as it is installed in production; a test of the chart keeps it so."""
TOLERANCE = 0.1
"""Kubernetes' default: a metric this near to its target changes nothing."""
SYNC_SECONDS = 15.0
"""Kubernetes' default: how often it looks."""


@dataclass(frozen=True, slots=True)
class Policy:
    """By how much the number may change within a period."""

    kind: str
    """`Pods` or `Percent`."""
    value: int
    period_seconds: float


@dataclass(frozen=True, slots=True)
class Rules:
    """One direction: the most that any policy allows counts."""

    window_seconds: float
    policies: tuple[Policy, ...]

    @classmethod
    def of(cls, rules: Mapping[str, Any]) -> Self:
        if rules.get("selectPolicy", "Max") != "Max":
            raise ValueError("only the most that a policy allows is known here")
        policies = (Policy(each["type"], each["value"], each["periodSeconds"]) for each in rules["policies"])
        return cls(rules["stabilizationWindowSeconds"], tuple(policies))


@dataclass(frozen=True, slots=True)
class Scaling:
    """What a ScaledObject says."""

    least: int
    most: int
    threshold: float
    """Of the metric, for each worker."""
    up: Rules
    down: Rules

    @classmethod
    def of(cls, scaled_object: Mapping[str, Any]) -> Self:
        spec = scaled_object["spec"]
        behavior = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
        [trigger] = spec["triggers"]
        return cls(
            spec["minReplicaCount"],
            spec["maxReplicaCount"],
            float(trigger["metadata"]["threshold"]),
            Rules.of(behavior["scaleUp"]),
            Rules.of(behavior["scaleDown"]),
        )


def chart_scaling(file: Path = RENDERED) -> Scaling:
    """Of the pool of workers in the rendered chart."""
    with file.open(encoding="utf-8") as stream:
        [scaled_object] = [each for each in yaml.safe_load_all(stream) if each and each["kind"] == "ScaledObject"]
    return Scaling.of(scaled_object)


class Autoscaler:
    """Remembers what it recommended and did, for windows and periods."""

    def __init__(self, scaling: Scaling) -> None:
        self._scaling = scaling
        self._recommended: deque[tuple[float, int]] = deque()
        self._changes: deque[tuple[float, int]] = deque()

    def desired(self, now: float, current: int, metric: float) -> int:
        """The number of workers from now on, of `current` ones; to be asked every `SYNC_SECONDS`."""
        scaling = self._scaling
        wanted = min(max(self._by_metric(current, metric), scaling.least), scaling.most)
        number = self._limited(now, current, self._stabilized(now, current, wanted))
        if number != current:
            self._changes.append((now, number - current))
        return number

    def _by_metric(self, current: int, metric: float) -> int:
        target = self._scaling.threshold
        if current and abs(1 - metric / (target * current)) <= TOLERANCE:
            return current
        return math.ceil(metric / target)

    def _stabilized(self, now: float, current: int, wanted: int) -> int:
        """Up no further than the lowest of the window up recommends, down no further than the highest of its own."""
        up, down = self._scaling.up.window_seconds, self._scaling.down.window_seconds
        while self._recommended and self._recommended[0][0] < now - max(up, down):
            self._recommended.popleft()
        self._recommended.append((now, wanted))
        lowest = min(number for at, number in self._recommended if at >= now - up)
        highest = max(number for at, number in self._recommended if at >= now - down)
        return min(max(current, lowest), highest)

    def _limited(self, now: float, current: int, wanted: int) -> int:
        scaling = self._scaling
        if wanted > current:
            limit = max(self._bounds(now, current, scaling.up, 1))
            return min(wanted, max(current, min(limit, scaling.most)))
        if wanted < current:
            limit = min(self._bounds(now, current, scaling.down, -1))
            return max(wanted, min(current, max(limit, scaling.least)))
        return current

    def _bounds(self, now: float, current: int, rules: Rules, sign: int) -> list[int]:
        """Where each policy ends, counted from what there was when its period began."""
        bounds = []
        for policy in rules.policies:
            began = current - sum(change for at, change in self._changes if at > now - policy.period_seconds)
            if policy.kind == "Pods":
                bounds.append(began + sign * policy.value)
            else:
                share = began * (1 + sign * policy.value / 100)
                bounds.append(math.ceil(share) if sign > 0 else math.floor(share))
        return bounds
