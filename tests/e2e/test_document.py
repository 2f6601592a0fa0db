"""The public document is what the platform does: schemathesis tries every operation, with every check it has.

`STEMWRIGHT_TEST_EXAMPLES` is how many cases of each operation are tried besides the boundary cases; `_SEED` chooses
others.
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.local.client import Client
from services.local.platform import Platform
from tests.e2e.jobs import NewAccount
from tests.e2e.songs import music, write_wav_16

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

HERE = Path(__file__).parent
DOCUMENT = HERE.parents[1] / "services" / "gateway" / "openapi.json"


FINISHED = """
[[operations]]
include-operation-id-regex = "^(getJob|getStem|getArchive|getWaveforms|getManifest|getPlayback|getFeedback|jobEvents)$"
parameters = { job_id = "%s" }
"""
"""These are tried on a job that has what they give out."""


@dataclass(frozen=True)
class Schemathesis:
    """Tries the platform's operations as one account."""

    platform: Platform
    account: Client
    other: Client
    folder: Path

    def finds_nothing(self, phases: str, settings: str = "") -> None:
        """Runs these phases, under the committed settings and some more."""
        config = self.folder / "schemathesis.toml"
        config.write_text((HERE / "schemathesis.toml").read_text(encoding="utf-8") + settings, encoding="utf-8")
        run = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(config)),
                *("run", str(DOCUMENT), "--checks", "all", "--phases", phases, "--no-color"),
                *("--max-examples", os.environ.get("STEMWRIGHT_TEST_EXAMPLES", "5")),
                *("--seed", os.environ.get("STEMWRIGHT_TEST_SEED", "1")),
            ],
            env={
                **os.environ,
                "SCHEMATHESIS_HOOKS": "tests.e2e.schemathesis_hooks",
                "PLATFORM_URL": self.platform.gateway_url,
                "TOKEN": str(self.account.token),
                "TOKEN_TO_END": str(self.other.token),
            },
            cwd=HERE.parents[1],
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stdout + run.stderr


@pytest.fixture
def schemathesis(platform: Platform, new_account: NewAccount, tmp_path: Path) -> Schemathesis:
    return Schemathesis(platform, new_account(), new_account(), tmp_path)


def test_every_operation_answers_as_its_document_says(schemathesis: Schemathesis, tmp_path: Path) -> None:
    account = schemathesis.account
    upload = account.upload(write_wav_16(tmp_path / "song.wav", music(2)))
    job = account.wait_for_job(account.create_job(upload["id"])["id"])
    assert job["status"] == "succeeded", job
    schemathesis.finds_nothing("coverage,fuzzing", FINISHED % job["id"])


def test_operations_one_after_the_other_answer_as_their_document_says(schemathesis: Schemathesis) -> None:
    schemathesis.finds_nothing("stateful")
