"""A tiny run as one of the processes that ``torchrun`` starts; the folders of data and run are its arguments."""

import sys
from pathlib import Path

import torch
from rich.console import Console

from tests.training.configs import distributed
from training.distributed import process_group
from training.run import Run

if __name__ == "__main__":
    data, folder = map(Path, sys.argv[1:])
    torch.set_num_threads(1)
    with process_group("cpu") as process:
        config = distributed(accumulation=2 // process.processes, workers=1)
        Run(config, folder, data, process, cache=None, console=Console(quiet=True)).train()
