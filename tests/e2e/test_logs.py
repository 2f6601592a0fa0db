"""Every line that the platform logs of a song says whose and which it is, and none says what is in confidence."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest

from services.local.client import Client
from services.local.platform import Platform
from tests.e2e.jobs import PATIENCE_SECONDS, NewAccount, eventually, settled
from tests.e2e.songs import music, write_wav_16
from tests.e2e.test_events import as_partner
from tests.ids import numbered
from tests.services.notifier.sink import sink

pytestmark = pytest.mark.e2e

SHAPE = ("time", "level", "service", "logger", "message", "request_id", "trace_id", "account_id", "job_id")
SERVICES = {"gateway", "accounts", "upload", "orchestrator", "notifier", "worker"}
TRACE = "6d1f0c3a5b7e4d2c9a8b7c6d5e4f3a2b"
FILENAME, NOTE, PASSWORD = "Nobody Knows This Title 4711.wav", "a note in confidence 4712", "a secret password 4713"
Line = dict[str, Any]


class Logs:
    """What the services write from now on."""

    def __init__(self, platform: Platform) -> None:
        self._begun = {file: file.stat().st_size for file in platform.home.logs.glob("*.log")}

    def text(self) -> str:
        """Whole lines: somebody may be writing one."""
        told = (file.read_bytes()[begun:] for file, begun in self._begun.items())
        return b"".join(text[: text.rfind(b"\n") + 1] for text in told).decode()

    def lines(self) -> Iterator[Line]:
        """Of our services; those of the broker and the store have forms of their own."""
        for text in self.text().splitlines():
            if text.startswith("{"):
                line = json.loads(text)
                if line.get("service") in SERVICES:
                    yield line


def in_confidence(account: Client, key: str, secret: str, links: list[str]) -> dict[str, str]:
    """What nobody who reads logs may learn."""
    me = account.call("GET", "/v1/me")
    assert account.token is not None
    signatures = {
        f"{name} of link {number}": value
        for number, link in enumerate(links)
        for name, value in parse_qsl(urlsplit(link).query)
        if "signature" in name.lower()
    }
    assert len(signatures) == len(links)
    return {
        "the name of the file": FILENAME,
        "a part of it": "Nobody%20Knows",
        "a note": NOTE,
        "the password": PASSWORD,
        "the address": me["email"],
        "an access token": account.token,
        "a key": key,
        "what webhooks are signed with": secret,
        **signatures,
    }


def test_each_line_of_a_job_says_whose_and_which_it_is_and_none_what_is_in_confidence(
    platform: Platform, new_account: NewAccount, admin: Client, tmp_path: Path
) -> None:
    account = new_account()
    logs = Logs(platform)
    owner = account.call("GET", "/v1/me")["id"]
    account.call("PATCH", "/v1/me", json={"display_name": NOTE})
    account.call("POST", "/v1/auth/register", json={"email": f"{numbered('usr')}@example.com", "password": PASSWORD})
    key = as_partner(admin, account)
    with Client(platform.gateway_url, key) as program, sink() as partner:
        secret = program.call("POST", "/v1/callbacks/rotate-secret")["secret"]
        upload = account.upload(write_wav_16(tmp_path / "song.wav", music(3)), filename=FILENAME)
        order = {"upload_id": upload["id"], "mode": "full", "metadata": {"note": NOTE}}
        job = program.call(
            "POST",
            "/v1/jobs",
            json={**order, "callback_url": f"{partner.url}/done"},
            headers={"Idempotency-Key": numbered("job", 2), "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"},
        )
        job = account.wait_for_job(job["id"])
        assert job["status"] == "succeeded"
        settled(account)
        eventually(lambda: len(partner.received) > 0, "the callback")
    answer = {"Accept": "application/json"}
    stems = [f"/v1/jobs/{job['id']}/stems/{stem['name']}" for stem in job["stems"]]
    links = [account.call("GET", path, headers=answer)["url"] for path in stems]
    assert all(httpx2.get(link, timeout=PATIENCE_SECONDS).is_success for link in links)
    account.send("DELETE", f"/v1/jobs/{job['id']}")

    def lines_of_job() -> list[Line]:
        return [line for line in logs.lines() if job["id"] in json.dumps(line)]

    deleted = ("gateway", "DELETE /v1/jobs/{id} 204")
    eventually(lambda: deleted in {(one["service"], one["message"]) for one in lines_of_job()}, "the last line")

    for what, told in in_confidence(account, key, secret, links).items():
        assert told not in logs.text(), what
    for line in logs.lines():
        assert tuple(line)[: len(SHAPE)] == SHAPE, line
        assert line["level"] not in ("ERROR", "CRITICAL"), line
        if "path" in line:
            assert line["trace_id"], line
            assert line["request_id"] or line["path"].startswith(("/internal/", "/.well-known/")), line
    for line in lines_of_job():
        assert line["job_id"] == job["id"], line
        # Who fetches a stem by its link shows nobody's credentials. A token of before the change of roles is nobody's.
        is_nobodys = line["message"].endswith(" 401") or line.get("path", "").startswith("/stemwright/stems/")
        assert line["account_id"] == owner or is_nobodys, line
        assert line["trace_id"], line
    way = [line for line in lines_of_job() if line["trace_id"] == TRACE]
    assert {line["service"] for line in way} >= {"orchestrator", "worker"}
    [ordered] = [line for line in way if line["message"] == f"job {job['id']} is ordered"]
    # 202 where its credits were still being reserved when the answer went out.
    answers = ("POST /v1/jobs 201", "POST /v1/jobs 202")
    asked = [line["request_id"] for line in logs.lines() if line["message"] in answers]
    assert ordered["request_id"] in asked
