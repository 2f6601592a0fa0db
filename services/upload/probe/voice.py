"""Where in a song someone most likely sings, found from its samples as they are decoded.

A mix has its lead voice in the middle, between about 250 and 4,000 Hz, and it is loudest in the chorus: the half minute
with the most of that is where a preview begins (record 0187, which says how often it is right).
"""

import numpy as np

from separation.audio.decode import Samples

WINDOW_SECONDS = 30
"""What is compared: half minutes, as long as a preview."""
SEARCHED_SECONDS = 300
"""Nothing later is looked at: a preview waits for all that lies before it to arrive."""
LOWEST_HZ, HIGHEST_HZ = 250.0, 4000.0
FRAME_SAMPLES = 2048
FRAMES_A_SECOND = 5
SILENCE = 1e-9
AS_GOOD = 0.02
"""Of half minutes as loud as this, 0.1 dB below the best, the first is taken."""


class VoiceSearch:
    """Takes a song block by block, and looks at five moments of each second."""

    def __init__(self, sample_rate_hz: int) -> None:
        self._sample_rate_hz = sample_rate_hz
        self._samples = 0
        self._power = np.zeros(SEARCHED_SECONDS)
        self._frames = np.zeros(SEARCHED_SECONDS)
        frequencies = np.fft.rfftfreq(FRAME_SAMPLES, 1 / sample_rate_hz)
        self._band = (frequencies >= LOWEST_HZ) & (frequencies <= HIGHEST_HZ)
        self._window = np.hanning(FRAME_SAMPLES)[:, None]

    def add(self, block: Samples) -> None:
        """The next samples, `(samples, channels)` at any level."""
        for begin in range(0, len(block) - FRAME_SAMPLES + 1, self._sample_rate_hz // FRAMES_A_SECOND):
            second = (self._samples + begin) // self._sample_rate_hz
            if second >= SEARCHED_SECONDS:
                break
            self._power[second] += self._middle(block[begin : begin + FRAME_SAMPLES])
            self._frames[second] += 1
        self._samples += len(block)

    def _middle(self, frame: Samples) -> float:
        """Power in the band of what both sides of a pair of channels have in common; of all channels where there are
        more, or one alone."""
        spectra = np.fft.rfft(frame * self._window, axis=0)[self._band]
        power = np.abs(spectra.mean(axis=1)) ** 2
        if spectra.shape[1] == 2:
            power = np.maximum(power - np.abs(spectra[:, 0] - spectra[:, 1]) ** 2 / 4, 0)
        return float(power.sum())

    def start_seconds(self) -> float | None:
        """Where the half minute begins that most likely has the voice; None for what is shorter, and for silence."""
        seconds = min(self._samples // self._sample_rate_hz, SEARCHED_SECONDS)
        if seconds < WINDOW_SECONDS or not self._power.any():
            return None
        level = np.log(self._power[:seconds] / np.maximum(self._frames[:seconds], 1) + SILENCE)
        means = np.convolve(level, np.full(WINDOW_SECONDS, 1 / WINDOW_SECONDS), mode="valid")
        return float(np.argmax(means > means.max() - AS_GOOD))
