"""Requests and answers about results."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

SILENT_DB = -60
"""The lowest place of a fader, which is silence."""


class StemResult(BaseModel):
    """One separated file."""

    name: str
    format: str
    size_bytes: int
    sha256: str
    duration_seconds: float
    sample_rate_hz: int
    channels: int
    peak_dbfs: float | None
    loudness_lufs: float | None
    silent: bool


class Quality(BaseModel):
    """How exactly the stems sum to the song."""

    model_config = ConfigDict(extra="allow")

    sum_is_exact: bool | None = Field(
        description="Whether the samples in the files of all stems sum to the song's exactly. False: they sum to it "
        "within `null_residual_dbfs`, which for a lossless format is below one step of 16 bits. Null: not every stem "
        "was asked for, so nothing sums to the song."
    )
    null_residual_dbfs: float | None = Field(
        description="RMS of the song minus the sum of its stems, in dB below full scale; null where it is zero."
    )
    null_measured: str | None = Field(
        None, description="`in_files`, or `before_encoding` where a lossy encoder adds its own difference afterwards."
    )


class Analysis(BaseModel):
    """The music of the song, or of the preview's window. Null is what cannot be told."""

    model_config = ConfigDict(allow_inf_nan=False)

    key: Annotated[str, Field(max_length=20)] | None = Field(description="`C major`, `F# minor`, `Bb minor`, ...")
    camelot: Annotated[str, Field(max_length=3)] | None = Field(description="The same as DJs write it, `1A` to `12B`.")
    tempo_bpm: float | None = Field(description="Beats a minute; may be half or double of what somebody taps.")
    loudness_lufs: float | None = Field(description="Integrated loudness after ITU-R BS.1770-4.")
    peak_dbfs: float | None = Field(description="The highest sample.")


class StemLink(BaseModel):
    """Where a stem can be downloaded for a while, by anyone who has the address."""

    url: str
    expires_at: datetime = Field(description="When the address stops working; ask again for another.")
    size_bytes: int
    sha256: str


class Waveforms(BaseModel):
    """Peaks to draw: for each track minimum and maximum in turn, -1 to 1."""

    sample_rate_hz: int
    samples_per_peak: int
    duration_seconds: float
    tracks: dict[str, list[float]]


class PlaybackAnswer(BaseModel):
    """A job's tracks in segments, to be listened to while they are still being made."""

    sample_rate_hz: int
    channels: int
    segment_seconds: int = Field(
        description="Of each segment but the last. Segment 0 begins where the job's window does."
    )
    duration_seconds: float = Field(description="Of each track; exact once the job has succeeded.")
    playable_seconds: float = Field(description="How much is there, from the beginning.")
    tracks: list[str] = Field(description="`mixture`, and the stems that were asked for.")


GainDb = Annotated[float, Field(ge=SILENT_DB, le=6, allow_inf_nan=False)]
Pan = Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False, description="-1 is left, 1 is right.")]


class Faders(BaseModel):
    """Where the faders of the mixer stand; without any the mix is the song."""

    model_config = ConfigDict(extra="forbid")

    vocals_gain_db: GainDb = Field(0.0, description="-60, the lowest place, is silence.")
    vocals_pan: Pan = 0.0
    instrumental_gain_db: GainDb = Field(0.0, description="As for the vocals.")
    instrumental_pan: Pan = 0.0
    master_gain_db: GainDb = Field(0.0, description="Of the sum.")

    @property
    def heard(self) -> frozenset[str]:
        """Names of the stems that are not silent."""
        gains = {"vocals": self.vocals_gain_db, "instrumental": self.instrumental_gain_db}
        return frozenset(stem for stem, gain_db in gains.items() if gain_db > SILENT_DB)
