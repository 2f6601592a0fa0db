"""The patch grid, its context, and the assembly of masks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from separation.patches import FrameHistory, MaskAssembly, PatchGrid, mirrored

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


def test_fades_of_neighbours_sum_to_one() -> None:
    grid = PatchGrid(512, 64, -64)
    fade = grid.fade()
    np.testing.assert_allclose(fade[grid.step :] + fade[: 2 * grid.context], 1, rtol=1e-6)
    assert (fade[2 * grid.context : grid.step] == 1).all()


def test_equal_masks_assemble_to_themselves() -> None:
    grid = PatchGrid(512, 64, -64)
    assembly = MaskAssembly(grid, 0, bins=4)
    masks = np.full((2, 512, 4), 0.25, np.float32)
    assembled = []
    for patch in range(3):
        assembly.add(patch, masks)
        assembled.append(assembly.take(grid.begin(patch + 1)))
    assembled.append(assembly.take(1200))
    frames = np.concatenate(assembled)
    assert len(frames) == 1200
    np.testing.assert_allclose(frames, 0.25, rtol=1e-6)


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
    patch = _history(448).patch(-64, 512, None, mirror=True)
    assert patch.shape == (2, 512, 1)
    assert np.array_equal(patch[0, :, 0], np.abs(np.arange(-64, 448)))
    tail = _history(600).patch(384, 512, 600, mirror=True)[1, :, 0]
    assert np.array_equal(tail, [*range(384, 600), *range(598, 302, -1)])


def test_spleeters_padding_is_silence() -> None:
    patch = _history(100).patch(-1, 512, 100, mirror=False)[0, :, 0]
    assert np.array_equal(patch, [0, *range(100), *[0] * 411])


def test_history_forgets_but_keeps_what_the_mirror_needs() -> None:
    history = _history(2000)
    history.forget_before(1500)
    assert history.begin == 988
    assert history.patch(1500, 512, 2000, mirror=True)[0, -1, 0] == 1998 - 11
