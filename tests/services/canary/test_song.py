import io
import wave

import numpy as np
import pytest

from services.canary.song import RATE_HZ, SECONDS, check_sum, samples_of, song


def written(samples: np.ndarray, rate_hz: int = RATE_HZ) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setnchannels(samples.shape[1])
        wav.setsampwidth(2)
        wav.setframerate(rate_hz)
        wav.writeframes(samples.astype("<i2").tobytes())
    return file.getvalue()


def test_the_song_is_the_same_every_time_and_leaves_room_above() -> None:
    assert song() == song()
    samples = samples_of(song())
    assert samples.shape == (SECONDS * RATE_HZ, 2)
    assert np.abs(samples).max() == pytest.approx(0.5 * 32767, abs=1)


def test_stems_that_add_up_to_the_song_are_right() -> None:
    mixture = samples_of(song())
    vocals = mixture // 3
    check_sum(song(), [written(vocals), written(mixture - vocals)])


def test_a_single_sample_that_is_off_by_one_is_found() -> None:
    mixture = samples_of(song())
    vocals = mixture // 3
    rest = mixture - vocals
    rest[1234, 1] += 1
    with pytest.raises(ValueError, match="miss the song by 1 of 32767"):
        check_sum(song(), [written(vocals), written(rest)])


def test_stems_of_another_length_or_form_and_what_is_no_stem_are_found() -> None:
    mixture = samples_of(song())
    with pytest.raises(ValueError, match="stems of 176400, 176399 samples of 176400"):
        check_sum(song(), [written(mixture), written(mixture[1:])])
    with pytest.raises(ValueError, match="48000 Hz"):
        check_sum(song(), [written(mixture, 48_000)])
    with pytest.raises(ValueError, match="no WAV file"):
        check_sum(song(), [b"<html>"])
