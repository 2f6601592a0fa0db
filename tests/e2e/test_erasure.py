"""Somebody is erased, and nothing on the platform knows of them any more but the books."""

import io
import json
import os
import uuid
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest

from services.local.client import Client, Document
from services.local.platform import Platform
from tests.e2e.jobs import NewAccount, eventually, is_out
from tests.e2e.processes import kill, wait_until_ready
from tests.e2e.songs import music, write_wav_16

pytestmark = pytest.mark.e2e

PASSWORD = "a long enough password"


def erase(account: Client) -> str:
    """Closes the account; the path of the receipt."""
    begun = account.send("DELETE", "/v1/me", json={"password": PASSWORD})
    assert begun.status_code == 202
    return str(begun.json()["receipt_url"])


def finished_receipt(platform: Platform, path: str) -> Document:
    with Client(platform.gateway_url) as nobody:
        eventually(lambda: nobody.call("GET", path)["status"] == "finished", "every service to answer")
        return nobody.call("GET", path)


def export(account: Client) -> dict[str, str]:
    """The files of the zip."""
    with zipfile.ZipFile(io.BytesIO(account.send("GET", "/v1/me/export").content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name).decode() for name in archive.namelist()}


def files_with(folder: Path, *traces: str) -> list[str]:
    """Files whose name or content has one of these texts. Files and folders may go while they are looked at."""
    wanted, found = [trace.encode() for trace in traces], []
    for place, _, names in os.walk(folder):
        for path in (Path(place, name) for name in names):
            with suppress(FileNotFoundError):
                told = str(path).encode() + path.read_bytes()
                if any(trace in told for trace in wanted):
                    found.append(str(path.relative_to(folder)))
    return found


def test_an_erased_person_leaves_no_trace(platform: Platform, tmp_path: Path) -> None:
    me = f"ada-{uuid.uuid4().hex}"
    song = write_wav_16(tmp_path / f"{me} sings.wav", music(3))
    with Client(platform.gateway_url) as account:
        account.register(f"{me}@example.com", PASSWORD)
        account.call("PATCH", "/v1/me", json={"display_name": f"Countess {me}"})
        account.call("POST", "/v1/api-keys", json={"name": f"key of {me}", "scopes": ["jobs"]})
        upload = account.upload(song)
        job = account.wait_for_job(account.create_job(upload["id"], metadata={"note": f"for {me}"})["id"])
        assert job["status"] == "succeeded", job
        account.call("PUT", f"/v1/jobs/{job['id']}/feedback", json={"rating": 1, "comment": f"{me} can do better"})
        # The notifier hears of a job's end by itself.
        eventually(lambda: len(json.loads(export(account)["events.json"])) >= 4, "the events of the song")
        exported = export(account)
        named = {name for name, text in exported.items() if me in text}
        assert named >= {"profile.json", "api-keys.json", "uploads.json", "jobs.json", "events.json", "feedback.json"}
        assert json.loads(exported["uploads.json"])[0]["id"] == upload["id"]
        assert json.loads(exported["ledger.json"])
        long = account.upload(write_wav_16(tmp_path / f"{me} sings for long.wav", music(40)))
        running = account.create_job(long["id"], metadata={"note": f"for {me}"})
        eventually(lambda: account.job(running["id"])["status"] == "running", "the second job to run")
        objects = platform.home.objects
        assert files_with(objects, upload["id"], job["id"])

        path = erase(account)
        eventually(lambda: is_out(account), "the sign-in to end")

    receipt = finished_receipt(platform, path)
    erased = {service["service"]: service["erased"] for service in receipt["services"]}
    # Those of the first upload and the first job, and what else was told before the news of the erasure came there.
    assert erased.pop("notifier")["events"] >= 4
    assert erased == {
        "accounts": {"profiles": 1, "sign_ins": 1, "api_keys": 1},
        "orchestrator": {"feedback": 1, "jobs": 2, "stems": 2},
        "upload": {"uploads": 2},
    }
    eventually(lambda: not files_with(objects, upload["id"], long["id"], job["id"], running["id"]), "the objects to go")
    eventually(lambda: not files_with(platform.home.data, me), "every trace to go from the databases")
    assert files_with(platform.home.logs, me) == []
    with Client(platform.gateway_url) as again:
        again.register(f"{me}@example.com", PASSWORD)
        assert again.call("GET", "/v1/uploads")["items"] == []
        assert again.call("GET", "/v1/billing/balance")["reserved_credits"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("parts", [("accounts",), ("upload", "orchestrator", "notifier", "broker")])
def test_whoever_is_killed_at_an_erasure_takes_part_in_it_when_it_is_back(
    platform: Platform, new_account: NewAccount, tmp_path: Path, parts: tuple[str, ...]
) -> None:
    account = new_account()
    upload = account.upload(write_wav_16(tmp_path / "song.wav", music(2)))
    job = account.wait_for_job(account.create_job(upload["id"])["id"])
    if "accounts" not in parts:
        kill_all(platform, parts)
    path = erase(account)
    if "accounts" in parts:
        kill_all(platform, parts)

    wait_until_ready(platform)
    receipt = finished_receipt(platform, path)

    assert {service["service"]: service["erased"] for service in receipt["services"]}["upload"] == {"uploads": 1}
    assert files_with(platform.home.objects, upload["id"], job["id"]) == []


def kill_all(platform: Platform, parts: tuple[str, ...]) -> None:
    for part in parts:
        kill(platform, part)
