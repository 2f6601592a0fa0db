"""Which process of a run this is: the only one, or one of several that ``torchrun`` has started."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed
from torch import Tensor


@dataclass(frozen=True)
class RunProcess:
    """``rank`` of ``processes``, computing on ``device``. The process of rank 0 speaks and writes for all."""

    rank: int
    processes: int
    device: torch.device

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def summed(self, values: Tensor) -> Tensor:
        """The sum over all processes, in place; every process has to call it."""
        if self.processes > 1:
            torch.distributed.all_reduce(values)
        return values

    def wait_for_all(self) -> None:
        if self.processes > 1:
            torch.distributed.barrier()


@contextmanager
def process_group(device: str | None = None) -> Iterator[RunProcess]:
    """This process of the run; under ``torchrun`` it joins the others (NCCL on GPUs, Gloo on processors) until the end.

    ``device``: ``cpu``, ``cuda`` or ``cuda:1``; by default a GPU where there is one, to each process its own.
    """
    local, processes = int(os.environ.get("LOCAL_RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    chosen = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if chosen.type == "cuda":
        if chosen.index is None:
            chosen = torch.device("cuda", local)
        torch.cuda.set_device(chosen)
        # The same kernels every time: a run that is resumed goes on with the numbers of one that is not.
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    if processes == 1:
        yield RunProcess(0, 1, chosen)
        return
    torch.distributed.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    try:
        yield RunProcess(torch.distributed.get_rank(), processes, chosen)
    finally:
        torch.distributed.destroy_process_group()
