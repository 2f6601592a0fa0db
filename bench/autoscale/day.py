"""A day of songs that nobody has sent: a curve over the day, rushes, partners' batches, and work that may wait."""

from dataclasses import dataclass

import numpy as np

DAY_SECONDS = 86_400
BUSIEST_HOUR = 20.0
RUSHES = 3
RUSH_SECONDS = 600
BATCHES = 12
NIGHT_HOUR = 2.0
LONGEST_SECONDS = 1800.0
PERSON = "person-"


@dataclass(frozen=True, slots=True)
class Song:
    """Somebody's order."""

    number: int
    at: float
    """Seconds since midnight."""
    account: str
    tier: str
    seconds: float
    """Of music."""

    @property
    def is_a_persons(self) -> bool:
        """No part of a batch."""
        return self.account.startswith(PERSON)


def day(songs: int, *, seed: int) -> list[Song]:
    """About so many songs in the order in which they are sent, the same for the same seed.

    Of a hundred 63 follow the curve, whose busiest hour has nine times the songs of its quietest; 10 come in three
    rushes of ten minutes from many accounts; 12 in batches of one account each, all at once; 15 are `relaxed`, most of
    them in two batches at night. Lengths are log-normal about four minutes, half an hour at most.
    """
    rng = np.random.default_rng(seed)
    hours = np.arange(0, 24, 1 / 60)
    curve = 1 + 0.8 * np.cos(2 * np.pi * (hours - BUSIEST_HOUR) / 24)
    found: list[Song] = []

    def add(at: float, account: str, tier: str) -> None:
        length = float(np.clip(rng.lognormal(np.log(230), 0.35), 20.0, LONGEST_SECONDS))
        found.append(Song(len(found), float(at), account, tier, length))

    def many(number: int) -> range:
        return range(round(number * songs / 100))

    for minute in rng.choice(len(hours), len(many(63)), p=curve / curve.sum()):
        add(60 * minute + rng.uniform(0, 60), f"{PERSON}{rng.integers(songs)}", "fast")
    for start in rng.uniform(0, DAY_SECONDS - RUSH_SECONDS, RUSHES):
        for _ in range(len(many(10)) // RUSHES):
            add(start + rng.uniform(0, RUSH_SECONDS), f"{PERSON}{rng.integers(songs)}", "fast")
    for batch, start in enumerate(rng.uniform(6, 22, BATCHES) * 3600):
        for _ in range(len(many(12)) // BATCHES):
            add(start, f"partner-{batch}", "fast")
    for number in many(15):
        at = rng.uniform(0, DAY_SECONDS) if number % 5 == 0 else 3600 * (NIGHT_HOUR + number % 2)
        add(at, f"archive-{number % 2}", "relaxed")
    return sorted(found, key=lambda song: song.at)
