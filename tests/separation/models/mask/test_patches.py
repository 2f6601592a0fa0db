"""The patch grid, its context, and the cross-fade."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from separation.machine.timing import StageClock
from separation.models.mask.analysis import Analysis
from separation.models.mask.patches import CrossFade, FrameHistory, PatchGrid, mirrored
from separation.models.mask.plan import PatchPlan
from separation.settings import SeparationSettings
from tests.separation.conftest import EnergyModel
from tests.separation.signals import music

GRIDS = st.builds(
    lambda context, lead: PatchGrid(512, context, -context - lead), st.integers(0, 128), st.integers(0, 20)
)


@given(GRIDS, st.integers(0, 5000))
def test_first_patch_is_the_first_that_covers_the_frame(grid: PatchGrid, frame: int) -> None:
    first = grid.first_patch(frame)
    assert grid.begin(first) <= frame < grid.begin(first) + grid.frames
    assert first == 0 or grid.begin(first - 1) + grid.frames <= frame


@given(GRIDS, st.integers(0, 5000))
def test_last_patch_covers_the_songs_last_frame(grid: PatchGrid, frame: int) -> None:
    last = grid.last_patch(frame)
    assert grid.begin(last) <= frame < grid.begin(last) + grid.frames


def test_the_ramp_rises_over_what_two_patches_share() -> None:
    ramp = PatchGrid(512, 64, -64).ramp()
    assert len(ramp) == 128
    np.testing.assert_allclose(ramp + ramp[::-1], 1, rtol=1e-6)
    assert (np.diff(ramp) > 0).all()
    assert not len(PatchGrid(512, 0, -1).ramp())


@pytest.mark.parametrize("step", [512, 24])
@pytest.mark.parametrize("context", [0, 32, 64, 128])
def test_estimates_that_agree_join_without_a_trace(context: int, step: int) -> None:
    song = np.random.default_rng(0).standard_normal((1200, 1, 4)).astype(np.complex64)
    grid = PatchGrid(512, context, -96)
    fade, joined = CrossFade(grid), []
    for patch in range(grid.last_patch(1199) + 1):
        begin = max(0, grid.begin(patch))
        estimate = song[begin : grid.begin(patch) + 512].copy()
        for first in range(0, len(estimate), step):
            part = estimate[first : first + step]
            joined.append(fade.add(patch, part, begin + first, last=patch == grid.last_patch(1199)).copy())
    np.testing.assert_allclose(np.concatenate(joined), song, rtol=1e-5)


def test_two_estimates_of_the_same_frames_are_cross_faded() -> None:
    grid = PatchGrid(512, 64, 0)
    fade = CrossFade(grid)
    first = fade.add(0, np.zeros((512, 1, 1), np.complex64), 0, last=False)
    second = fade.add(1, np.ones((512, 1, 1), np.complex64), 384, last=True)
    assert (len(first), len(second)) == (384, 512)
    np.testing.assert_allclose(second[:128, 0, 0], grid.ramp())
    assert (second[128:] == 1).all()


@pytest.mark.parametrize("count", [1, 2, 3, 100])
def test_mirror_equals_numpys_reflection(count: int) -> None:
    song = np.arange(count)
    expected = np.pad(song, 250, mode="reflect") if count > 1 else np.zeros(501, int)
    assert np.array_equal(mirrored(np.arange(-250, count + 250), count), expected)


def _history(frames: int) -> FrameHistory:
    history = FrameHistory(0, keep=512, bins=1)
    numbers = np.arange(frames, dtype=np.float32)
    history.append(np.repeat(numbers[:, None, None], 2, axis=1))
    return history


def test_context_is_real_audio_and_mirrored_only_beyond_the_song() -> None:
    patch = _history(448).patch(-64, 512, None)
    assert patch.shape == (2, 512, 1)
    assert np.array_equal(patch[0, :, 0], np.abs(np.arange(-64, 448)))
    tail = _history(600).patch(384, 512, 600)[1, :, 0]
    assert np.array_equal(tail, [*range(384, 600), *range(598, 302, -1)])


def test_history_forgets_but_keeps_what_the_mirror_needs() -> None:
    history = _history(2000)
    history.forget_before(1500)
    assert history.begin == 988
    assert history.patch(1500, 512, 2000)[0, -1, 0] == 1998 - 11


@pytest.mark.parametrize("frames", [128, 192, 193, 512])
def test_the_first_patch_mirrors_what_it_holds_however_small_it_is(frames: int) -> None:
    spec = replace(EnergyModel.manifest, frames=frames)
    plan = PatchPlan(spec, SeparationSettings(), channel_names=("FL", "FR"))
    patch = next(iter(Analysis(plan, StageClock()).push(music(13))))
    before = patch.begin - plan.grid.begin(0)
    assert 0 < before < frames / 2
    seen = patch.magnitudes
    assert seen.shape == (2, frames, spec.bins)
    assert np.array_equal(seen[:, :before], seen[:, before + 1 : 2 * before + 1][:, ::-1])
    assert len({seen[0, frame].tobytes() for frame in range(before, frames)}) == frames - before
