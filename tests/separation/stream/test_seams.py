"""Where two patches meet nothing is to be heard: the error there is that of any other place."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from separation import separate_array
from separation.audio.decode import open_audio
from separation.models.separator import MaskModel
from separation.settings import SeparationSettings

SONG = Path(__file__).parents[4] / "shared" / "audio" / "cc0_songs" / "Caesium"
RATE, HOP = 44100, 1024
BEGIN, END = 60 * RATE, 110 * RATE
CONTEXT = SeparationSettings().context_frames
STEP = 512 - 2 * CONTEXT
FIRST_FRAME = -96
# A song that begins so many frames earlier has its borders in the middle of the other's patches, and the same phase of
# the network's grid.
EARLIER = 192


def _error_per_frame(
    mixture: NDArray[np.float32], vocals: NDArray[np.float32], model: MaskModel
) -> NDArray[np.float64]:
    estimate = separate_array(mixture, RATE, model=model, stems=["vocals"])["vocals"]
    squares = np.square(estimate - vocals, dtype=np.float64).sum(axis=1)
    frames: NDArray[np.float64] = squares[: len(squares) // HOP * HOP].reshape(-1, HOP).sum(axis=1)
    return frames


def _excerpt(path: Path) -> NDArray[np.float32]:
    with open_audio(path) as audio:
        return np.concatenate(list(audio.blocks()))[BEGIN - EARLIER * HOP : END]


def _at_borders(first_frame: int, frames: int) -> NDArray[np.bool_]:
    """The frames in which two patches are cross-faded."""
    since = np.arange(frames) - first_frame
    shared: NDArray[np.bool_] = (since % STEP < 2 * CONTEXT) & (since >= STEP)
    return shared


@pytest.mark.slow
@pytest.mark.skipif(not SONG.is_dir(), reason=f"needs the song in {SONG.name}, known voice and accompaniment")
def test_the_error_at_borders_is_that_of_the_same_frames_within_a_patch(spleeter_model: MaskModel) -> None:
    vocals, rest = (_excerpt(SONG / f"{name}.ogg") for name in ("vocals", "accompaniment"))
    mixture = vocals + rest
    here = _error_per_frame(mixture[EARLIER * HOP :], vocals[EARLIER * HOP :], spleeter_model)
    elsewhere = _error_per_frame(mixture, vocals, spleeter_model)[EARLIER:]
    ours, theirs = (_at_borders(first, len(here)) for first in (FIRST_FRAME, FIRST_FRAME - EARLIER))
    assert ours.sum() > 200
    assert not (ours & theirs).any()
    # At the borders of one grid the other grid is in the middle of its patches, on the same music.
    assert here[ours].sum() < 1.15 * elsewhere[ours].sum()
    assert elsewhere[theirs].sum() < 1.15 * here[theirs].sum()
    # Nor does a click stand there: frame by frame the error rises no faster than it does elsewhere.
    rise = np.abs(np.diff(10 * np.log10(here + 1e-6)))
    assert np.quantile(rise[ours[1:]], 0.99) < 1.5 * np.quantile(rise[~ours[1:]], 0.99)
