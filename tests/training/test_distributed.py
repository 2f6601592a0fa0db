import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from rich.console import Console

from tests.training.configs import distributed
from tests.training.test_run import ALONE, curve, newest
from training.run import Run

ROOT = Path(__file__).resolve().parents[2]


def torchrun(data: Path, folder: Path) -> None:
    """Two processes on this machine, joined by Gloo, as ``torchrun --standalone --nproc-per-node 2`` starts them."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    outcome = subprocess.run(
        [*command, "-m", "tests.training.distributed_run", str(data), str(folder)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr


@pytest.mark.slow
def test_two_processes_do_what_one_does_with_twice_the_accumulation(data: Path, tmp_path: Path) -> None:
    torchrun(data, tmp_path / "two")
    alone = distributed(accumulation=2, workers=0)
    Run(alone, tmp_path / "one", data, ALONE, cache=None, console=Console(quiet=True)).train()
    ours, theirs = newest(tmp_path / "two"), newest(tmp_path / "one")
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        # Adam's first steps are of the size of the learning rate whatever the gradient: where that is nothing but
        # rounding, its sign is chance. Moments have no such steps in them, and neither do most weights.
        if ".exp_avg." in name and tensor.abs().max() > 1e-6:
            torch.testing.assert_close(ours[name], tensor, rtol=1e-3, atol=1e-3 * tensor.abs().max().item())
    # Each process's norms keep the statistics of its own batches, so validations agree less closely.
    for name, tolerance in (("train/loss", 1e-3), ("validation/loss", 1e-2)):
        two, one = curve(tmp_path / "two", name), curve(tmp_path / "one", name)
        assert two.keys() == one.keys()
        assert [two[step] for step in one] == pytest.approx(list(one.values()), rel=tolerance)
