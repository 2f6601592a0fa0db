"""Where two patches meet nothing is to be heard: the error there is that of any other place."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from separation import separate_array
from separation.backends import MaskModel
from separation.decode import open_audio
from separation.settings import SeparationSettings

SONG = Path(__file__).parents[3] / "shared" / "audio" / "cc0_songs" / "Caesium"
RATE, HOP = 44100, 1024
BEGIN, END = 60 * RATE, 110 * RATE
DEFAULT = SeparationSettings()
STEP = 512 - 2 * DEFAULT.context_frames
# The same phase of the network's grid, but its borders lie in the middle of the other's patches.
ELSEWHERE = replace(DEFAULT, first_frame=DEFAULT.first_frame - 192)


def _error_per_frame(
    settings: SeparationSettings, mixture: NDArray[np.float32], vocals: NDArray[np.float32], model: MaskModel
) -> NDArray[np.float64]:
    estimate = separate_array(mixture, RATE, model=model, stems=["vocals"], settings=settings)["vocals"]
    squares = np.square(estimate - vocals, dtype=np.float64).sum(axis=1)
    frames: NDArray[np.float64] = squares[: len(squares) // HOP * HOP].reshape(-1, HOP).sum(axis=1)
    return frames


def _excerpt(path: Path) -> NDArray[np.float32]:
    with open_audio(path) as audio:
        return np.concatenate(list(audio.blocks()))[BEGIN:END]


def _at_borders(first_frame: int, frames: int) -> NDArray[np.bool_]:
    """The frames in which two patches are cross-faded."""
    since = np.arange(frames) - first_frame
    shared: NDArray[np.bool_] = (since % STEP < 2 * DEFAULT.context_frames) & (since >= STEP)
    return shared


@pytest.mark.slow
@pytest.mark.skipif(not SONG.is_dir(), reason=f"needs the song in {SONG.name}, known voice and accompaniment")
def test_the_error_at_borders_is_that_of_the_same_frames_within_a_patch(spleeter_model: MaskModel) -> None:
    vocals, rest = (_excerpt(SONG / f"{name}.ogg") for name in ("vocals", "accompaniment"))
    mixture = vocals + rest
    here = _error_per_frame(DEFAULT, mixture, vocals, spleeter_model)
    elsewhere = _error_per_frame(ELSEWHERE, mixture, vocals, spleeter_model)
    ours, theirs = (_at_borders(settings.first_frame, len(here)) for settings in (DEFAULT, ELSEWHERE))
    assert ours.sum() > 200
    assert not (ours & theirs).any()
    # At the borders of one grid the other grid is in the middle of its patches, on the same music.
    assert here[ours].sum() < 1.15 * elsewhere[ours].sum()
    assert elsewhere[theirs].sum() < 1.15 * here[theirs].sum()
    # Nor does a click stand there: frame by frame the error rises no faster than it does elsewhere.
    rise = np.abs(np.diff(10 * np.log10(here + 1e-6)))
    assert np.quantile(rise[ours[1:]], 0.99) < 1.5 * np.quantile(rise[~ours[1:]], 0.99)
