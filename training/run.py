"""A run: from a configuration to trained weights, in as many processes as there are, resumed where it stopped.

::

    runs/base/
      config.json                        what the run was told
      checkpoints/step-000012000...      the newest two, to go on from
      checkpoints/best.safetensors       of the best validation, to export
      board/                             for TensorBoard

The same command begins a run and goes on with it. All that is random follows from the seed and the number of a batch
among all processes' batches, so neither stopping nor the number of workers changes a number.
"""

import json
import math
import multiprocessing
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, Subset

from training import checkpoint as checkpoints
from training.checkpoint import BEST, Checkpoint
from training.config import RunConfig, SourceConfig
from training.distributed import RunProcess
from training.errors import ConfigInvalid, RunDiverged
from training.licences import PUBLISHED
from training.monitor import TrainingMonitor
from training.moving_average import MovingAverage
from training.network import SeparationNetwork, published_weights
from training.objective import Spectrogram, l1_by_stem, magnitudes, samples_in
from training.progress import Reached, learning_rate
from training.recordings import Reader
from training.remix import FixedPatches, PatchNumbers, RemixedPatches
from training.sources import Song, songs_of

_STREAM_OF_DROPOUT = 2
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Outcome:
    """How a run ended; ``finished`` is false where it was asked to stop."""

    reached: Reached
    finished: bool


def _songs(sources: Iterable[SourceConfig], data: Path) -> list[Song]:
    return [song for source in sources for song in songs_of(source, data)]


def _untrained(config: RunConfig) -> SeparationNetwork:
    told = config.network
    return SeparationNetwork(told.stems, channels=told.channels, dropout=told.dropout)


def new_network(config: RunConfig) -> SeparationNetwork:
    """The network with its first weights. Raises ``CheckpointInvalid`` or the engine's ``ModelError``."""
    torch.manual_seed(config.seed)
    network = _untrained(config)
    match config.network.start:
        case "random":
            pass
        case "published":
            network.load_weights(published_weights())
        case path:
            network.load_weights(checkpoints.read(Path(path)).network().weights())
    return network


def start_licences(config: RunConfig) -> tuple[str, ...]:
    """Of what the first weights have learnt from. Raises ``CheckpointInvalid``."""
    match config.network.start:
        case "random":
            return ()
        case "published":
            return (PUBLISHED,)
        case path:
            return checkpoints.read(Path(path)).licences


