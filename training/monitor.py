"""What a run shows: TensorBoard with curves and sounds, and a bar or lines on the terminal."""

import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from separation.models.unet import FFT_SIZE, HOP, SAMPLE_RATE_HZ
from separation.spectral.stft import StreamingIstft


def sound(spectra: Tensor) -> Tensor:
    """Complex ``(2, frames, bins)`` as both channels' mean, ``(1, frames * hop)``, by the engine's inverse STFT."""
    channels, frames, bins = spectra.shape
    whole = np.zeros((frames, channels, FFT_SIZE // 2 + 1), np.complex64)
    whole[:, :, :bins] = spectra.transpose(0, 1).cpu().numpy()
    samples = StreamingIstft(channels, FFT_SIZE, HOP).push(whole)
    return torch.from_numpy(samples.mean(axis=1, keepdims=True).T.copy())


class TrainingMonitor:
    """For the process that leads; a context that closes what it shows."""

    def __init__(self, folder: Path, console: Console, *, steps: int, begun: int) -> None:
        self._writer = SummaryWriter(str(folder), purge_step=begun + 1)
        self._console = console
        self._bar = Progress(
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[loss]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("training", total=steps, completed=begun, loss="")
        self._since, self._counted = time.perf_counter(), begun

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        self._writer.close()

    def stepped(self, step: int) -> None:
        self._bar.update(self._task, completed=step)

    def trained(self, step: int, losses: Mapping[str, float], rate: float, patches_a_step: int) -> None:
        """Means since the last call."""
        now = time.perf_counter()
        speed = patches_a_step * (step - self._counted) / max(1e-9, now - self._since)
        self._since, self._counted = now, step
        self._curves(step, "train", losses)
        self._scalar("learning_rate", rate, step)
        self._scalar("patches_per_second", speed, step)
        self._bar.update(self._task, loss=f"loss {_mean(losses):.4f}, {speed:.1f} patches/s")

    def validated(self, step: int, losses: Mapping[str, float], *, best: bool) -> None:
        self._curves(step, "validation", losses)
        parts = ", ".join(f"{stem} {loss:.4f}" for stem, loss in losses.items())
        self._console.print(f"step {step}: validation {_mean(losses):.4f} ({parts}){' best' if best else ''}")

    def heard(self, step: int, name: str, spectra: Tensor) -> None:
        self._writer.add_audio(name, sound(spectra).clamp(-1, 1), step, sample_rate=SAMPLE_RATE_HZ)

    def _curves(self, step: int, kind: str, losses: Mapping[str, float]) -> None:
        self._scalar(f"{kind}/loss", _mean(losses), step)
        for stem, loss in losses.items():
            self._scalar(f"{kind}/{stem}", loss, step)

    def _scalar(self, name: str, value: float, step: int) -> None:
        self._writer.add_scalar(name, value, step)


def _mean(losses: Mapping[str, float]) -> float:
    return sum(losses.values()) / len(losses)
