"""`stemwright demo` as a person runs it in a folder of theirs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from separation.machine.cache import cache_directory
from separation.models.importers.spleeter import sample_song
from tests.e2e.songs import read

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.mark.parametrize("options", [[], ["--paid"]], ids=["given", "paid"])
def test_the_demo_leaves_the_stems_and_nothing_else(tmp_path: Path, options: list[str]) -> None:
    theirs = tmp_path / "home" / "demo" / "precious.txt"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("somebody's")
    here = tmp_path / "here"
    (here / ".stemwright" / "demo").mkdir(parents=True)
    environment = {name: value for name, value in os.environ.items() if name != "STEMWRIGHT_HOME"}

    demo = subprocess.run(
        [sys.executable, "-m", "services.cli", "demo", *options],
        cwd=here,
        env={
            **environment,
            "HOME": str(tmp_path / "home"),
            "PYTHONPATH": str(Path(__file__).parents[2]),
            # What was fetched and checked once on this machine need not be again.
            "STEMWRIGHT_CACHE": str(cache_directory()),
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "Null-test residual" in demo.stdout
    receipts = list((here / "demo-output" / "audio_example").glob("receipt-*.pdf"))
    assert len(receipts) == len(options)
    if options:
        for shown in ("/billing/sandbox/sbx_", "paid: receipt", "purchase", "capture"):
            assert shown in demo.stdout
        # Where accounts is busy the order is taken first, and rejected then.
        assert re.search("without credits: (402 |rejected, )insufficient_credits", demo.stdout)
        assert receipts[0].read_bytes().startswith(b"%PDF-")
    vocals, instrumental = (
        read(here / "demo-output" / "audio_example" / f"{stem}.flac")[0] for stem in ("vocals", "instrumental")
    )
    assert vocals.shape == instrumental.shape == read(sample_song())[0].shape
    assert np.abs(vocals).max() > 0.1
    assert theirs.read_text() == "somebody's"
    assert [path.name for path in (tmp_path / "home").iterdir() if not path.name.startswith(".")] == ["demo"]
    assert [path.name for path in (here / ".stemwright").iterdir()] == ["demo"]