class Run:
    """One process's share of a run in ``folder``, on the songs below ``data``.

    ``cache``: a folder for decoded recordings. Raises ``TrainingError``. ``train`` blocks until the end.
    """

    def __init__(
        self, config: RunConfig, folder: Path, data: Path, process: RunProcess, *, cache: Path | None, console: Console
    ) -> None:
        self._config, self._folder, self._process, self._console = config, folder, process, console
        self._checkpoints = folder / "checkpoints"
        reader, stems, samples = Reader(cache), config.network.stems, samples_in(config.patch.frames)
        training = _songs(config.data.training, data)
        self._patches = RemixedPatches(training, stems, samples, config.data.remix, reader, config.seed)
        validation = _songs(config.data.validation, data)
        self._validation = FixedPatches(validation, stems, samples, config.validation.patches, reader)

        found = checkpoints.numbered(self._checkpoints)
        # A run that goes on does not need what it started from, which may be gone.
        self._network = (_untrained(config) if found else new_network(config)).to(process.device)
        self._start_licences = () if found else start_licences(config)
        self._average = MovingAverage(self._network, config.optimisation.ema_decay)
        self._spectrogram = Spectrogram(config.patch.bins).to(process.device)
        self._frozen = self._freeze()
        self._named = {name: p for name, p in self._network.named_parameters() if p.requires_grad}
        self._optimizer = torch.optim.Adam(self._named.values(), lr=config.optimisation.learning_rate)
        fp16 = config.optimisation.precision == "fp16"
        self._scaler = torch.amp.GradScaler(process.device.type, enabled=fp16)
        self.reached = Reached()
        if found:
            self._restore(checkpoints.read(found[-1]))
        process.wait_for_all()  # nobody looks for checkpoints after another process has written one
        if process.leads and not found:
            folder.mkdir(parents=True, exist_ok=True)
            told = json.dumps(config.model_dump(mode="json"), indent=2) + "\n"
            (folder / "config.json").write_text(told, encoding="utf-8")
        self._shared: nn.Module = self._network
        if process.processes > 1:
            self._shared = DistributedDataParallel(self._network)

    def _freeze(self) -> list[nn.Module]:
        """Fixes what is not to be trained; the norms that keep their statistics, to be told so before each step."""
        told = self._config.network
        norms: list[nn.Module] = []
        for network in self._network.networks.values():
            for name, parameter in network.named_parameters():
                parameter.requires_grad_(not told.trained or name.startswith(told.trained))
            norms += [
                module
                for name, module in network.named_modules()
                if isinstance(module, nn.BatchNorm2d)
                and (told.statistics == "fixed" or (told.trained and not name.startswith(told.trained)))
            ]
        if not any(parameter.requires_grad for parameter in self._network.parameters()):
            raise ConfigInvalid(f"No parameter begins with {' or '.join(told.trained)}.")
        return norms

    def _restore(self, found: Checkpoint) -> None:
        if found.config.fingerprint() != self._config.fingerprint():
            raise ConfigInvalid(
                f"The run in {self._folder} began with another {_difference(found.config, self._config)}. "
                "Take the configuration in its config.json, or another folder."
            )
        self._network.load_state_dict(found.part("network"))
        self._average.network.load_state_dict(found.part("average"))
        checkpoints.restore_optimizer(self._optimizer, self._named, found)
        if found.scaler:
            self._scaler.load_state_dict(dict(found.scaler))
        self.reached, self._start_licences = found.reached, found.start_licences

    def train(self, should_stop: Callable[[], bool] = lambda: False) -> Outcome:
        """Trains to the last step, to the end of the patience, or until a process is told to stop.

        It looks whether to stop every ``log_every_steps``. A checkpoint is written at the end in any case.
        """
        config, told = self._config, self._config.optimisation
        patches_a_step = told.batch * told.accumulation * self._process.processes
        if self.reached.steps >= told.steps or self.reached.exhausted(config.validation.patience):
            return Outcome(self.reached, finished=True)
        with ExitStack() as open_things:
            monitor = None
            if self._process.leads:
                begun = self.reached.steps
                monitor = open_things.enter_context(
                    TrainingMonitor(self._folder / "board", self._console, steps=told.steps, begun=begun)
                )
            sums, counted, stop = torch.zeros(len(config.network.stems), device=self._process.device), 0, False
            if self.reached.steps == 0:
                self._validate(monitor)  # what the first weights are worth: training has to beat them
            batches = iter(self._loader())
            for step in range(self.reached.steps, told.steps):
                rate = learning_rate(step, told)
                sums += self._step(step, rate, [next(batches) for _ in range(told.accumulation)])
                counted += 1
                self.reached = replace(self.reached, steps=step + 1)
                last = self.reached.steps == told.steps
                if monitor:
                    monitor.stepped(self.reached.steps)
                if last or self.reached.steps % config.log_every_steps == 0:
                    losses, stop = self._gathered(sums, counted, stop=should_stop())
                    sums.zero_()
                    counted = 0
                    if monitor:
                        monitor.trained(self.reached.steps, losses, rate, patches_a_step)
                if last or self.reached.steps % config.validation.every_steps == 0:
                    self._validate(monitor)
                done = last or self.reached.exhausted(config.validation.patience)
                if done or stop or self.reached.steps % config.checkpoint_every_steps == 0:
                    self._write()
                if done or stop:
                    return Outcome(self.reached, finished=done)
        raise AssertionError("a run has at least one step left")  # pragma: no cover

    def _loader(self) -> DataLoader[Tensor]:
        config = self._config
        numbers = PatchNumbers(
            steps=range(self.reached.steps, config.optimisation.steps),
            batch=config.optimisation.batch,
            accumulation=config.optimisation.accumulation,
            rank=self._process.rank,
            processes=self._process.processes,
        )
        workers = config.data.workers
        server = multiprocessing.get_context("forkserver") if workers else None
        if server is not None:
            # It imports once what otherwise each worker would, for seconds.
            server.set_forkserver_preload(["torch", "training.remix"])
        return DataLoader(
            self._patches,
            batch_sampler=numbers,
            num_workers=workers,
            multiprocessing_context=server,
            pin_memory=self._process.device.type == "cuda",
        )

    def _step(self, step: int, rate: float, batches: list[Tensor]) -> Tensor:
        """One step of the optimiser; the losses by stem, ``(stems,)``, means over the batches."""
        self._network.train()
        for norm in self._frozen:
            norm.eval()
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        losses = torch.zeros(len(self._network.stems), device=self._process.device)
        for turn, batch in enumerate(batches):
            self._seed_dropout(step, turn)
            patches = magnitudes(self._spectrogram, batch.to(self._process.device, non_blocking=True))
            with self._gradients_kept_here(last=turn == len(batches) - 1):
                with self._autocast():
                    masks = self._shared(patches.mixture)
                by_stem = l1_by_stem(masks, patches)
                torch.autograd.backward(self._scaler.scale(by_stem.mean() / len(batches)))
            losses += by_stem.detach() / len(batches)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self._optimizer.zero_grad(set_to_none=True)
        self._network.project()
        self._average.update(self._network, step + 1)
        return losses

    def _seed_dropout(self, step: int, turn: int) -> None:
        process = self._process
        number = (step * self._config.optimisation.accumulation + turn) * process.processes + process.rank
        sequence = np.random.SeedSequence([self._config.seed, _STREAM_OF_DROPOUT, number])
        torch.manual_seed(int(sequence.generate_state(1, np.uint64)[0] >> 1))

    def _gradients_kept_here(self, *, last: bool) -> AbstractContextManager[None]:
        """Processes exchange gradients once a step, with its last batch."""
        if isinstance(self._shared, DistributedDataParallel) and not last:
            return self._shared.no_sync()
        return nullcontext()

    def _autocast(self) -> torch.autocast:
        precision = self._config.optimisation.precision
        return torch.autocast(self._process.device.type, _DTYPES[precision], enabled=precision != "fp32")

    def _gathered(self, sums: Tensor, steps: int, *, stop: bool) -> tuple[dict[str, float], bool]:
        """Mean losses of all processes by stem, and whether any is to stop. Raises ``RunDiverged``."""
        values = torch.cat([sums / steps, sums.new_tensor([float(stop)])])
        *means, stops = (self._process.summed(values)).tolist()
        losses = {stem: mean / self._process.processes for stem, mean in zip(self._network.stems, means, strict=True)}
        if not all(math.isfinite(loss) for loss in losses.values()):
            raise RunDiverged(
                f"The loss is not finite after step {self.reached.steps}. The newest checkpoint is older; lower the "
                "learning rate or take bf16 instead of fp16."
            )
        return losses, stops > 0

    @torch.no_grad()
    def _validate(self, monitor: TrainingMonitor | None) -> None:
        """Measures the averaged network in fp32, each process on its share of the patches."""
        process, network, stems = self._process, self._average.network, self._network.stems
        mine = range(process.rank, len(self._validation), process.processes)
        sums = torch.zeros(len(stems) + 1, device=process.device, dtype=torch.float64)
        for number, batch in zip(mine, DataLoader(Subset(self._validation, mine)), strict=True):
            parts = batch.to(process.device)
            patches = magnitudes(self._spectrogram, parts)
            masks = network(patches.mixture)
            sums[:-1] += l1_by_stem(masks, patches)
            sums[-1] += 1
            if monitor and number < self._config.validation.audio:
                spectra = self._spectrogram(parts)[0]
                mixture = spectra.sum(dim=0)
                monitor.heard(self.reached.steps, f"{number}/mixture", mixture)
                for place_of, stem in enumerate(stems):
                    monitor.heard(self.reached.steps, f"{number}/{stem}", masks[0, place_of] * mixture)
                    monitor.heard(self.reached.steps, f"{number}/{stem} (target)", spectra[place_of])
        *means, count = process.summed(sums).tolist()
        losses = {stem: mean / count for stem, mean in zip(stems, means, strict=True)}
        self.reached = self.reached.validated(sum(losses.values()) / len(losses))
        best = self.reached.since_best == 0
        if monitor:
            monitor.validated(self.reached.steps, losses, best=best)
        if best and process.leads:
            self._checkpoints.mkdir(parents=True, exist_ok=True)
            average = {f"average.{name}": value for name, value in network.state_dict().items()}
            best_one = Checkpoint(self._config, self.reached, average, {}, self._start_licences)
            checkpoints.write(self._checkpoints / BEST, best_one)

    def _write(self) -> None:
        if self._process.leads:
            tensors = {f"network.{name}": value for name, value in self._network.state_dict().items()}
            tensors |= {f"average.{name}": value for name, value in self._average.network.state_dict().items()}
            tensors |= checkpoints.optimizer_tensors(self._optimizer, self._named)
            state = self._scaler.state_dict()
            newest = Checkpoint(self._config, self.reached, tensors, state, self._start_licences)
            checkpoints.write_numbered(self._checkpoints, newest)
        self._process.wait_for_all()


def _difference(before: RunConfig, now: RunConfig) -> str:
    """The names of the sections and fields that differ."""
    old, new = before.fingerprint(), now.fingerprint()
    return ", ".join(
        f"{section}.{field}" if isinstance(new[section], dict) else section
        for section in new
        if old[section] != new[section]
        for field in (new[section] if isinstance(new[section], dict) else [""])
        if not isinstance(new[section], dict) or old[section][field] != new[section][field]
    )
