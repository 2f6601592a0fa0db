"""Checkpoints: everything a run needs to go on as if it had never stopped, in one safetensors file.

Tensors are named ``network.*``, ``average.*`` and ``optimizer.<kind>.*``; the header holds the rest as JSON. There is
no state of a random generator, because none lives longer than a batch: what a batch draws follows from the seed and
its number (record 0131). safetensors holds numbers only, so a checkpoint from elsewhere can do no harm.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from training.config import RunConfig
from training.errors import CheckpointInvalid
from training.files import appearing
from training.licences import UNKNOWN
from training.network import SeparationNetwork
from training.progress import Reached

_FORMAT = "stemwright-training-1"
_KEPT = 2
BEST = "best.safetensors"


@dataclass(frozen=True)
class Checkpoint:
    """``config`` is the run's; ``scaler`` the state of the loss's scale with fp16, else empty.

    ``start_licences``: of all that the weights had learnt from before the run.
    """

    config: RunConfig
    reached: Reached
    tensors: Mapping[str, Tensor]
    scaler: Mapping[str, Any]
    start_licences: tuple[str, ...] = ()

    @property
    def licences(self) -> tuple[str, ...]:
        """Of all that the weights have learnt from, each once."""
        return tuple(dict.fromkeys((*self.start_licences, *(one.licence for one in self.config.data.training))))

    def part(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose names begin with ``prefix``, without it."""
        start = prefix + "."
        return {name.removeprefix(start): value for name, value in self.tensors.items() if name.startswith(start)}

    def network(self) -> SeparationNetwork:
        """The averaged network, as it is validated and exported, ready to answer."""
        config = self.config.network
        network = SeparationNetwork(config.stems, channels=config.channels, dropout=config.dropout)
        try:
            network.load_state_dict(self.part("average"))
        except RuntimeError as error:
            raise CheckpointInvalid(f"The checkpoint does not hold the network it names: {error}") from error
        return network.eval()


def write(path: Path, checkpoint: Checkpoint) -> None:
    """Appears whole or not at all; a machine that loses power keeps the one before."""
    header = {
        "config": checkpoint.config.model_dump(mode="json"),
        "reached": asdict(checkpoint.reached),
        "scaler": dict(checkpoint.scaler),
        "start_licences": checkpoint.start_licences,
    }
    tensors = {name: value.detach().contiguous().cpu() for name, value in checkpoint.tensors.items()}
    with appearing(path) as unfinished:
        save_file(tensors, unfinished, {"format": _FORMAT, "state": json.dumps(header)})


def read(path: Path) -> Checkpoint:
    """Raises ``CheckpointInvalid`` for a file that ``write`` has not written."""
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
            if header.get("format") != _FORMAT:
                raise CheckpointInvalid(f"{path} is no checkpoint of this project.")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dictionary
        state = json.loads(header["state"])
        reached = Reached(**state["reached"])
        config = RunConfig.model_validate(state["config"])
        # Checkpoints of before they were recorded may have begun with another one, of which nothing is known.
        licences = tuple(state.get("start_licences", (UNKNOWN,)))
        return Checkpoint(config, reached, tensors, state["scaler"], licences)
    except (SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
        raise CheckpointInvalid(f"{path} cannot be read as a checkpoint: {error}.") from error


def numbered(folder: Path) -> list[Path]:
    """The checkpoints of a run, oldest first."""
    return sorted(path for path in folder.glob("step-*.safetensors") if re.fullmatch(r"step-\d{9}", path.stem))


def write_numbered(folder: Path, checkpoint: Checkpoint) -> None:
    """Writes a run's next checkpoint and removes all but the newest two."""
    write(folder / f"step-{checkpoint.reached.steps:09d}.safetensors", checkpoint)
    for old in numbered(folder)[:-_KEPT]:
        old.unlink()


def optimizer_tensors(optimizer: torch.optim.Optimizer, named: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Adam's moments and counters by name of the parameter."""
    return {
        f"optimizer.{kind}.{name}": value
        for name, parameter in named.items()
        for kind, value in optimizer.state[parameter].items()
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, named: Mapping[str, Tensor], checkpoint: Checkpoint) -> None:
    """The inverse of ``optimizer_tensors``; a moment goes where its parameter is, a counter stays in memory."""
    for full, value in checkpoint.part("optimizer").items():
        kind, _, name = full.partition(".")
        parameter = named[name]
        optimizer.state[parameter][kind] = value.clone() if kind == "step" else value.to(parameter.device, copy=True)
