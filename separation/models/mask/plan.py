"""Which patches a part of a song needs, and which samples those need."""

from collections.abc import Sequence

from separation.errors import SettingsInvalid
from separation.models.mask.patches import PatchGrid
from separation.models.spec import ModelManifest
from separation.models.unet import BINS_STEP
from separation.settings import SeparationSettings

_LEAD_FRAMES = 96
"""Of the first patch that lie before the song."""


class PatchPlan:
    """What analysis and synthesis must agree on: where the vocals of ``[begin, end)`` lead at each step.

    From these back to the first sample of the mixture that they depend on, ``first_sample``; all in samples at the
    model's rate. ``end=None`` is the end of the song. Raises ``SettingsInvalid`` for settings that are not for this
    model.
    """

    def __init__(
        self,
        spec: ModelManifest,
        settings: SeparationSettings,
        *,
        channel_names: Sequence[str],
        begin: int = 0,
        end: int | None = None,
    ) -> None:
        if settings.transposed_bins % BINS_STEP:
            raise SettingsInvalid(f"transposed_bins must be a multiple of {BINS_STEP}, not {settings.transposed_bins}.")
        self.spec, self.settings, self.channel_names = spec, settings, tuple(channel_names)
        self.begin = begin
        # What the first patch mirrors must be in it: of a small patch no more than half lies before the song.
        self.grid = PatchGrid(spec.frames, settings.context_frames, -min(_LEAD_FRAMES, (spec.frames - 1) // 2))
        self.first_frame = begin // spec.hop
        self.first_patch = self.grid.first_patch(self.first_frame)
        # One patch more to the left: at the song's end a patch is completed with the mirror image of what precedes it.
        self.history_begin = max(0, self.grid.begin(self.first_patch) - spec.frames)
        self.first_sample = max(0, self.begin_of(self.history_begin))
        self.last_patch: int | None = None
        """The last patch that is needed if the song does not end before; ``None`` for the song's own end."""
        if end is not None:
            frames = -(-(end + spec.fft_size - spec.hop) // spec.hop)
            self.last_patch = self.grid.patch_that_completes(frames - 1)

    def begin_of(self, frame: int) -> int:
        """The first sample under a frame; of the song's first frames it lies before the song."""
        return frame * self.spec.hop - (self.spec.fft_size - self.spec.hop)
