"""The client and its commands against the whole platform."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import stemwright_client
from services.local.platform import Platform
from stemwright_client import Order, Stage, UploadRejected
from tests.e2e.jobs import NewAccount, balance, eventually, settled
from tests.e2e.songs import music, read, write_wav_16

pytestmark = pytest.mark.e2e


def test_songs_are_separated_by_client_and_command_and_paid_once(
    platform: Platform, new_account: NewAccount, tmp_path: Path
) -> None:
    account = new_account()
    made = account.call("POST", "/v1/api-keys", json={"name": "c", "scopes": ["uploads", "jobs", "billing:read"]})
    (tmp_path / "Album").mkdir()
    song = write_wav_16(tmp_path / "Album" / "my song.wav", music(3))
    write_wav_16(tmp_path / "Album" / "other.wav", music(2))
    (tmp_path / "Album" / "text.mp3").write_bytes(b"not music at all")
    stages = set()
    with stemwright_client.Client(made["key"], platform.gateway_url) as client:
        separation = client.separate(
            song, tmp_path / "out", Order(format="wav"), on_progress=lambda told: stages.add(told.stage)
        )
        assert {Stage.UPLOADING, Stage.DOWNLOADING} <= stages
        assert separation.job.quality is not None
        assert separation.job.quality.sum_is_exact
        vocals, instrumental = (read(separation.files[name])[0] for name in ("vocals", "instrumental"))
        assert np.array_equal(vocals + instrumental, read(song)[0])

        outcomes = client.separate_folder(tmp_path / "Album", tmp_path / "out", Order(format="wav"), parallel=2)
        assert [type(each.error) for each in outcomes] == [type(None), type(None), UploadRejected]
        assert client.get_job(separation.job.id).price_credits == 3
        assert len(list(client.jobs())) == 2
        assert [event.type for event in client.job_events(separation.job.id)][-1] == "status"
        quote = client.quote(separation.job.upload_id, Order(mode="preview"))
        assert quote.price_credits == 0
        uploads = [job.upload_id for job in client.jobs()]
        batch = client.create_batch([uploads[0], {"upload_id": uploads[1], "stems": ["vocals"]}], Order(mode="preview"))
        assert client.wait_for_batch(batch.id).counts.succeeded == 2
        assert [len(job.stems) for job in client.batch_jobs(batch.id)] == [2, 1]
        settled(account)
        assert client.balance().model_dump(mode="json") == balance(600 - 3 - 2)

    environment = {**os.environ, "STEMWRIGHT_URL": platform.gateway_url, "STEMWRIGHT_API_KEY": made["key"]}
    done = subprocess.run(
        [sys.executable, "-m", "services.cli", "client", "separate", "Album", "-o", "out", "--format", "wav", "--json"],
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    told = {Path(line["song"]).name: line for line in map(json.loads, done.stdout.splitlines())}
    assert {name: line["status"] for name, line in told.items()} == {
        "my song.wav": "done",
        "other.wav": "done",
        "text.mp3": "failed",
    }
    for stem in told["my song.wav"]["job"]["stems"]:
        path = tmp_path / told["my song.wav"]["files"][stem["name"]]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == stem["sha256"]
    eventually(lambda: account.call("GET", "/v1/billing/balance") == balance(600 - 3 - 2), "nothing to be paid twice")
