"""A tiny run as one of the processes that ``torchrun`` starts; the folders of data and run are its arguments."""

import sys
from pathlib import Path

import torch
from rich.console import Console

from tests.training.configs import distributed
from training.place import joined
from training.run import Run

if __name__ == "__main__":
    data, folder = map(Path, sys.argv[1:])
    torch.set_num_threads(1)
    with joined("cpu") as place:
        config = distributed(accumulation=2 // place.processes)
        Run(config, folder, data, place, cache=None, console=Console(quiet=True)).train()
