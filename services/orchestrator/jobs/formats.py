"""Which songs each format of the stems can hold, so that a job that must fail is refused at the order."""

from dataclasses import dataclass

from services.orchestrator.jobs.errors import OutputUnsuitable


@dataclass(frozen=True)
class _Lossy:
    """A format with limits; no rates mean any. The engine's own limits are the same: a test compares them."""

    title: str
    channels: frozenset[int]
    rates_hz: frozenset[int] | None = None


_MP3_RATES_HZ = frozenset({8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000})
_LOSSY = {
    "mp3": _Lossy("MP3", frozenset({1, 2}), _MP3_RATES_HZ),
    "m4a": _Lossy("AAC", frozenset({1, 2, 3, 4, 5, 6, 8}), _MP3_RATES_HZ | {64_000, 88_200, 96_000}),
    "ogg": _Lossy("Vorbis", frozenset({2})),
    "opus": _Lossy("Opus", frozenset({1, 2, 3, 4, 6, 8})),
}


def check_output(name: str, sample_rate_hz: int, channels: int) -> None:
    """Raises OutputUnsuitable for a song that the format has no form for."""
    lossy = _LOSSY.get(name)
    if lossy is None:
        return
    if lossy.rates_hz is not None and sample_rate_hz not in lossy.rates_hz:
        raise OutputUnsuitable(
            f"{lossy.title} has no rate of {sample_rate_hz} Hz, which is this song's; ask for FLAC or WAV"
        )
    if channels not in lossy.channels:
        raise OutputUnsuitable(f"{lossy.title} has no form for this song's {channels} channels; ask for FLAC or WAV")
