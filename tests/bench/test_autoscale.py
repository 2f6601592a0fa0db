"""The autoscaler against what Kubernetes documents of it, and a small day, the same every time."""

from dataclasses import replace

import pytest
import yaml

from bench.autoscale.__main__ import SPEED
from bench.autoscale.day import day
from bench.autoscale.fleet import GRACE_SECONDS, Fleet, work_seconds
from bench.autoscale.hpa import SYNC_SECONDS, Autoscaler, Policy, Rules, Scaling, chart_scaling
from tests.chart.rendering import CHART

AT_ONCE = Rules(0, (Policy("Pods", 1000, 15),))
FREE = Scaling(1, 1000, 100.0, AT_ONCE, AT_ONCE)


@pytest.mark.parametrize(
    ("current", "metric", "wanted"),
    [
        (1, 200, 2),
        (2, 100, 1),
        (3, 1000, 10),
        # ceil[metric / target], and nothing where the ratio is within a tenth of 1
        (10, 1001, 10),
        (10, 1099, 10),
        (10, 1101, 12),
        (10, 900, 10),
        (10, 899, 9),
        (5, 0, 1),
        (5, 10**9, 1000),
    ],
)
def test_the_number_is_the_metric_over_the_target_within_bounds(current: int, metric: float, wanted: int) -> None:
    assert Autoscaler(FREE).desired(0, current, metric) == wanted


def test_down_counts_the_highest_that_the_window_recommended() -> None:
    scaler = Autoscaler(replace(FREE, down=replace(AT_ONCE, window_seconds=600)))
    assert scaler.desired(0, 1, 800) == 8
    assert [scaler.desired(at, 8, 200) for at in (15, 300, 600)] == [8, 8, 8]
    assert scaler.desired(601, 8, 200) == 2


def test_up_counts_the_lowest_that_the_window_recommended() -> None:
    scaler = Autoscaler(replace(FREE, up=replace(AT_ONCE, window_seconds=60)))
    assert scaler.desired(0, 2, 200) == 2
    assert scaler.desired(30, 2, 900) == 2
    assert scaler.desired(61, 2, 900) == 9


def test_up_goes_as_far_as_the_most_that_a_policy_allows_in_its_period() -> None:
    up = Rules(0, (Policy("Percent", 100, 30), Policy("Pods", 4, 30)))
    scaler = Autoscaler(replace(FREE, up=up))
    assert scaler.desired(0, 1, 10_000) == 5
    assert scaler.desired(15, 5, 10_000) == 5, "four were added within the period"
    assert scaler.desired(30, 5, 10_000) == 10
    assert scaler.desired(60, 10, 10_000) == 20


def test_down_goes_by_one_a_minute() -> None:
    scaler = Autoscaler(replace(FREE, down=Rules(0, (Policy("Pods", 1, 60),))))
    number, course = 5, []
    for look in range(9):
        number = scaler.desired(look * SYNC_SECONDS, number, 0)
        course.append(number)
    assert course == [4, 4, 4, 4, 3, 3, 3, 3, 2]


def test_the_rules_are_the_charts_and_its_default_threshold_is_the_one_that_was_computed() -> None:
    chart = chart_scaling()
    with (CHART / "values.yaml").open(encoding="utf-8") as stream:
        scaling = yaml.safe_load(stream)["workers"]["defaults"]["scaling"]
    assert scaling["speed"] == SPEED
    assert chart.threshold == scaling["targetWaitSeconds"] * SPEED
    assert chart.down == Rules(600, (Policy("Pods", 1, 60),))


def test_a_worker_is_as_fast_as_was_measured() -> None:
    assert work_seconds(316) == pytest.approx(0.5 + 316 / 29)
    assert work_seconds(60) < work_seconds(240) < work_seconds(316)


def test_a_small_day_is_the_same_every_time_and_every_song_of_it_ends() -> None:
    songs = day(600, seed=7)
    assert songs == day(600, seed=7)
    assert {song.tier for song in songs} == {"fast", "relaxed"}
    first, again = (Fleet(songs, chart_scaling()).run() for _ in range(2))
    assert first == again
    assert first.lost == first.handed_over == 0
    assert len(first.waits["fast"]) + len(first.waits["relaxed"]) == len(songs)
    assert first.most_workers > chart_scaling().least
    assert first.busy_hours <= first.worker_hours


def test_a_worker_that_is_told_to_stop_in_a_long_song_ends_it_or_another_one_does() -> None:
    """With hardly any grace songs are handed over; none is lost, and none is counted as waiting twice."""
    songs = [replace(song, seconds=20 * song.seconds) for song in day(300, seed=3)]
    hasty = replace(chart_scaling(), down=Rules(0, (Policy("Pods", 5, 15),)))
    for grace_seconds in (GRACE_SECONDS, 1.0):
        outcome = Fleet(songs, hasty, grace_seconds=grace_seconds).run()
        assert outcome.lost == 0
        assert len(outcome.waits["fast"]) + len(outcome.waits["relaxed"]) == len(songs)
        assert (outcome.handed_over > 0) == (grace_seconds < GRACE_SECONDS)
