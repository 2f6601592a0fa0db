"""The stream from mixture to vocals: everything between the decoder and the writers, in bounded memory.

Native samples -> (resampled to the model's rate) -> spectra -> magnitude patches -> masks -> masked spectra -> samples
-> (resampled back) native vocals. Each step is fed with the next piece and gives what it can; the longest memory is
one patch of spectra. Positions are absolute in the song at every step, which is what makes a window of the song
come out exactly as it does in the whole.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from separation.backends import MaskModel
from separation.channels import downmix_matrix, mask_routing, mixed
from separation.estimates import estimated_vocals
from separation.patches import CrossFade, FrameHistory, PatchGrid
from separation.resample import BlockResampler
from separation.settings import SeparationSettings
from separation.stft import StreamingIstft, StreamingStft, frame_count
from separation.timing import StageClock

Samples = NDArray[np.float32]
_VOCALS = "vocals"


class VocalsStream:
    """Feed the mixture from sample ``first_input`` on, take the vocals of ``[begin, end)``.

    ``end=None`` is the end of the song. Both are in samples at ``sample_rate_hz``, the mixture's own rate; input and
    output are float32 ``(samples, channels)``. ``before_patch`` is called before the network is asked and
    may raise to stop.
    """

    def __init__(
        self,
        model: MaskModel,
        settings: SeparationSettings,
        *,
        sample_rate_hz: int,
        channel_names: Sequence[str],
        begin: int = 0,
        end: int | None = None,
        before_patch: Callable[[], None] = lambda: None,
        clock: StageClock | None = None,
    ) -> None:
        spec = model.manifest
        channels = len(channel_names)
        self._model, self._settings, self._spec = model, settings, spec
        self._stem = spec.stems.index(_VOCALS)
        self._before_patch = before_patch
        self._clock = clock or StageClock()
        self._downmix = downmix_matrix(channel_names)
        self._routing = mask_routing(channel_names)
        self._rate, self._end = sample_rate_hz, end
        self._taken = begin
        self._received = 0

        # From the wanted output back to the first sample of input that it depends on.
        self._to_native = BlockResampler(spec.sample_rate_hz, sample_rate_hz, channels, begin)
        vocals_begin = self._to_native.first_input
        self._first_frame = vocals_begin // spec.hop
        self._grid = PatchGrid(spec.frames, settings.context_frames, settings.first_frame)
        self._patch = self._grid.first_patch(self._first_frame)
        # One patch more to the left: at the song's end a patch is completed with the mirror image of what precedes it.
        history_begin = max(0, self._grid.begin(self._patch) - spec.frames)
        mixture_begin = max(0, history_begin * spec.hop - (spec.fft_size - spec.hop))
        self._to_model = BlockResampler(sample_rate_hz, spec.sample_rate_hz, channels, mixture_begin)
        self.first_input = self._to_model.first_input

        self._stft = StreamingStft(channels, spec.fft_size, spec.hop, history_begin)
        self._history = FrameHistory(history_begin, spec.frames, spec.bins)
        self._spectra = np.empty((0, channels, spec.fft_size // 2 + 1), np.complex64)
        # Spectra are kept from the patch's beginning on: its statistics are those of all its frames.
        self._spectra_begin = max(0, self._grid.begin(self._patch))
        self._cross_fade = CrossFade(self._grid)
        self._istft = StreamingIstft(channels, spec.fft_size, spec.hop)
        # The inverse transform begins before the first wanted sample.
        self._surplus = vocals_begin - (self._first_frame * spec.hop - (spec.fft_size - spec.hop))
        self._song_frames: int | None = None
        self._song_samples: int | None = None

    @property
    def done(self) -> bool:
        """Whether the whole window has been given out; more input changes nothing."""
        return self._end is not None and self._taken >= self._end

    def push(self, samples: Samples) -> Samples:
        """The next samples of the mixture in, the vocals that are final by now out."""
        self._received += len(samples)
        with self._clock.stage("resample"):
            at_model_rate = self._to_model.push(samples)
        with self._clock.stage("transform"):
            spectra = self._stft.push(at_model_rate)
        return self._vocals(spectra)

    def finish(self) -> Samples:
        """The mixture has ended: the rest of the vocals, to the last sample of the input."""
        spec = self._spec
        self._song_samples = self.first_input + self._received
        at_model_rate = -(-self._song_samples * spec.sample_rate_hz // self._rate)
        self._song_frames = frame_count(at_model_rate, spec.fft_size, spec.hop)
        with self._clock.stage("resample"):
            rest = self._to_model.finish(at_model_rate)
        with self._clock.stage("transform"):
            spectra = self._stft.push(rest)
            missing = self._song_frames - self._history.end - len(spectra)
            spectra = np.concatenate([spectra, self._stft.finish(missing)])
        return self._vocals(spectra)

    def _vocals(self, spectra: NDArray[np.complex64]) -> Samples:
        self._remember(spectra)
        pieces = [self._inverse(masked) for masked in self._masked_spectra()]
        if self._song_samples is not None:
            with self._clock.stage("resample"):
                pieces.append(self._to_native.finish(self._song_samples))
        vocals = np.concatenate(pieces) if pieces else np.zeros((0, len(self._routing)), np.float32)
        ends = [end for end in (self._end, self._song_samples) if end is not None]
        if ends:
            end = min(ends)
            vocals = vocals[: max(0, end - self._taken)]
        self._taken += len(vocals)
        return vocals

    def _remember(self, spectra: NDArray[np.complex64]) -> None:
        """Keeps the magnitudes for patches to come, and the spectra that masks will be applied to."""
        skip = max(0, self._spectra_begin - self._history.end)
        with self._clock.stage("transform"):
            heard = mixed(self._downmix, spectra[..., : self._spec.bins])
            self._history.append(np.sqrt(heard.real * heard.real + heard.imag * heard.imag))
            self._spectra = np.concatenate([self._spectra, spectra[skip:]])

    def _masked_spectra(self) -> "list[NDArray[np.complex64]]":
        """Runs every patch that is complete; returns the masked spectra of the frames that are final."""
        final: list[NDArray[np.complex64]] = []
        while not self.done and self._patch_is_ready():
            self._before_patch()
            grid, spec = self._grid, self._spec
            begin = grid.begin(self._patch)
            patch = self._history.patch(begin, spec.frames, self._song_frames, mirror=self._settings.edges == "mirror")
            with self._clock.stage("network"):
                fractions = self._model.fractions(patch[None])[0]
            with self._clock.stage("mask"):
                final.append(self._estimate(fractions))
                self._history.forget_before(grid.begin(self._patch))
        return final

    def _estimate(self, fractions: NDArray[np.float32]) -> NDArray[np.complex64]:
        """What the current patch makes final, from the first wanted frame on; turns to the next patch."""
        begin, known = self._grid.begin(self._patch), self._spectra_begin
        end = begin + self._spec.frames
        last = False
        if self._song_frames is not None:
            end = min(end, self._song_frames)
            last = self._patch == self._grid.last_patch(self._song_frames - 1)
        estimate = estimated_vocals(
            self._spectra[: end - known],
            fractions[:, :, known - begin : end - begin],
            self._stem,
            self._routing,
            self._settings,
        )
        final = self._cross_fade.add(self._patch, estimate, known, last=last)
        self._patch += 1
        self._spectra_begin = max(0, self._grid.begin(self._patch))
        self._spectra = self._spectra[self._spectra_begin - known :].copy()
        skip = max(0, self._first_frame - known)
        return final[skip:]

    def _patch_is_ready(self) -> bool:
        if self._song_frames is not None:
            return self._patch <= self._grid.last_patch(self._song_frames - 1)
        return self._history.end >= self._grid.begin(self._patch) + self._spec.frames

    def _inverse(self, masked: NDArray[np.complex64]) -> Samples:
        with self._clock.stage("inverse"):
            vocals = self._istft.push(masked)
            skip = min(self._surplus, len(vocals))
            self._surplus -= skip
            vocals = vocals[skip:]
        with self._clock.stage("resample"):
            return self._to_native.push(vocals)
