"""Key and tempo: of music whose key and tempo are known, and of what has neither."""

import numpy as np
import pytest

from separation.audio.musical import Key, MusicMeter
from tests.separation.signals import Samples

RATE = 22050
SECONDS = 24
MAJOR, MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)


def note(semitones_above_a4: float, seconds: float) -> Samples:
    time = np.arange(int(seconds * RATE)) / RATE
    frequency = 440 * 2 ** (semitones_above_a4 / 12)
    partials = sum(np.sin(2 * np.pi * frequency * part * time) / part**1.3 for part in range(1, 7))
    return np.asarray(partials * np.exp(-3 * time) * np.minimum(1, 200 * time), np.float32)


def song(key: Key, bpm: float, tuning: float = 0.0) -> Samples:
    """Four chords of the key again and again, one every four beats, with a drum on the beat and a rattle off it."""
    random, beat = np.random.default_rng(key.tonic), 60 / bpm
    mix = np.zeros((SECONDS + 4) * RATE, np.float32)
    steps = MINOR if key.minor else MAJOR

    def add(sound: Samples, at: float, level: float) -> None:
        begin = int(at * RATE)
        mix[begin : begin + len(sound)] += np.float32(level) * sound

    time = np.arange(int(0.15 * RATE)) / RATE
    drum = np.sin(2 * np.pi * (50 + 80 * np.exp(-40 * time)) * time) * np.exp(-20 * time)
    for number in range(int(SECONDS / beat)):
        root = (0, 3, 4, 0)[number // 4 % 4]
        for place in (root, root + 2, root + 4):
            pitch = key.tonic - 21 + steps[place % 7] + 12 * (place // 7) + tuning
            add(note(pitch, 1.5 * beat), number * beat, 0.1)
        add(np.asarray(drum, np.float32), number * beat, 0.4)
        rattle = random.standard_normal(len(time)) * np.exp(-60 * time)
        add(np.asarray(rattle, np.float32), (number + 0.5) * beat, 0.05)
    return mix[: SECONDS * RATE]


def measured(mono: Samples, *, rate: int = RATE, block: int = 7001, scale: float = 1.0) -> MusicMeter:
    meter = MusicMeter(rate, scale)
    for begin in range(0, len(mono), block):
        part = np.float32(scale) * mono[begin : begin + block]
        meter.push(np.stack([part, part]))
    return meter


@pytest.mark.parametrize(
    ("key", "bpm", "tuning"),
    [
        (Key(0, minor=False), 100.0, 0.0),
        (Key(6, minor=True), 127.9, 0.0),
        (Key(10, minor=False), 84.5, 0.3),
        (Key(5, minor=True), 145.0, -0.2),
    ],
)
def test_key_and_tempo_of_a_song_are_found(key: Key, bpm: float, tuning: float) -> None:
    """Also of one whose A is not at 440 Hz."""
    meter = measured(song(key, bpm, tuning))
    assert meter.key() == key
    assert meter.tempo_bpm() == pytest.approx(bpm, abs=0.15)


def test_blocks_and_the_scale_of_samples_change_nothing() -> None:
    music = song(Key(2, minor=True), 110)
    meters = [measured(music, block=1000), measured(music, block=len(music)), measured(music, scale=2.0**15)]
    assert {(meter.key(), meter.tempo_bpm()) for meter in meters} == {(Key(2, minor=True), 110.0)}


@pytest.mark.parametrize("sound", ["silence", "noise", "gliding voice", "nothing", "a moment"])
def test_what_has_neither_key_nor_tempo_is_given_none(sound: str) -> None:
    random, time = np.random.default_rng(3), np.arange(SECONDS * RATE) / RATE
    turns = np.arange(0, SECONDS + 1, 0.31)
    glide = np.interp(time, turns, random.uniform(90, 220, len(turns)))
    phase = 2 * np.pi * np.cumsum(glide) / RATE
    sounds = {
        "silence": np.zeros(len(time)),
        "noise": 0.1 * random.standard_normal(len(time)),
        "gliding voice": sum(np.sin(part * phase) / part for part in range(1, 12)) * 0.1,
        "nothing": np.zeros(0),
        "a moment": np.sin(2 * np.pi * 440 * time[:100]),
    }
    meter = measured(np.asarray(sounds[sound], np.float32))
    assert (meter.key(), meter.tempo_bpm()) == (None, None)


def test_the_camelot_wheel_goes_by_fifths() -> None:
    """C major is 8B, A minor beside it 8A, G major the next."""
    assert [Key(7 * fifths % 12, minor=False).camelot for fifths in range(12)] == [
        f"{(7 + fifths) % 12 + 1}B" for fifths in range(12)
    ]
    assert (Key(9, minor=True).name, Key(9, minor=True).camelot) == ("A minor", "8A")
    assert (Key(6, minor=True).name, Key(6, minor=True).camelot) == ("F# minor", "11A")
