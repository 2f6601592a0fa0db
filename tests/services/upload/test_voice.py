"""Where someone sings: what is loud in the middle of the mix, where voices are."""

import numpy as np
import pytest

from separation.audio.decode import LARGEST_SAMPLE, Samples
from services.upload.probe.voice import SEARCHED_SECONDS, VoiceSearch

RATE = 8000
BEGIN, END = 40, 70


def tone(hertz: float, seconds: int) -> Samples:
    return np.sin(2 * np.pi * hertz * np.arange(seconds * RATE) / RATE).astype(np.float32)


def at(begin: int, end: int, samples: Samples) -> Samples:
    """Silent but for these seconds."""
    kept = np.zeros_like(samples)
    kept[begin * RATE : end * RATE] = samples[begin * RATE : end * RATE]
    return kept


def begins(*channels: Samples, block: int = 11_000) -> float | None:
    song = np.stack(channels, axis=1)
    search = VoiceSearch(RATE)
    for first in range(0, len(song), block):
        search.add(song[first : first + block])
    return search.start_seconds()


@pytest.fixture
def voice() -> Samples:
    return at(BEGIN, END, tone(700, 120))


@pytest.mark.parametrize("block", [2048, 11_000, 500_000])
def test_the_half_minute_with_the_voice_is_found_whatever_the_blocks(voice: Samples, block: int) -> None:
    backing = 0.1 * tone(600, 120)
    assert begins(voice + backing, voice + backing, block=block) == BEGIN


def test_what_is_loud_at_the_sides_or_out_of_the_range_of_voices_is_no_voice(voice: Samples) -> None:
    guitar, bass = at(0, 35, tone(900, 120)), at(80, 120, tone(80, 120))
    left, right = 0.2 * voice + 2 * guitar + 3 * bass, 0.2 * voice - 2 * guitar + 3 * bass
    assert begins(left, right) == BEGIN


def test_one_channel_and_many_are_searched_too(voice: Samples) -> None:
    silent = np.zeros_like(voice)
    assert begins(voice) == BEGIN
    assert begins(silent, silent, voice, silent, silent, silent) == BEGIN


def test_a_wide_file_of_a_high_rate_is_searched_in_seconds() -> None:
    search, noise = VoiceSearch(192_000), np.random.default_rng(3).standard_normal((192_000, 1), np.float32)
    for second in range(60):
        search.add(noise if 20 <= second < 50 else np.zeros_like(noise))
    assert search.start_seconds() == 20


def test_a_preview_waits_for_no_more_than_the_first_minutes(voice: Samples) -> None:
    late = at(SEARCHED_SECONDS, SEARCHED_SECONDS + 60, tone(700, SEARCHED_SECONDS + 60))
    early = 0.01 * at(100, 130, tone(700, SEARCHED_SECONDS + 60))
    assert begins(late + early) == 100


@pytest.mark.parametrize("seconds", [1, 29])
def test_what_is_shorter_than_half_a_minute_has_no_such_place(seconds: int) -> None:
    assert begins(tone(700, seconds)) is None


def test_silence_has_no_voice() -> None:
    assert begins(np.zeros(60 * RATE, np.float32)) is None


@pytest.mark.parametrize("level", [1e-30, LARGEST_SAMPLE])
def test_levels_beyond_all_reason_are_searched(voice: Samples, level: float) -> None:
    found = begins(voice * level)
    assert found is not None
    assert 0 <= found <= 90
